"""What reading the modules does not tell: that one of them is for Python 3.10, and that certifi's bundle is needed."""

import sys

from PyInstaller.depend.imphookapi import PostGraphAPI
from PyInstaller.utils.hooks import collect_data_files

if sys.version_info >= (3, 11):
    # Where it is not installed PyInstaller takes the one that setuptools has, and setuptools with it, which then is imported at
    # every start of the application.
    excludedimports = ["tomli"]


def hook(hook_api: PostGraphAPI) -> None:
    """Called when all modules are known; another hook may collect the same, but stands in another distribution."""
    if "certifi" not in hook_api.analysis.excludes:
        hook_api.add_datas(collect_data_files("certifi"))
