"""Lists and removes the data that restores retain, according to the journal and to what exists on the hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.backup.context import BackupContext, source_module
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import Restored
from lilfox_tui.backup.source import Renames, RetainedItem, Swap
from lilfox_tui.backup.store import BackupError
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.jobs.model import Run

AT_ONCE = 8
"""So many are asked about at once."""


class RetainedRow(Struct, frozen=True, kw_only=True):
    """One name under which a restore or drill left data, and its state."""

    restored: Restored | None
    """None: a drill left it, or a restore that did not come to its end."""
    host: str
    """Empty for this machine."""
    target: str
    name: str
    there: bool | None
    """None: could not be asked, ``reason`` says why."""
    size_bytes: int | None = None
    reason: Message | str = ""
    """Why it would not be let go now; empty when it would be."""

    @property
    def state_text(self) -> Message:
        """Return the state of the retained data as text."""
        if self.there is None:
            return tr("unknown: {reason}", reason=self.reason)
        if not self.there:
            return tr("gone: the restore cannot be undone")
        if self.restored is None:
            what = tr("left by a drill or restore that did not finish")
        elif self.restored.stage == "aside":
            what = tr("left by an interrupted restore that was set aside")
        elif self.restored.stage == "undone":
            what = tr("data from a restore that was undone")
        else:
            what = tr("data from before the restore")
        return tr("{what}; it cannot be removed: {reason}", what=what, reason=self.reason) if str(self.reason) else what


async def all_kept(context: BackupContext) -> list[RetainedRow]:
    """Return what all known restores retain, newest first, including data that should exist but does not."""
    return await kept_of(context, await _not_forgotten())


async def _not_forgotten() -> list[Restored]:
    found = await asyncio.to_thread(interrupted.read_all)
    return [restored for restored in found if restored.stage not in interrupted.RETAINING_NOTHING]


async def kept_of(context: BackupContext, known: list[Restored]) -> list[RetainedRow]:
    """Return what these restores retain, in their order."""
    free = asyncio.Semaphore(AT_ONCE)

    async def lines(restored: Restored, swap: Swap) -> list[RetainedRow]:
        async with free:
            return await _lines(context, restored, swap)

    found = await asyncio.gather(*(lines(restored, swap) for restored in known for swap in restored.swaps))
    return [line for each in found for line in each]


async def all_left(context: BackupContext, plans: Iterable[PlanConfig]) -> list[RetainedRow]:
    """Return what drills and unfinished restores left beside the sources of these plans, except what belongs to a known
    restore."""
    found = []
    known = await _not_forgotten()
    staged = {(swap.host, one.staged) for restored in known for swap in restored.swaps for one in swap.renames}
    for source, options in _sources(plans):
        try:
            kept: list[RetainedItem] = await source_module(options.kind).left(options, context.host(options.host))
        except LilFoxError as error:
            kept = []
            found.append(
                RetainedRow(restored=None, host=options.host or "", target=source, name="", there=None,
                         reason=error.message)
            )  # fmt: skip
        found += [
            RetainedRow(restored=None, host=options.host or "", target=each.target, name=each.name, there=True,
                     size_bytes=each.size_bytes, reason=each.why_not)
            for each in kept if not _is_of_restore(options.host or "", each.name, staged)
        ]  # fmt: skip
    return found


def _is_of_restore(host: str, name: str, staged: Iterable[tuple[str, str]]) -> bool:
    return any(host == on and f"{path}/".startswith(f"{name}/") for on, path in staged)


async def forget_left(run: Run, context: BackupContext, plan: PlanConfig) -> list[str]:
    """Remove what unfinished restores and drills left beside the plan's sources, unless it is in use. Raises
    BackupError, NotAllowed, HostError."""
    gone: list[str] = []
    for _source, options in _sources([plan]):
        host = context.host(options.host)
        if host.protected:
            raise NotAllowed(tr("{host} is protected: changes on it are not allowed", host=host.name))
        if all(str(each.why_not) for each in await source_module(options.kind).left(options, host)):
            continue
        run.intent(str(tr("removing data that restores and drills left on {host}", host=host.name)))
        names: list[str] = await source_module(options.kind).forget_left(options, host)
        for name in names:
            run.done(str(tr("{name} was removed", name=name)))
        gone += names
    return gone


def _sources(plans: Iterable[PlanConfig]) -> list[tuple[str, Any]]:
    """Return the name and the Options of each source, without duplicates."""
    found: list[tuple[str, Any]] = []
    for plan in plans:
        found += [source for source in plan.sources.items() if source not in found]
    return found


def chosen(words: str) -> list[Restored]:
    """Return the restores that ``words`` name: a set's id or date, a job's id for one of several restores of a set, or
    ``latest``; those that were set aside only if no other one matches, never those with unsettled renames. Raises
    BackupError if there is none."""
    known = [restored for restored in interrupted.read_all() if restored.stage in interrupted.RETAINING]
    known.sort(key=lambda restored: restored.stage == "aside")
    found = known[:1] if words == "latest" else [restored for restored in known if words in names_of(restored)]
    found = [restored for restored in found if restored.stage != "aside"] or found
    if not found:
        raise BackupError(
            tr("no restore of {set} has retained data", set=words),
            tr("known: {sets}", sets=listed(dict.fromkeys(restored.set for restored in known)) or tr("none")),
        )
    return found


def names_of(restored: Restored) -> tuple[str, ...]:
    """Return the names of a restore: its set's id, its date, the job's id."""
    return restored.set, restored.set[-15:], restored.run


def is_let_go(restored: Restored) -> bool:
    """Return whether the restore can no longer be undone: its previous data was removed, or the removal has started."""
    return restored.stage in ("forgetting", "forgotten")


async def forget(run: Run, context: BackupContext, restored: Restored) -> list[str]:
    """Remove what the restore retains and return the names; it can no longer be undone. Of one that was set aside, what
    is on hosts that are no longer configured does not count. Raises BackupError and removes nothing if one of them must
    stay; NotAllowed, HostError."""
    if restored.stage == "aside":
        restored = replace(restored, swaps=tuple(swap for swap in restored.swaps if _is_configured(context, swap)))
    lines = await kept_of(context, [restored])
    for line in lines:
        if str(line.reason):
            raise BackupError(
                tr("cannot remove {name}: {reason}; nothing was removed", name=line.name, reason=line.reason),
                tr("lilfox restore --kept shows what is kept"),
            )
    for swap in restored.swaps:
        if (host := context.host(swap.host or None)).protected:
            raise NotAllowed(tr("{host} is protected: changes on it are not allowed", host=host.name))
    interrupted.write(replace(restored, stage="forgetting"))
    gone = [line.name for line in lines if line.there]
    for swap in restored.swaps:
        names = [line.name for line in lines if line.there and line.target in _targets(swap)]
        for name in names:
            run.intent(str(tr("removing {name}", name=name)))
        await source_module(swap.kind).forget(swap, context.host(swap.host or None))
        for name in names:
            run.done(str(tr("{name} was removed", name=name)))
    interrupted.write(replace(restored, stage="forgotten"))
    return gone


async def _lines(context: BackupContext, restored: Restored, swap: Swap) -> list[RetainedRow]:
    try:
        kept: list[RetainedItem] = await source_module(swap.kind).kept(swap, context.host(swap.host or None))
    except LilFoxError as error:
        return [
            RetainedRow(restored=restored, host=swap.host, target=one.target, name=_name(one, restored), there=None,
                     reason=error.message)
            for one in swap.renames if _name(one, restored)
        ]  # fmt: skip
    found = [
        RetainedRow(restored=restored, host=swap.host, target=each.target, name=each.name, there=True,
                 size_bytes=each.size_bytes, reason=each.why_not)
        for each in kept
    ]  # fmt: skip
    there = {each.target for each in kept}
    return found + [
        RetainedRow(restored=restored, host=swap.host, target=one.target, name=one.before, there=False)
        for one in swap.renames
        if restored.stage == "swapped" and one.before and one.target not in there
    ]


def _is_configured(context: BackupContext, swap: Swap) -> bool:
    try:
        context.host(swap.host or None)
    except UsageError:
        return False
    return True


def _targets(swap: Swap) -> set[str]:
    return {one.target for one in swap.renames}


def _name(one: Renames, restored: Restored) -> str:
    return one.staged if restored.stage == "undone" else one.before
