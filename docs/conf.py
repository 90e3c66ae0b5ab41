"""Sphinx builds the pages of this folder; they are plain Markdown and read as well without it."""

import fallback_roots

project = "fallback-roots"
author = "The fallback-roots developers"
copyright = "2026, the fallback-roots developers"  # noqa: A001  # Sphinx's name
release = version = fallback_roots.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "fallback-roots"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nitpicky = False
autodoc_member_order = "bysource"
