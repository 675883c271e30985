"""Where the data files live that come with the product."""

from pathlib import Path

__all__ = ["config_folder"]


def config_folder() -> Path:
    """The folder with ``default.toml`` and ``policies/``: a wheel's ``host/config``, else the checkout's ``config``."""
    here = Path(__file__).resolve().parent
    installed = here / "config"
    return installed if installed.is_dir() else here.parent / "config"
