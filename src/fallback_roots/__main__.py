"""Tier 4: ``python -m fallback_roots`` is the command ``fallback-roots``; imports _cli."""

import sys

from ._cli import main

sys.exit(main())
