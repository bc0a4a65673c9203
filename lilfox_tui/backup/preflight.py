"""Everything that can be known to fail before a backup begins, of all sources and stores. Nothing is written."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec import Struct

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.opening import Opening
from lilfox_tui.backup.plan import Plan
from lilfox_tui.backup.restore import refuse_bad
from lilfox_tui.backup.words import check_text
from lilfox_tui.errors import LilFoxError


class Preflight(Struct, frozen=True):
    """What was found, by the names in the plan. A source that cannot be dumped keeps no other from it, nor does a store
    that cannot take a copy."""

    sources: dict[str, list[Check]]
    stores: dict[str, list[Check]]

    @property
    def checks(self) -> list[Check]:
        """All of them."""
        return [check for checks in (*self.sources.values(), *self.stores.values()) for check in checks]

    def refuse(self, main: str) -> None:
        """Raises NotReady where nothing could be backed up: the store ``main`` forbids it, or all sources do."""
        refuse_bad(self.stores[main])
        if len(self.bad_sources()) == len(self.sources):
            refuse_bad([check for checks in self.sources.values() for check in checks])

    def bad_sources(self) -> dict[str, str]:
        """Sources that cannot be dumped → why."""
        return _bad(self.sources)

    def bad_stores(self) -> dict[str, str]:
        """Stores that cannot take a set → why."""
        return _bad(self.stores)


def _bad(checked: dict[str, list[Check]]) -> dict[str, str]:
    first = {name: next((check for check in checks if check.state == "bad"), None) for name, checks in checked.items()}
    return {name: check_text(check) for name, check in first.items() if check is not None}


async def preflight(opening: Opening, plan: Plan) -> Preflight:
    """Looks at all that the plan names. Raises UsageError for what makes no sense in it."""
    looked = Preflight({}, {})
    needed: int | None = 0
    for name, options in plan.config.sources.items():
        source = opening.source(name, options)
        looked.sources[name] = await _asked(source.where, source.checks())
        if name not in looked.bad_sources():
            needed = await _added(needed, source.size_bytes())
    for name, options in plan.stores.items():
        store = opening.store(name, options)
        looked.stores[name] = await _asked(store.where, store.checks(needed))
    return looked


async def _asked(where: str, checks: Awaitable[list[Check]]) -> list[Check]:
    try:
        return await checks
    except LilFoxError as error:
        return [Check(where, "bad", error.message, error.hint)]


async def _added(needed: int | None, size: Awaitable[int | None]) -> int | None:
    """``needed`` with what a source needs; None where one of them is not known."""
    try:
        more = await size
    except LilFoxError:  # its dump will say why
        more = None
    return None if needed is None or more is None else needed + more
