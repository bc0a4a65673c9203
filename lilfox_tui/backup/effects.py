"""Effects of the backup jobs: run, verify, drill, prune, restore and undo, each called with its job's arguments.

``arguments`` is a :class:`BackupRequest` as JSON. A job reads the configuration anew: what it does is what the file
says when it begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from lilfox_tui.backup.checks import Check, check_text, labelled, signature_text
from lilfox_tui.backup.context import BackupContext, repository_of, source_module
from lilfox_tui.backup.foreign import BackupEngine, EngineRestore
from lilfox_tui.backup.plan import BackupPlan, BackupRequest, plan_named, plan_of, read_request, undo_command
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import (
    chosen_interrupted_restore,
    finish,
    open_restores,
    places_of,
    refuse_hosts,
    refuse_on_hosts,
    refuse_shared,
    settle_open,
    take_back,
    tell_open,
    what_stays,
)
from lilfox_tui.backup.restores.restore import Restore, refuse_broken, with_scratch
from lilfox_tui.backup.restores.restore import drill as drill_set
from lilfox_tui.backup.restores.restore import undo as undo_restore
from lilfox_tui.backup.restores.retained import all_left, forget_left, is_let_go, names_of
from lilfox_tui.backup.restores.retained import chosen as chosen_restores
from lilfox_tui.backup.restores.retained import forget as forget_kept
from lilfox_tui.backup.run import back_up, reader_of
from lilfox_tui.backup.run import prune as prune_store
from lilfox_tui.backup.selection import choose
from lilfox_tui.backup.sets.model import BackupSet, Proof, Status, outcome_of
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.backup.sets.retention import RetentionVerdict
from lilfox_tui.backup.sources.pgbackrest.effects import PgBackRestEngine
from lilfox_tui.backup.sources.pgbackrest.repository import PgBackRestRepository
from lilfox_tui.backup.sources.restic.effects import ResticEngine
from lilfox_tui.backup.sources.restic.repository import ResticRepository
from lilfox_tui.backup.store import BackupError, BrokenSet, refuse_bad, retry
from lilfox_tui.backup.verify import refuse_untrusted
from lilfox_tui.backup.verify import verify as verify_set
from lilfox_tui.config.foreign import EnginePlan, ForeignPlace
from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, refuse_change
from lilfox_tui.core.errors import HostError, LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, clauses, listed, ntr, tr
from lilfox_tui.incident import incidents
from lilfox_tui.incident.model import Changed, Reverted
from lilfox_tui.jobs.listing import mark_checked
from lilfox_tui.jobs.model import Outcome, Run


def opened(request: BackupRequest) -> tuple[Config, BackupPlan]:
    """Return the configuration and the plan of a request. Raises ConfigError, UsageError, NotAllowed."""
    config = _changeable(request)
    if request.plan:
        return config, plan_named(config.backup, request.plan)
    return config, plan_of(request.plan_arguments, config.backup.stores)


@asynccontextmanager
async def engine_of(request: BackupRequest, *, restores: bool = False) -> AsyncIterator[BackupEngine | None]:
    """Yield the program that makes the sets of the request's plan; None if LilFox makes them itself. Raises
    ConfigError, UsageError, and NotAllowed also if it ``restores`` to a protected host."""
    config = _changeable(request)
    plan = config.backup.plans.get(request.plan)
    if not isinstance(plan, EnginePlan):
        yield None
        return
    if restores:
        refuse_change(config, [plan.host])
    async with BackupContext(config) as context:
        repository = repository_of(ForeignPlace(request.plan, plan), context.host(plan.host))
        match repository:
            case PgBackRestRepository():
                yield PgBackRestEngine(repository)
            case ResticRepository():
                yield ResticEngine(repository)


async def engine_preflight(request: BackupRequest) -> list[Check] | None:
    """Return the checks of a run by another program; None if LilFox makes the plan's sets. Raises LilFoxError."""
    async with engine_of(request) as engine:
        return None if engine is None else await engine.preflight(request)


async def engine_restore(request: BackupRequest) -> EngineRestore:
    """Return what a restore by another program would do, without writing. Raises LilFoxError."""
    async with engine_of(request, restores=True) as engine:
        if engine is None:
            raise UsageError(tr("{plan} is not a plan of kind pgbackrest or restic", plan=request.plan))
        return await engine.look(request)


async def removed_by_engine(request: BackupRequest) -> list[str]:
    """Return the ids of the sets that pruning by another program would remove. Raises LilFoxError."""
    async with engine_of(request) as engine:
        return [] if engine is None else await engine.would_remove(request)


