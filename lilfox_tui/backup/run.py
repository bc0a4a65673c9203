"""A backup run: everything is checked, dumped, published, read back and copied; only then are old sets removed."""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui import __version__
from lilfox_tui.backup.checks import Check, check_text, duration_check, labelled
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import BackupPlan, RestoreSpec
from lilfox_tui.backup.publishing import Publication, SetHeader, clear, mark, remove_set
from lilfox_tui.backup.remote_dump import open_remote_dump
from lilfox_tui.backup.restores.restore import drill
from lilfox_tui.backup.sets.catalogue import read_sets
from lilfox_tui.backup.sets.model import NO_KEYS, BackupSet, FoundPart, Manifest, Proof, SigningKeys, state_of
from lilfox_tui.backup.sets.names import UNFINISHED, local_zone, manifest_name, set_id, stamp_in
from lilfox_tui.backup.sets.retention import RetentionVerdict, judge_in_store
from lilfox_tui.backup.source import BackupSource
from lilfox_tui.backup.store import BackupError, BackupStore, BrokenSet, NotReady, refuse_bad, retry
from lilfox_tui.backup.verify import SetReader, verify
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import HostError, LilFoxError
from lilfox_tui.core.i18n import clauses, ntr, tr
from lilfox_tui.jobs.model import Outcome, Run

_MEASURED = 5
"""Earlier sets whose rate counts for an estimate."""


class Preflight(Struct, frozen=True):
    """The checks of a plan, by source and by store. A source that cannot be dumped does not stop the others; nor does a
    store that cannot take a copy."""

    sources: dict[str, list[Check]]
    stores: dict[str, list[Check]]
    needed_bytes: int | None = None
    """What the sources will write, before packing."""

    @property
    def checks(self) -> list[Check]:
        """The checks of all sources, then those of all stores."""
        return [check for checks in (*self.sources.values(), *self.stores.values()) for check in checks]

    def refuse(self, main: str) -> None:
        """Raise NotReady if nothing could be backed up: the store ``main`` or every source has a failed check."""
        refuse_bad(self.stores[main])
        if len(self.bad_sources()) == len(self.sources):
            refuse_bad([check for checks in self.sources.values() for check in checks])

    def bad_sources(self) -> dict[str, str]:
        """Map each source that cannot be dumped to the reason."""
        return _bad(self.sources)

    def bad_stores(self) -> dict[str, str]:
        """Map each store that cannot take a set to the reason."""
        return _bad(self.stores)


def _bad(checked: dict[str, list[Check]]) -> dict[str, str]:
    first = {name: next((check for check in checks if check.state == "bad"), None) for name, checks in checked.items()}
    return {name: check_text(check) for name, check in first.items() if check is not None}


async def preflight(context: BackupContext, plan: BackupPlan) -> Preflight:
    """Check all sources and stores of the plan. Raises UsageError for an invalid plan."""
    looked = Preflight({}, {})
    needed: int | None = 0
    for name, options in plan.config.sources.items():
        source = context.source(name, options)
        looked.sources[name] = await _asked(source.where, source.checks())
        if name not in looked.bad_sources():
            needed = await _added(needed, source.size_bytes())
    for name, options in plan.stores.items():
        store = context.store(name, options)
        looked.stores[name] = await _asked(store.where, store.checks(needed))
    return msgspec.structs.replace(looked, needed_bytes=needed)


async def duration(context: BackupContext, plan: BackupPlan, looked: Preflight) -> list[Check]:
    """Return the check of how long the dump will take: its present size at the rate of the plan's slowest of the newest
    sets, against the backup window. Nothing if no set was made yet or its size is unknown. Raises LilFoxError."""
    if looked.needed_bytes is None or looked.bad_sources():
        return []
    sets = await context.sets_in(context.store(plan.main, plan.stores[plan.main]))
    rates = [rate for found in sets if found.plan == plan.name and (rate := _rate_of(found)) is not None][:_MEASURED]
    if not rates:
        return []
    slowest, name = min(rates)
    hint = tr("dumps of PostgreSQL: a plan of kind pgbackrest makes incremental backups of the whole cluster")
    return [duration_check(looked.needed_bytes / slowest, name, plan.config.window, hint)]


def _rate_of(found: BackupSet) -> tuple[float, str] | None:
    """Return at how many raw bytes per second a set was dumped, and its id."""
    if found.manifest is None or found.missing:
        return None
    took_s = (found.manifest.finished - found.manifest.created).total_seconds()
    raw = sum(part.raw_bytes for part in found.manifest.parts)
    return (raw / took_s, found.id) if raw and took_s > 0 else None


async def _asked(where: str, checks: Awaitable[list[Check]]) -> list[Check]:
    try:
        return await checks
    except LilFoxError as error:
        return [Check(where, "bad", error.message, error.hint)]


