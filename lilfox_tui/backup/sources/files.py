"""A folder of files, as a tar archive: GNU tar on the host where it is."""

from __future__ import annotations

from lilfox_tui.backup.source import Goal, Settled, Source, Swap, Target
from lilfox_tui.backup.tree.options import Absolute, TreeOptions
from lilfox_tui.hosts.base import Host


class Options(TreeOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The folder is restored as a whole beside itself and swapped by rename, so its parent must be writable."""

    kind: str = "files"
    path: Absolute
    root: Absolute | None = None
    """The archive's names begin below this folder (``public/uploads/…`` of ``/srv/lilfox``), as the manual's do; below
    the folder's own parent when not given."""


def open_source(name: str, options: Options, host: Host) -> Source:
    """The folder; nothing is read yet."""
    raise NotImplementedError


def open_target(name: str, options: Options, host: Host, goal: Goal) -> Target:
    """Where the folder goes back to: ``goal.place``, or where it was."""
    raise NotImplementedError


async def undo(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``: what was restored is kept under the name that it had while it was staged."""
    raise NotImplementedError


async def settle(swap: Swap, host: Host) -> Settled:
    """See ``backup/source.py``."""
    raise NotImplementedError
