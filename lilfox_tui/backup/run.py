"""A backup run: everything checked, dumped, published, read back, copied, and only then what is old is removed."""

from __future__ import annotations

import platform
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from lilfox_tui import __version__
from lilfox_tui.backup import retention
from lilfox_tui.backup.catalogue import read_sets
from lilfox_tui.backup.check import Check
from lilfox_tui.backup.drill import drill
from lilfox_tui.backup.errors import BackupError, BrokenSet, NotReady
from lilfox_tui.backup.manifest import Manifest, Proof
from lilfox_tui.backup.model import BackupSet
from lilfox_tui.backup.names import UNFINISHED, local_zone, manifest_name, proof_name, read_file_name, set_id
from lilfox_tui.backup.opening import Opening
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.plan import Plan
from lilfox_tui.backup.publishing import Heading, Publication
from lilfox_tui.backup.restore import refuse_bad
from lilfox_tui.backup.source import Source
from lilfox_tui.backup.store import Store
from lilfox_tui.backup.verify import Reader, verify
from lilfox_tui.config.model import SecretRef
from lilfox_tui.config.secrets import resolve
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.run import Outcome, Run


class Made(Struct):
    """What a run has come to so far; failures of single parts make it ``partly``."""

    set: str = ""
    proof: Proof | None = None
    failures: list[str] = []


async def preflight(opening: Opening, plan: Plan) -> list[Check]:
    """Everything that can be known to fail before it does, of all sources and stores. Nothing is written."""
    checks: list[Check] = []
    needed: int | None = 0
    for name, options in plan.config.sources.items():
        source = opening.source(name, options)
        checks += await source.checks()
        size = await source.size_bytes() if not _bad(checks) else None
        needed = None if needed is None or size is None else needed + size
    for name, options in plan.stores.items():
        checks += await opening.store(name, options).checks(needed)
    return checks


async def back_up(run: Run, opening: Opening, plan: Plan) -> Outcome:
    """Runs the plan once. Ends ok, partly (a source, a copy or the drill failed and a set is there) or raises."""
    phase("connect")
    store = opening.store(plan.main, plan.stores[plan.main])
    made = Made()
    async with store.lock(f"backup {plan.name}"):
        refuse_bad(_told(run, await preflight(opening, plan)))
        await _clear_unfinished(run, store)
        manifest = await _dump(run, opening, plan, store, made)
        made.set = manifest.id
        found = await _found(store, manifest.id)
        reader = await reader_of(plan, store)
        made.proof = await _verify(run, reader, found)
        if made.proof is not None and made.proof.level == "broken":
            raise BrokenSet(
                tr(
                    "{set} was written, but reading it back gives something else: {reason}",
                    set=manifest.id,
                    reason=made.proof.reason,
                ),
                tr("the sets before it were not touched; look after the store's disk"),
            )
    await _copy_everywhere(run, opening, plan, store, made)
    if plan.config.drill:
        await _drill(run, opening, plan, reader, made)
    await _prune_after(run, opening, plan, made)
    return _outcome(made, manifest)


async def _verify(run: Run, reader: Reader, found: BackupSet) -> Proof | None:
    """None where this machine has no key to read what it has encrypted: the set stays unverified."""
    try:
        return await verify(run, reader, found)
    except NotReady as error:
        run.say(str(tr("not verified: {error}", error=error)), "warning")
        return None


async def _dump(run: Run, opening: Opening, plan: Plan, store: Store, made: Made) -> Manifest:
    now, zone = datetime.now(UTC), local_zone()
    taken = {entry.name.split("/")[-1].removesuffix(".manifest.json") for entry in await store.entries()}
    name = set_id(plan.name, now, zone, taken)
    offset = now.astimezone(zone).utcoffset()
    heading = Heading(
        id=name,
        run=run.id,
        plan=plan.name,
        created=now,
        offset_s=0 if offset is None else int(offset.total_seconds()),
        host=platform.node(),
        tool=f"lilfox {__version__}",
    )
    encrypt = plan.config.encrypt
    missing: dict[str, str] = {}
    async with Publication(
        store,
        heading,
        manual=plan.config.format == "manual",
        recipients=() if encrypt is None else encrypt.recipients,
        moved=run.moved,
        say=lambda text: run.say(str(text), "warning"),
    ) as publication:
        run.intent(str(tr("writing {set} to {store}", set=name, store=store.where)))
        for source_name, options in plan.config.sources.items():
            source = opening.source(source_name, options)
            failure = await _dump_source(run, publication, source, options.kind)
            if failure is not None:
                missing[source_name] = str(failure)
                made.failures.append(f"{source_name}: {failure}")
                if len(missing) == len(plan.config.sources):
                    raise failure
        manifest = await publication.publish(missing=missing)
    run.done(str(tr("{set} is written: {parts} parts", set=name, parts=len(manifest.parts))))
    return manifest


async def _dump_source(run: Run, publication: Publication, source: Source, kind: str) -> LilFoxError | None:
    """Why the source has no parts in the set, or None: a set without one of its sources is better than none."""
    phase("dump")
    try:
        await source.dump(publication.of(source.name, kind))
    except LilFoxError as error:
        await publication.drop(source.name)
        run.say(str(tr("{source}: {error}", source=source.where, error=error)), "bad")
        return error
    return None