async def _added(needed: int | None, size: Awaitable[int | None]) -> int | None:
    """Add a source's size to ``needed``; None if either is unknown."""
    try:
        more = await size
    except LilFoxError:  # its dump will say why
        more = None
    return None if needed is None or more is None else needed + more


class BackupReport(Struct):
    """The result of a run so far; any failure in it makes the run ``partly``."""

    set: str = ""
    tag: str = ""
    proof: Proof | None = None
    unread: str = ""
    """Why nobody could read it back, where that is as it was meant to be: no key is on this machine."""
    failures: list[str] = []
    missing: dict[str, str] = {}
    """Sources that are not in the set → why."""


async def back_up(run: Run, context: BackupContext, plan: BackupPlan, tag: str = "") -> Outcome:
    """Run the plan once; its set gets ``tag``. Ends ok, partly (a set exists, but a source, a copy or the drill failed)
    or raises."""
    phase("connect")
    store = context.store(plan.main, plan.stores[plan.main])
    for name, options in plan.config.sources.items():
        context.source(name, options)  # what makes no sense is refused before anything is written, a lock too
    report = BackupReport(tag=tag)
    await context.keys()  # a key that cannot be had is told before anything is written
    async with store.lock(f"backup {plan.name}"):
        looked = await preflight(context, plan)
        for check in looked.checks:
            run.say(check_text(check), check.state)
        looked.refuse(plan.main)
        report.missing = looked.bad_sources()
        await _tell_of_clocks(run, context, store)
        manifest = await retry(run, partial(_dump, run, context, plan, store, report))
        report.failures += [labelled(source, why) for source, why in manifest.missing.items()]
        found = await retry(run, partial(_found, context, store, manifest.id))
        await _read_back(run, context, plan, store, found, report)
        if report.proof is not None and report.proof.level == "broken":
            raise BrokenSet(
                tr(
                    "{set} was written, but the data read back differs: {reason}",
                    set=manifest.id,
                    reason=report.proof.reason,
                ),
                tr("the earlier sets were not touched; check the store's disk"),
            )
    await _copy_everywhere(run, context, plan, store, report, looked.bad_stores())
    if plan.config.drill:
        await _drill(run, context, plan, store, report)
    await _prune_after(run, context, plan, report)
    return _outcome(report, manifest)


async def _read_back(
    run: Run, context: BackupContext, plan: BackupPlan, store: BackupStore, found: BackupSet, report: BackupReport
) -> None:
    """Verify the set. An encrypted set whose key is not on this machine stays unverified, which is a failure only if
    the configuration names a key."""
    keyless = plan.config.encrypt is not None and plan.config.encrypt.identity is None
    try:
        report.proof = await verify(run, await reader_of(context, plan, store), found)
    except LilFoxError as error:
        if not (keyless and isinstance(error, NotReady)):
            report.failures.append(str(tr("it could not be verified: {error}", error=error)))
        report.unread = str(error)
        run.say(str(tr("not verified: {error}", error=error)), "warning")


async def _tell_of_clocks(run: Run, context: BackupContext, store: BackupStore) -> None:
    """Warn if a set is newer than now: a clock was set back, or was ahead."""
    newest = max((found.created for found in await context.sets_in(store)), default=None)
    if newest is not None and newest > datetime.now(UTC):
        run.say(
            str(tr("the newest set is dated {at}, which is in the future: check the clocks", at=newest.astimezone())),
            "warning",
        )


async def _dump(
    run: Run, context: BackupContext, plan: BackupPlan, store: BackupStore, report: BackupReport
) -> Manifest:
    by_itself = open_remote_dump(run, context, plan, store)
    if by_itself is not None:
        await by_itself.sweep()
    await _clear(run, store)
    if report.set and (whole := await _whole(context, store, report.set)) is not None:
        return whole  # the link was lost when all was done
    heading = await _new_header(run, plan, store, report)
    report.set = heading.id
    encrypt = plan.config.encrypt
    missing = dict(report.missing)
    async with Publication(
        store,
        heading,
        manual=plan.config.format == "manual",
        recipients=() if encrypt is None else encrypt.recipients,
        moved=run.moved,
        say=lambda text: run.say(str(text), "warning"),
        there=by_itself,
        sign=(await context.keys()).sign,
    ) as publication:
        run.intent(str(tr("writing {set} to {store}", set=heading.id, store=store.where)))
        for source_name, options in plan.config.sources.items():
            if source_name in missing:
                continue
            source = context.source(source_name, options)
            failure = await _dump_source(run, publication, source, options.kind)
            if failure is not None:
                missing[source_name] = str(failure)
                if len(missing) == len(plan.config.sources):
                    raise failure
        for source_name in publication.empty(plan.config.sources):
            missing.setdefault(source_name, str(tr("it produced no data")))
        manifest = await publication.publish(missing=missing)
    written = ntr(
        "{set} was written: {count} part", "{set} was written: {count} parts", len(manifest.parts), set=heading.id
    )
    run.done(str(written))
    return manifest


