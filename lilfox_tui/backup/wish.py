"""What somebody asks of backups: the words of a job, as JSON in its request."""

from __future__ import annotations

from msgspec import Struct

from lilfox_tui.backup.plan import Words


class Wish(Struct, frozen=True, kw_only=True):
    """What somebody asked for. ``plan`` is one of the configuration's, or empty: then ``words`` make it."""

    config: str | None = None
    """The configuration file; None for none."""
    plan: str = ""
    words: Words = Words()
    store: str = ""
    """Name of the plan's store where the set is; its first when empty."""
    set: str = ""
    """As ``choosing.choose`` takes it; the newest when empty."""
    identity: str = ""
    """Where the age key is (``env:NAME``, ``file:PATH``, ``cmd:ARGV``), when it is not the plan's."""
    partial: bool = False
    """``latest`` and a tag may mean a set that is partial."""
    tag: str = ""
    """What the set is called that is made."""
    finish: bool = True
    """What is half done is finished; else it is taken back."""
    aside: bool = False
    """What is half done is put aside as it is: it can never be settled."""
    only: str = ""
    sources: tuple[str, ...] = ()
    """Those of the set's that are restored; all when empty."""
    places: dict[str, str] = {}
    other_server: bool = False
    end_sessions: bool = False
    run_code: bool = False
    """What the dump executes is right."""
