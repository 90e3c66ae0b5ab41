"""certifi's bundle, whether or not another hook collects it: PyInstaller's own stands in a distribution of its own."""

from PyInstaller.depend.imphookapi import PostGraphAPI
from PyInstaller.utils.hooks import collect_data_files


def hook(hook_api: PostGraphAPI) -> None:
    """Called by PyInstaller when it knows all modules of the application."""
    if "certifi" not in hook_api.analysis.excludes:
        hook_api.add_datas(collect_data_files("certifi"))
