"""A folder of an SSH host, by SFTP alone: the account needs no shell."""

from __future__ import annotations

from lilfox_tui.config.model import StoreConfig
from lilfox_tui.core import plugins


class Options(StoreConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """See the class's keys."""

    kind: str = "sftp"
    host: str
    """Of the configuration."""
    path: str
    """Absolute, as the account sees it."""
    require_mount: bool | str = False
    """The folder must lie on a mounted filesystem of its own: ``true`` when it is the mount point itself, else the
    mount point above it. Nothing is written while it is not mounted."""


__getattr__ = plugins.rest_in("lilfox_tui.backup.storage.sftp")
