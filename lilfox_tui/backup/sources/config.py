"""The configuration as the manual has it: ``.env`` as it is, and ``config/`` as a tar archive."""

from __future__ import annotations

from lilfox_tui.backup.source import Goal, Settled, Source, Swap, Target
from lilfox_tui.backup.tree.options import Absolute, TreeOptions
from lilfox_tui.hosts.base import Host


class Options(TreeOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Both are swapped by rename, so ``root`` must be writable."""

    kind: str = "config"
    root: Absolute
    """The application's folder, in which both are."""
    env: str = ".env"
    """Name of the file with the environment; the empty string when there is none."""
    folder: str = "config"
    """Name of the folder; the empty string when there is none."""


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