async def _new_header(run: Run, plan: BackupPlan, store: BackupStore, report: BackupReport) -> SetHeader:
    """Return the header of this run's set, with an id that no other set in the store has."""
    now, zone = datetime.now(UTC), local_zone()
    stamps = {stamp for entry in await store.entries() if (stamp := stamp_in(entry.name)) is not None}
    offset = now.astimezone(zone).utcoffset()
    return SetHeader(
        id=set_id(plan.name, now, zone, {f"{plan.name}_{stamp}" for stamp in stamps}),
        run=run.id,
        plan=plan.name,
        created=now,
        offset_s=0 if offset is None else int(offset.total_seconds()),
        host=platform.node(),
        tool=f"lilfox {__version__}",
        tag=report.tag,
    )


async def _dump_source(run: Run, publication: Publication, source: BackupSource, kind: str) -> LilFoxError | None:
    """Dump a source. If that fails, drop its parts and return the error instead of raising it: a set without one of its
    sources is better than none."""
    phase("dump")

    async def dump() -> None:
        await publication.drop(source.name)
        await source.dump(publication.of(source.name, kind))

    try:
        await retry(run, dump)
    except LilFoxError as error:
        try:
            await publication.drop(source.name)
        except HostError:  # it is the store that is gone
            raise error from None
        run.say(str(tr("{source}: {error}", source=source.where, error=error)), "bad")
        return error
    return None


async def _copy_everywhere(
    run: Run, context: BackupContext, plan: BackupPlan, store: BackupStore, report: BackupReport, bad: Mapping[str, str]
) -> None:
    """Copy the set to each of the plan's other stores and read it back there; ``bad`` maps those that cannot take it to
    the reason."""
    for name in plan.config.copies:
        other = context.store(name, plan.stores[name])
        try:
            if name in bad:
                raise BackupError(bad[name])
            async with store.lock(f"copy {report.set}", shared=True), other.lock(f"copy {report.set}"):
                await retry(run, partial(_copy, run, context, store, other, report.set))
                copied = BackupReport(set=report.set)
                found = await retry(run, partial(_found, context, other, report.set))
                await _read_back(run, context, plan, other, found, copied)
            if copied.proof is not None and copied.proof.level == "broken":
                raise BrokenSet(copied.proof.reason)
            report.failures += [labelled(other.where, failure) for failure in copied.failures]
        except LilFoxError as error:
            report.failures.append(str(tr("copying to {store} failed: {error}", store=other.where, error=error)))
            run.say(report.failures[-1], "bad")


async def _copy(run: Run, context: BackupContext, store: BackupStore, other: BackupStore, name: str) -> None:
    await _clear(run, other)
    if await _whole(context, other, name) is None:
        await copy_set(run, context, store, other, name)


async def copy_set(run: Run, context: BackupContext, store: BackupStore, other: BackupStore, name: str) -> None:
    """Copy a set file by file, the manifest last. Raises StoreError, HostError; the copy is then removed, as far as
    that store responds, else by the next run."""
    found = await _found(context, store, name)
    if found.manifest is None:
        raise BackupError(tr("{set} in {store} has no readable manifest", set=name, store=store.where))
    names = [part.name for part in found.parts]
    marker = manifest_name(name)
    run.intent(str(tr("copying {set} to {store}", set=name, store=other.where)))
    written: list[str] = []
    try:
        for part in found.parts:
            async with aclosing(store.read(part.name)) as blocks:
                await other.write(part.name, _moved(run, part, blocks))
            written.append(f"{part.name}{UNFINISHED}")
        await mark(other, found.manifest, (await context.keys()).sign)
        written.append(marker + UNFINISHED)
        await other.publish(names)
        written = [marker, *names, marker + UNFINISHED]
        await other.publish([marker])
    except BaseException as error:
        if not isinstance(error, HostError):  # with the link cut nobody knows what has its name: the mark tells
            with suppress(LilFoxError):
                await other.remove(written)
        raise
    run.done(str(tr("{set} was copied to {store}", set=name, store=other.where)))


