"""Where LilFox keeps its files: the user's XDG folders (freedesktop.org Base Directory Specification)."""

from __future__ import annotations

from pathlib import Path

import platformdirs

APP = "lilfox"


def config_file() -> Path:
    """The configuration that is read when ``--config`` does not name one."""
    return Path(platformdirs.user_config_dir(APP)) / "config.yaml"


def state_dir() -> Path:
    """State that outlives a run (what was seen last, logs of crashes); made with mode 0700."""
    folder = Path(platformdirs.user_state_dir(APP))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
