"""The configuration as the manual has it: ``.env`` as it is, and ``config/`` as a tar archive."""

from __future__ import annotations

from lilfox_tui.backup.file_options import Absolute, FileTreeOptions
from lilfox_tui.core import plugins


class Options(FileTreeOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Both are swapped by rename, so ``root`` must be writable."""

    kind: str = "config"
    root: Absolute
    """The application's folder, in which both are."""
    env: str = ".env"
    """Name of the file with the environment; the empty string when there is none."""
    folder: str = "config"
    """Name of the folder; the empty string when there is none."""


__getattr__ = plugins.rest_in("lilfox_tui.backup.files.config_source")
