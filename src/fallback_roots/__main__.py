"""Tier 4: ``python -m fallback_roots`` is the command ``fallback-roots``; imports _cli.

So is ``python -I DIR/fallback_roots``, for an interpreter that cannot import the package: a doctor is wanted there most of all.
"""

import os
import sys

if not __package__:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [os.path.dirname(here), *(entry for entry in sys.path if entry != here)]

from fallback_roots._cli import main

sys.exit(main())