async def _copy_everywhere(run: Run, opening: Opening, plan: Plan, store: Store, made: Made) -> None:
    for name in plan.config.copies:
        other = opening.store(name, plan.stores[name])
        try:
            async with other.lock(f"copy {made.set}"):
                await copy_set(run, store, other, made.set)
                reader = await reader_of(plan, other)
                proof = await _verify(run, reader, await _found(other, made.set))
            if proof is not None and proof.level == "broken":
                raise BrokenSet(proof.reason)
        except LilFoxError as error:
            made.failures.append(str(tr("copy to {store}: {error}", store=other.where, error=error)))
            run.say(made.failures[-1], "bad")


async def copy_set(run: Run, store: Store, other: Store, name: str) -> None:
    """Copies a set file by file, the manifest last. Raises StoreError, HostError; nothing of it is then left there, as
    far as that store answers."""
    found = await _found(store, name)
    names = [part.name for part in found.parts]
    run.intent(str(tr("copying {set} to {store}", set=name, store=other.where)))
    written: list[str] = []
    try:
        for part in found.parts:
            written.append(part.name)
            async with aclosing(store.read(part.name)) as blocks:
                await other.write(part.name, blocks)
        await other.publish(names)
        small = await store.read_small([manifest_name(name)])
        await other.put_small(manifest_name(name), small[manifest_name(name)])
    except BaseException:
        await other.remove([*(f"{each}{UNFINISHED}" for each in written), *written])
        raise
    run.done(str(tr("{set} is copied to {store}", set=name, store=other.where)))


async def _drill(run: Run, opening: Opening, plan: Plan, reader: Reader, made: Made) -> None:
    try:
        found = await _found(reader.store, made.set)
        made.proof = await drill(run, opening, reader, found, plan.config.sources, {})
        if made.proof.level == "broken":
            made.failures.append(made.proof.reason)
    except LilFoxError as error:
        made.failures.append(str(tr("the drill could not be done: {error}", error=error)))
        run.say(made.failures[-1], "bad")


async def _prune_after(run: Run, opening: Opening, plan: Plan, made: Made) -> None:
    """Removes what retention lets go, in every store of the plan, only after a run without a failure."""
    if made.failures or plan.config.keep is None:
        return
    for name in plan.stores:
        store = opening.store(name, plan.stores[name])
        async with store.lock(f"prune {plan.name}"):
            await prune(run, plan, store)


async def prune(run: Run, plan: Plan, store: Store) -> list[str]:
    """Removes the sets that the plan's retention lets go, with the lock held; gives their ids. The manifest goes first:
    a set that is half removed is no set."""
    phase("prune")
    sets = [found for found in await read_sets(store) if found.plan == plan.name]
    verdicts = retention.judge(sets, plan.config.keep, now=datetime.now(UTC), zone=local_zone())
    gone = [verdict for verdict in verdicts if verdict.goes]
    for verdict in gone:
        found = verdict.set
        run.intent(str(tr("removing {set}: {why}", set=found.id, why=verdict.why)))
        await store.remove([manifest_name(found.id)])
        await store.remove([*(part.name for part in found.parts), proof_name(found.id)])
        run.done(str(tr("{set} is removed", set=found.id)))
    return [verdict.set.id for verdict in gone]


async def reader_of(plan: Plan, store: Store, identity: SecretRef | None = None) -> Reader:
    """How the plan's sets are read in one of its stores. Raises LilFoxError where the identity cannot be had."""
    encrypt = plan.config.encrypt
    reference = identity or (None if encrypt is None else encrypt.identity)
    key = None if reference is None else await resolve(reference)
    return Reader(store, key, await store.free_bytes())


async def _clear_unfinished(run: Run, store: Store) -> None:
    """Removes what runs left that did not come to their end. The lock is held: nobody is writing them."""
    left = [
        entry.name
        for entry in await store.entries()
        if entry.name.endswith(UNFINISHED)
        and (read_file_name(entry.name) is not None or read_file_name(entry.name.removesuffix(UNFINISHED)) is not None)
    ]
    if left:
        await store.remove(left)
        run.say(str(tr("removed {count} files of runs that did not finish", count=len(left))), "warning")


async def _found(store: Store, name: str) -> BackupSet:
    for found in await read_sets(store):
        if found.id == name:
            return found
    raise BackupError(tr("{set} is not in {store} any more", set=name, store=store.where))


def _told(run: Run, checks: list[Check]) -> list[Check]:
    for check in checks:
        run.say(f"{check.about}: {check.found}", check.state if check.state != "good" else "good")
    return checks


def _bad(checks: list[Check]) -> bool:
    return any(check.state == "bad" for check in checks)


def _outcome(made: Made, manifest: Manifest) -> Outcome:
    result: dict[str, Any] = {"set": made.set, "status": "" if made.proof is None else made.proof.level}
    result["parts"] = [{"name": part.name, "size_bytes": part.size_bytes} for part in manifest.parts]
    if made.failures:
        return Outcome(
            "partly",
            str(tr("{set} is there, but: {failures}", set=made.set, failures="; ".join(made.failures))),
            str(tr("mend that and run it again; nothing old was removed")),
            3,
            result,
        )
    return Outcome("ok", str(tr("{set} is written and checked", set=made.set)), result=result)
