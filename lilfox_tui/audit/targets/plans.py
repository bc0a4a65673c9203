"""Facts of a backup plan: its configuration, and the sets in its stores. A fact's question is ``plan``; its answer is
:class:`PlanAnswer`, whatever the fact."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.model import Fact, NotKnown
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.model import Config, PlanConfig, StoreConfig
from lilfox_tui.core.errors import LilFoxError


class PlanAnswer(Struct, frozen=True):
    """A plan at ``at`` (aware UTC); its schedule is in the local time of ``zone``.

    ``sets`` has the sets of each of its stores, newest first; NotKnown for a store that could not be read. ``stores``
    has the options of those stores, ``here`` the names of this machine."""

    name: str
    at: datetime
    zone: tzinfo
    plan: PlanConfig
    goals: AuditConfig
    stores: Mapping[str, StoreConfig]
    sets: Mapping[str, tuple[BackupSet, ...] | NotKnown]
    here: frozenset[str]

    def all_sets(self) -> list[BackupSet]:
        """The sets of all stores, newest first; raises NotKnown if a store could not be read."""
        found: list[BackupSet] = []
        for each in self.sets.values():
            if isinstance(each, NotKnown):
                raise each
            found += each
        return sorted(found, key=lambda each: each.created, reverse=True)


async def gather(config: Config, name: str, context: BackupContext, facts: Sequence[Fact[Any]]) -> dict[str, Any]:
    """The answer about the plan of that name, for each fact."""
    plan = config.backup.plans[name]
    stores = {store: config.backup.stores[store] for store in (plan.store, *plan.copies)}
    found = await asyncio.gather(*(_sets(context, name, store, options) for store, options in stores.items()))
    here = frozenset(host for host, options in config.hosts.items() if options.local)
    answer = PlanAnswer(
        name, datetime.now(UTC), local_zone(), plan, config.audit, stores, dict(zip(stores, found, strict=True)), here
    )
    return {fact.name: answer for fact in facts}


async def _sets(context: BackupContext, plan: str, name: str, options: StoreConfig) -> tuple[BackupSet, ...] | NotKnown:
    try:
        found = await context.sets_in(context.store(name, options))
    except LilFoxError as error:
        return NotKnown(error.message)
    return tuple(each for each in found if each.plan == plan)
