"""Tier 4: ``python -m fallback_roots`` is the command ``fallback-roots``; imports _cli.

So is ``python -I DIR/fallback_roots``, for an interpreter that cannot import the package: a doctor is wanted there most of all.
"""

import os
import sys

if not __package__:
    here = os.path.dirname(os.path.abspath(__file__))
    real = here if os.path.basename(here) == "fallback_roots" else os.path.realpath(here)  # a link of another name
    sys.path[:] = [os.path.dirname(real), *(entry for entry in sys.path if os.path.abspath(entry) != here)]

from fallback_roots._cli import main

sys.exit(main())