async def _by_engine(kind: str, run: Run, request: BackupRequest) -> Outcome | None:
    async with engine_of(request, restores=kind in ("drill", "restore")) as engine:
        return None if engine is None else await engine.act(kind, run, request)


@asynccontextmanager
async def looked_at(request: BackupRequest) -> AsyncIterator[tuple[BackupSet, Restore]]:
    """Open the requested set and its restore for inspection: runs checks and finds the changes, but writes nothing. The
    checks include those of the set itself."""
    config, plan = opened(request)
    async with BackupContext(config) as context:
        store = context.store(request.store or plan.main, plan.stores[request.store or plan.main])
        found = chosen(await context.sets_in(store), request)
        refuse_broken(found)
        reader = await reader_of(context, plan, store, request.identity)
        known = about_set(found, signed=config.backup.signing is not None)
        sources = restored_sources(request, plan, found)
        yield found, Restore(context, found, reader.blocks, request.restore, sources, known=known)


async def backup(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Run a plan."""
    request = read_request(arguments)
    if (done := await _by_engine("backup", run, request)) is not None:
        return done
    config, plan = opened(request)
    async with BackupContext(config) as context:
        await tell_open(run)
        await _sweep(run, context, plan)
        return await back_up(run, context, plan, request.tag)


async def verify(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Read a whole set and verify it."""
    request = read_request(arguments)
    if (done := await _by_engine("verify", run, request)) is not None:
        return done
    config, plan = opened(request)
    async with BackupContext(config) as context:
        store = context.store(request.store or plan.main, plan.stores[request.store or plan.main])
        async with store.lock("verify", shared=True):
            sets = await context.sets_in(store)
            found = chosen(sets, request) if request.set else _newest(sets, request)
            if found.untrusted:
                return _untrusted(found)
            proof = await verify_set(run, await reader_of(context, plan, store, request.identity), found)
    return outcome_of(found, proof, str(tr("{set}: checksums verified", set=found.id)))


async def drill(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Restore a set to scratch locations, compare it, and remove it again."""
    request = read_request(arguments)
    if (done := await _by_engine("drill", run, request)) is not None:
        return done
    config, plan = opened(request)
    async with BackupContext(config) as context:
        store = context.store(request.store or plan.main, plan.stores[request.store or plan.main])
        async with store.lock("drill", shared=True):
            found = chosen(await context.sets_in(store), request)
            if found.untrusted:
                return _untrusted(found)
            reader = await reader_of(context, plan, store, request.identity)
            with with_scratch(found, _sources(plan, found)) as sources:
                proof = await drill_set(run, context, reader, found, sources, request.restore)
    return _drilled(found, proof)


def _drilled(found: BackupSet, proof: Proof) -> Outcome:
    """Return the outcome of a drill. If not everything could be compared, the set is not restore-tested."""
    if proof.level != "intact":
        good = tr("{set} was restored and matches the backup; took {seconds} s", set=found.id, seconds=proof.took_s)
        return outcome_of(found, proof, str(good))
    told = tr(
        "{set} was restored without errors, but not all of it could be compared; took {seconds} s",
        set=found.id,
        seconds=proof.took_s,
    )
    outcome = outcome_of(found, proof, str(told))
    if outcome.state != "ok":
        return outcome
    hint = tr(
        "the checksums are verified, but the set is not restore-tested; this job's log names what was not compared"
    )
    return msgspec.structs.replace(outcome, state="partly", hint=str(hint), exit_code=3)


async def prune(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Remove the sets that retention no longer keeps, in every store of the plan."""
    request = read_request(arguments)
    if (done := await _by_engine("prune", run, request)) is not None:
        return done
    config, plan = opened(request)
    told: list[RetentionVerdict] = []
    async with BackupContext(config) as context:
        await tell_open(run)
        await _sweep(run, context, plan)
        for name, options in plan.stores.items():
            store = context.store(name, options)
            async with store.lock(f"prune {plan.name}"):
                told += await prune_store(run, plan, store, keys=await context.keys())
    gone = [verdict.set.id for verdict in told if verdict.goes]
    kept = {verdict.set.id: str(verdict.why) for verdict in told if verdict.locked}
    result = {"removed": gone, **({"locked": kept} if kept else {})}
    text = str(ntr("{count} set removed", "{count} sets removed", len(gone)))
    if kept:
        why = clauses(labelled(name, each) for name, each in kept.items())
        stay = ntr("{count} set stays: {why}", "{count} sets stay: {why}", len(kept), why=why)
        text = str(tr("{removed}; {stay}", removed=text, stay=stay))
    return Outcome("ok", text, result=result)


async def restore(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Restore a set, or part of one."""
    request = read_request(arguments)
    if (done := await _by_engine("restore", run, request)) is not None:
        return done
    config, plan = opened(request)
    with _in_timeline(run, request.config):
        return await _settled_and_restored(run, request, config, plan)


async def _settled_and_restored(run: Run, request: BackupRequest, config: Config, plan: BackupPlan) -> Outcome:
    async with BackupContext(config) as context:
        left = await settle_open(run, context, config)
        await _sweep(run, context, plan)
        store = context.store(request.store or plan.main, plan.stores[request.store or plan.main])
        async with store.lock("restore", shared=True):
            found = chosen(await context.sets_in(store), request)
            refuse_broken(found)
            reader = await reader_of(context, plan, store, request.identity)
            proof = found.proof
            if proof is None or not found.good:
                proof = await verify_set(run, reader, found)
                if proof.level == "broken":
                    raise BackupError(
                        tr("{set} is broken: {reason}; nothing was written", set=found.id, reason=proof.reason)
                    )
            known = about_set(found, signed=config.backup.signing is not None)
            sources = restored_sources(request, plan, found)
            made = Restore(context, found, reader.after(proof).blocks, request.restore, sources, known=known)
            refuse_shared(config, left, made.places)
            return await _restore(run, made, request.config)


async def _restore(run: Run, made: Restore, config: str | None) -> Outcome:
    try:
        refuse_bad(await retry(run, partial(made.checks, partial(_tell, run))))
        await made.stage(run)
        complete = await made.compare(run)
        restored = await made.swap(run)
    finally:
        await made.close(run)
    kept = [renames.before for swap in restored.swaps for renames in swap.renames if renames.before]
    return Outcome(
        "ok",
        str(
            tr("{set} is restored, compared and in place", set=restored.set)
            if complete
            else tr("{set} is restored and in place, but not all of it could be compared", set=restored.set)
        ),
        str(
            tr(
                "the previous data is retained as {kept}; to undo: {command}",
                kept=listed(kept),
                command=undo_command(restored.set, config),
            )
        )
        if kept
        else "",
        result={"set": restored.set, "kept": kept},
    )


def about_set(found: BackupSet, *, signed: bool) -> list[Check]:
    """Return the checks about a set that must be seen before a restore: whether it is partial and who signed it.
    ``signed`` tells whether signing keys are configured."""
    about = tr("set {set}", set=found.id)
    checks = []
    if found.missing:
        hint = tr("Parts missing from the set stay as they are and may not match the restored ones.")
        checks.append(Check(about, "warning", tr("partial: {reason}", reason=found.reason), hint))
    if found.signature == "good":
        checks.append(Check(about, "good", signature_text(found.signature)))
    elif signed or found.signature != "none":
        hint = tr("Anyone who can write to the store may have created it. Inspect it, or restore another set.")
        checks.append(Check(about, "warning", signature_text(found.signature), hint))
    return checks


def _tell(run: Run, check: Check) -> None:
    run.say(check_text(check), check.state)


async def undo(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Put back the data from before a restore."""
    request = read_request(arguments)
    config = _changeable(request)
    with _in_timeline(run, request.config):
        return await _undo(run, request, config)


async def _undo(run: Run, request: BackupRequest, config: Config) -> Outcome:
    async with BackupContext(config) as context:
        meant = _unfinished(request.set)
        left = await settle_open(run, context, config)
        if meant is not None and _settled_stage(meant) == "undone":
            return _undone(meant)
        restored = _last_restored(request.set)
        refuse_shared(config, left, places_of(restored.swaps))
        if request.restore.end_sessions:
            swaps = tuple(msgspec.structs.replace(swap, end_sessions=True) for swap in restored.swaps)
            restored = msgspec.structs.replace(restored, swaps=swaps)
        await undo_restore(run, context, restored)
    return _undone(restored)


def _undone(restored: interrupted.Restored) -> Outcome:
    return Outcome("ok", str(tr("the restore of {set} was undone", set=restored.set)), result={"set": restored.set})


async def settle(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Finish an interrupted restore, or roll it back."""
    request = read_request(arguments)
    config = _changeable(request)
    with _in_timeline(run, request.config):
        return await _settle(run, request, config)


async def _settle(run: Run, request: BackupRequest, config: Config) -> Outcome:
    async with BackupContext(config) as context:
        restored = await chosen_interrupted_restore(request.set)
        if request.aside:
            return await _put_aside(run, restored)
        refuse_hosts(config, restored)
        run.intent(str(tr("settling the restore of {set}", set=restored.set)))
        said = await (finish if request.finish else take_back)(context, restored)
        run.done(said)
    with suppress(LilFoxError):  # it is known now what the job that died has left
        await asyncio.to_thread(mark_checked, restored.run)
    return Outcome("ok", said, result={"set": restored.set, "settled": "finished" if request.finish else "taken back"})


async def _put_aside(run: Run, restored: interrupted.Restored) -> Outcome:
    """Mark an interrupted restore as set aside. Does not contact its host, which may be gone for good."""
    stays = what_stays(restored)
    run.intent(str(tr("setting aside the restore of {set}", set=restored.set)))
    await asyncio.to_thread(interrupted.write, msgspec.structs.replace(restored, stage="aside"))
    run.done(str(tr("nothing was renamed; left in place: {names}", names=stays)))
    with suppress(LilFoxError):
        await asyncio.to_thread(mark_checked, restored.run)
    return Outcome(
        "ok",
        str(tr("the restore of {set} was set aside as is", set=restored.set)),
        str(tr("inspect what it left behind: {names}", names=stays)),
        result={"set": restored.set, "settled": "put aside"},
    )


async def forget(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Remove what restores of a set retained; without a set, what drills of the plan left behind."""
    request = read_request(arguments)
    config = _changeable(request)
    with _in_timeline(run, request.config):
        gone = await _forget(run, request, config)
    return Outcome(
        "ok",
        str(ntr("{count} retained item deleted", "{count} retained items deleted", len(gone))),
        result={"set": request.set, "forgotten": gone},
    )


async def _forget(run: Run, request: BackupRequest, config: Config) -> list[str]:
    async with BackupContext(config) as context:
        left = await tell_open(run)
        if request.set:
            restores = chosen_restores(request.set)
            refuse_shared(config, left, [place for each in restores for place in places_of(each.swaps)])
            return [name for restored in restores for name in await forget_kept(run, context, restored)]
        plan = plan_named(config.backup, request.plan).config
        refuse_on_hosts(config, left, [options.host for options in plan.sources.values()])
        return await forget_left(run, context, plan)


@contextmanager
def _in_timeline(run: Run, config: str | None) -> Iterator[None]:
    """Record in the incident's timeline, also after a failure, which restores came into force meanwhile and which ones
    are in force no more. A failure to write is reported and stops nothing."""
    before = {each.run: each.stage for each in interrupted.read_all()}
    try:
        yield
    finally:
        try:
            for each in reversed(interrupted.read_all()):
                if before.get(each.run) != each.stage:
                    _record_stage(each, config)
        except LilFoxError as error:
            run.say(_("not recorded in the incident's timeline: {reason}", reason=error.message), "warning")


def _record_stage(restored: interrupted.Restored, config: str | None) -> None:
    change, text = f"restore {restored.run}", _("restore of {set}", set=restored.set)
    if restored.stage == "swapped":
        kept = any(renames.before for swap in restored.swaps for renames in swap.renames)
        undo = undo_command(restored.set, config) if kept else ""
        incidents.record(Changed(change=change, text=text, undo=undo))
        return
    folder = incidents.current_folder(own=True)
    if folder is None or change not in incidents.read_incident(folder).in_force:
        return
    if restored.stage == "undone":
        incidents.append_in(folder, Reverted(change=change, text=text))
    elif is_let_go(restored):
        text = _("the data from before the restore of {set} was deleted: it cannot be undone", set=restored.set)
        incidents.append_in(folder, Reverted(change=change, text=text, stays=True))


def _changeable(request: BackupRequest) -> Config:
    """Return the configuration of a request. Raises ConfigError, NotAllowed if it is read-only."""
    config = Config() if request.config is None else load(Path(request.config)).config
    if config.read_only:
        raise NotAllowed(tr("refused: read_only is set in the configuration"))
    return config


def restored_sources(request: BackupRequest, plan: BackupPlan, found: BackupSet) -> dict[str, Any]:
    """Return the sources to restore and their Options: all sources of the set, or those that the request names. Raises
    BackupError for a source that is not in the set or has no restore target."""
    sources = _sources(plan, found)
    chosen = request.restore.sources or tuple(dict.fromkeys(part.source for part in found.parts))
    lacking = [source for source in chosen if source not in sources]
    if lacking:
        raise BackupError(
            tr("{set}: no restore target for {sources}", set=found.id, sources=listed(lacking)),
            tr(
                "specify a target: --database URL for a database, --files DIR for files, or a plan that contains "
                "the sources"
            ),
        )
    return {source: sources[source] for source in chosen}


async def other_places(request: BackupRequest, source: str) -> list[str]:
    """Return where else a database of the request's plan can be restored to: the URLs of the other databases on its
    server. Raises LilFoxError, HostError."""
    config, plan = opened(request)
    options = plan.config.sources.get(source)
    if options is None or options.kind != "postgresql":
        return []
    async with BackupContext(config) as context:
        found: list[str] = await source_module(options.kind).other_places(options, context.host(options.host))
        return found


def _sources(plan: BackupPlan, found: BackupSet) -> dict[str, Any]:
    """Map the set's sources to Options of the plan: by name, or by kind if plan and set have only one source of that
    kind."""
    chosen: dict[str, Any] = {}
    for part in found.parts:
        if part.source in plan.config.sources:
            chosen[part.source] = plan.config.sources[part.source]
            continue
        alike = [options for options in plan.config.sources.values() if options.kind == part.source_kind]
        rivals = {other.source for other in found.parts if other.source_kind == part.source_kind}
        if len(alike) == 1 and len(rivals) == 1:
            chosen[part.source] = alike[0]
    return chosen


def chosen(sets: Sequence[BackupSet], request: BackupRequest) -> BackupSet:
    """Return the set that the request names. Raises UsageError."""
    return choose(
        request.set or "latest",
        sets,
        now=datetime.now(UTC),
        zone=local_zone(),
        plan=request.plan,
        partial=request.partial,
    )


def _newest(sets: Sequence[BackupSet], request: BackupRequest) -> BackupSet:
    """Return the plan's newest set, to be verified: even a broken one, but a partial one only on request. Raises
    UsageError."""
    ours = [
        found
        for found in sets
        if (not request.plan or found.plan == request.plan) and (request.partial or found.status != Status.PARTIAL)
    ]
    return ours[0] if ours else chosen(sets, request)


def _unfinished(words: str) -> interrupted.Restored | None:
    """Return the restore to undo if its renames, or their undo, did not finish."""
    known = [each for each in interrupted.read_all() if each.stage == "swapped" or each.stage in interrupted.OPEN]
    newest = next((each for each in known if words in ("", "latest", *names_of(each))), None)
    return newest if newest is not None and newest.stage in interrupted.OPEN else None


def _settled_stage(meant: interrupted.Restored) -> interrupted.Stage:
    """Return what the restore is settled as. Raises BackupError if it is not settled: an older restore of the same name
    must not be undone in its place."""
    stage = next((each.stage for each in interrupted.read_all() if each.run == meant.run), meant.stage)
    if stage in interrupted.OPEN:
        raise BackupError(
            tr("the restore of {set} (job {job}) did not finish; nothing was undone", set=meant.set, job=meant.run),
            tr(
                "settle it first: lilfox backup settle {job} --finish or --take-back; if its host is gone for good: "
                "--forget",
                job=meant.run,
            ),
        )
    return stage


def _last_restored(words: str) -> interrupted.Restored:
    known = [restored for restored in interrupted.read_all() if restored.stage == "swapped"]
    for restored in known:
        if words in ("", "latest", *names_of(restored)):
            return restored
    if let_go := [
        each for each in interrupted.read_all() if is_let_go(each) and words in ("", "latest", *names_of(each))
    ]:
        raise BackupError(
            tr("the restore of {set} cannot be undone: the previous data was deleted", set=let_go[0].set),
            tr("restore another set; to list them: lilfox backup list"),
        )
    raise BackupError(
        tr("no restore of {set} can be undone", set=words),
        tr("known: {sets}", sets=listed(dict.fromkeys(restored.set for restored in known)) or tr("none")),
    )


async def _sweep(run: Run, context: BackupContext, plan: BackupPlan) -> None:
    """Remove what earlier restores or drills of the plan's sources could not remove, for example because the server
    died. Does nothing while a restore is interrupted. A failure does not stop the job; a host that fails here is
    reported by the next step that needs it."""
    if await asyncio.to_thread(open_restores):
        return
    try:
        if any(row.there and not str(row.reason) for row in await all_left(context, [plan.config])):
            await forget_left(run, context, plan.config)
    except HostError:
        return  # it is told by what needs the host next
    except LilFoxError as error:
        run.say(str(tr("the leftovers of an earlier restore could not be removed: {error}", error=error)), "note")


def _untrusted(found: BackupSet) -> Outcome:
    """Return the outcome for a set that is not trusted, without reading it: its digests are not trustworthy either."""
    result = {"set": found.id, "status": Status.UNTRUSTED.value, "reason": str(found.reason), "took_s": None}
    try:
        refuse_untrusted(found)
    except BrokenSet as error:
        return Outcome("failed", str(error.message), str(error.hint), 1, result)
    raise AssertionError(found.id)
