"""The folder where the state of alerts is kept."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lilfox_tui import paths

DATABASE = "alerts.db"


def folder_of(config_file: Path | None) -> Path | None:
    """Where the state of a configuration's alerts is kept: a folder for each configuration file, so that two that run
    with different rules do not take each other's for gone. None where there is no state folder to be had."""
    name = str(paths.config_file() if config_file is None else config_file.absolute())
    try:
        folder = paths.state_dir() / "alerts" / hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder
