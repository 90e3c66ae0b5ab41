"""What reading the modules does not tell: which of them are not needed, and that certifi's bundle is."""

import sys

from PyInstaller.depend.imphookapi import PostGraphAPI
from PyInstaller.utils.hooks import collect_data_files

# wrapt imports asyncio, which brings multiprocessing, for which PyInstaller imports half the standard library at every start of
# the application: a quarter more than without us. The stand-ins do the same work; an application that imports wrapt has it.
excludedimports = ["wrapt"]
if sys.version_info >= (3, 11):
    # Where it is not installed PyInstaller takes the one that setuptools has, and setuptools with it, likewise.
    excludedimports.append("tomli")


def hook(hook_api: PostGraphAPI) -> None:
    """Called when all modules are known; another hook may collect the same, but stands in another distribution."""
    if "certifi" not in hook_api.analysis.excludes:
        hook_api.add_datas(collect_data_files("certifi"))