async def _moved(run: Run, part: FoundPart, blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    done = 0
    async for block in blocks:
        yield block
        done += len(block)
        run.moved(part.name, done, part.size_bytes)


async def _drill(run: Run, context: BackupContext, plan: BackupPlan, store: BackupStore, report: BackupReport) -> None:
    try:
        async with store.lock(f"drill {report.set}", shared=True):
            reader = await reader_of(context, plan, store)
            found = await _found(context, store, report.set)
            report.proof = await drill(run, context, reader, found, plan.config.sources, RestoreSpec())
        if report.proof.level == "broken":
            report.failures.append(report.proof.reason)
    except LilFoxError as error:
        report.failures.append(str(tr("the drill could not be run: {error}", error=error)))
        run.say(report.failures[-1], "bad")


async def _prune_after(run: Run, context: BackupContext, plan: BackupPlan, report: BackupReport) -> None:
    """Remove the sets that retention no longer keeps, in every store of the plan, but only after a run without
    failures."""
    if report.failures or plan.config.keep is None:
        return
    for name in plan.stores:
        store = context.store(name, plan.stores[name])
        try:
            async with store.lock(f"prune {plan.name}"):
                await prune(run, plan, store, just_made=report.set, keys=await context.keys())
        except LilFoxError as error:
            report.failures.append(str(tr("old sets could not be removed: {error}", error=error)))
            run.say(report.failures[-1], "bad")


async def prune(
    run: Run, plan: BackupPlan, store: BackupStore, *, just_made: str = "", keys: SigningKeys = NO_KEYS
) -> list[RetentionVerdict]:
    """Remove the sets that the plan's retention no longer keeps; return the verdicts on these, including those that an
    object lock keeps. The caller holds the store's lock. ``just_made`` stays; ``keys`` decide which sets are
    trusted."""
    phase("prune")
    sets = [found for found in await read_sets(store, keys=keys) if found.plan == plan.name]
    verdicts = await judge_in_store(store, sets, plan.config.keep, just_made=just_made)
    told = [verdict for verdict in verdicts if verdict.goes or verdict.locked]
    for verdict in told:
        if verdict.locked:
            run.say(str(verdict.stays), "warning")
            continue
        run.intent(str(tr("removing {set}: {why}", set=verdict.set.id, why=verdict.why)))
        if await remove_set(store, verdict.set):
            run.done(str(tr("{set} was removed; the bucket keeps its files as old versions", set=verdict.set.id)))
        else:
            run.done(str(tr("{set} was removed", set=verdict.set.id)))
    return told


async def reader_of(context: BackupContext, plan: BackupPlan, store: BackupStore, identity: str = "") -> SetReader:
    """Return a reader for the plan's sets in one of its stores; ``identity`` refers to a key to use instead of the
    plan's. Raises LilFoxError if the key is not available."""
    encrypt = plan.config.encrypt
    reference = SecretRef(identity) if identity else None if encrypt is None else encrypt.identity
    key = None if reference is None else await resolve(reference)
    return SetReader(store, key, await store.free_bytes(), keys=await context.keys())


async def _clear(run: Run, store: BackupStore) -> None:
    """Remove what unfinished runs left. The caller holds the store's lock."""
    left = await clear(store)
    if left:
        run.say(
            str(
                ntr(
                    "removed {count} file left by unfinished runs",
                    "removed {count} files left by unfinished runs",
                    len(left),
                )
            ),
            "warning",
        )


async def _found(context: BackupContext, store: BackupStore, name: str) -> BackupSet:
    for found in await context.sets_in(store):
        if found.id == name:
            return found
    raise BackupError(tr("{set} is no longer in {store}", set=name, store=store.where))


async def _whole(context: BackupContext, store: BackupStore, name: str) -> Manifest | None:
    """Return the manifest of the set ``name``; None if the store does not have the set, or if the set is broken or
    untrusted there."""
    found = next((each for each in await context.sets_in(store) if each.id == name), None)
    return None if found is None or found.refused else found.manifest


def _outcome(report: BackupReport, manifest: Manifest) -> Outcome:
    proven = None if report.proof is None else report.proof.level
    status = state_of(fault="", untrusted=False, missing=bool(manifest.missing), proven=proven)
    result: dict[str, Any] = {"set": report.set, "status": status.value}
    result["parts"] = [{"name": part.name, "size_bytes": part.size_bytes} for part in manifest.parts]
    if report.failures:
        return Outcome(
            "partly",
            str(tr("{set} was written, but: {failures}", set=report.set, failures=clauses(report.failures))),
            str(tr("fix that, then run the backup again; old sets are removed only after a run without failures")),
            3,
            result,
        )
    if report.unread:
        return Outcome(
            "ok",
            str(tr("{set} was written, but not read back: {reason}", set=report.set, reason=report.unread)),
            str(tr("verify it on a machine that has the key: lilfox backup verify {set}", set=report.set)),
            result=result,
        )
    return Outcome("ok", str(tr("{set} was written and verified", set=report.set)), result=result)
