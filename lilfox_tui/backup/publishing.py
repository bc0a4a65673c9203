"""A set on its way into a store: parts first, all of them named at once, the manifest last."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType

from msgspec import Struct

from lilfox_tui.backup.manifest import Manifest
from lilfox_tui.backup.source import Into
from lilfox_tui.backup.store import Store
from lilfox_tui.i18n import Message

Moved = Callable[[str, int, int | None], None]
"""Takes a part's name, the raw bytes done and about how many there will be."""
Say = Callable[[Message | str], None]


class Heading(Struct, frozen=True, kw_only=True):
    """What a manifest says of the run; see there."""

    id: str
    run: str
    plan: str
    created: datetime
    offset_s: int
    host: str
    tool: str


class Publication:
    """Use it as an async context manager, with the store's lock held: what is not published at its end is removed.

    ``manual`` asks for the manual's format; ``recipients`` (age) for encryption; ``moved`` is told progress, ``say``
    each note.
    """

    def __init__(
        self,
        store: Store,
        heading: Heading,
        *,
        manual: bool = False,
        recipients: Sequence[str] = (),
        moved: Moved | None = None,
        say: Say | None = None,
    ) -> None: ...

    async def __aenter__(self) -> Publication:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def of(self, source: str, kind: str) -> Into:
        """Where the source of that name (in the plan) and kind puts its parts."""
        raise NotImplementedError

    async def drop(self, source: str) -> None:
        """Removes what a source has put so far: it failed, and the set is to be published without it."""

    async def publish(self, *, missing: Mapping[str, str] | None = None) -> Manifest:
        """Names all parts at once, then writes the manifest. ``missing``: sources without parts → why. Raises
        StoreError, HostError; nothing of the set is then left, as far as the store answers."""
        raise NotImplementedError
