"""Restores a set in place, or into scratch locations as a drill."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec.structs import replace

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.options import SOURCES
from lilfox_tui.backup.plan import RestoreSpec
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.restores.interrupted import RestorePlace, settle, undo_rest, undo_swap
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, Proof
from lilfox_tui.backup.source import Comparison, RestoreChange, RestoreTarget, RestoreTask, Swap
from lilfox_tui.backup.store import LINK, BackupError, BrokenSet, HalfSwapped, RestoredDiffers, refuse_bad, retry
from lilfox_tui.backup.verify import SetReader, proof_time, put_proof, refuse_untrusted, verify
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import HostError, LilFoxError, NotAllowed
from lilfox_tui.core.i18n import clauses, listed, tr
from lilfox_tui.jobs.model import Run

T = TypeVar("T")
BlocksOf = Callable[[FoundPart], AsyncGenerator[bytes, None]]


class Restore:
    """One restore of one set. Call the methods in the order below; ``close`` removes what was staged but not
    swapped."""

    def __init__(
        self,
        context: BackupContext,
        found: BackupSet,
        blocks: BlocksOf,
        spec: RestoreSpec,
        sources: Mapping[str, Any],
        *,
        known: Sequence[Check] = (),
        scratch: bool = False,
    ) -> None:
        """``sources``: Options of each source to restore; the set's other sources are not touched. ``known``: checks of
        the set itself, reported before all others."""
        self._context = context
        self._known = known
        self._set = found
        self._sources = sources
        self._tasks = {
            source: RestoreTask(source=source, set=found, blocks=blocks, spec=spec, scratch=scratch)
            for source in sources
        }
        self._targets = {source: self._target(source) for source in sources}
        self._begun: set[str] = set()
        """Sources of which something may be staged."""
        self._staged: set[str] = set()
        """Sources that are staged, and no link was lost since: what holds them for us there ends with it."""
        self._staged_is_ours = True

    def _target(self, source: str) -> RestoreTarget:
        return self._context.target(self._sources[source], self._tasks[source])

    @property
    def where(self) -> Mapping[str, str]:
        """Source → its target, for display."""
        return {source: target.where for source, target in self._targets.items()}

    @property
    def places(self) -> list[RestorePlace]:
        """What the restore replaces."""
        return [
            RestorePlace(self._sources[source].host or "", name)
            for source, target in self._targets.items()
            for name in target.replaces
        ]

    @property
    def names(self) -> Mapping[str, str]:
        """Source → the name of the replaced database or folder, which the user types to confirm."""
        return {source: _name_of(options, self._tasks[source].place) for source, options in self._sources.items()}

    async def checks(self, heard: Callable[[Check], None] = lambda _check: None) -> list[Check]:
        """Run all checks before the first write. ``heard`` gets each one as soon as its result is known."""
        found: list[Check] = [*self._known]
        for check in found:
            heard(check)
        for source, target in self._targets.items():
            for check in [*self._protected(source), *await target.checks()]:
                heard(check)
                found.append(check)
        return found

    def _protected(self, source: str) -> list[Check]:
        host = self._context.host(self._sources[source].host)
        if not host.protected:
            return []
        return [Check(tr("changes on {host}", host=host.name), "bad", tr("the host is protected"))]

    async def changes(self) -> dict[str, list[RestoreChange]]:
        """Return for each source what restoring would change."""
        return {source: await self.changes_of(source) for source in self._targets}

    async def changes_of(self, source: str) -> list[RestoreChange]:
        """Return what restoring one source would change. Raises BackupError, HostError."""
        return await self._targets[source].changes()

    async def stage(self, run: Run) -> None:
        """Restore everything into staging. Raises BackupError, HostError."""
        for source in self._targets:
            await self._again(run, partial(self._stage, run, source))

    async def _stage(self, run: Run, source: str) -> None:
        if source in self._begun:
            await self._targets[source].discard()
            self._targets[source] = self._target(source)
            self._begun.discard(source)
            refuse_bad(await self._targets[source].checks())
        target = self._targets[source]
        scratch = self._tasks[source].scratch
        text = tr("restoring {source} to {where}", source=source, where=target.where)
        run.intent(
            str(text if scratch else tr("restoring {source} next to {where}", source=source, where=target.where))
        )
        phase("stage")
        self._begun.add(source)
        await target.stage(_mover(run, source, _raw_bytes(self._tasks[source].parts)))
        self._staged.add(source)
        text = tr("{source} was restored to {where}", source=source, where=target.where)
        run.done(
            str(text if scratch else tr("{source} was restored next to {where}", source=source, where=target.where))
        )

    async def _compare(self, run: Run, source: str) -> Comparison:
        if source not in self._staged:
            await self._stage(run, source)
        return await self._targets[source].compare()

    async def _again(self, run: Run, work: Callable[[], Awaitable[T]]) -> T:
        async def once() -> T:
            try:
                return await work()
            except LINK:
                self._staged.clear()
                raise

        return await retry(run, once)

    async def compare(self, run: Run) -> bool:
        """Compare the staged data with the set, and return whether all of it could be compared. Raises RestoredDiffers
        if they differ. After a lost connection, the source is staged again."""
        phase("compare")
        complete = True
        for source in self._targets:
            comparison = await self._again(run, partial(self._compare, run, source))
            if comparison.differences:
                raise RestoredDiffers(
                    tr(
                        "{source} was restored, but differs from the backup: {differences}",
                        source=source,
                        differences=clauses(comparison.differences[:5]),
                    ),
                    tr("the existing data was not touched; choose another set"),
                )
            complete = complete and not comparison.uncompared
            _tell_compared(run, source, comparison)
        return complete

    async def swap(self, run: Run) -> interrupted.Restored:
        """Put the staged data in place: all of it or nothing. Raises BackupError."""
        return await _to_the_end(run, self._swap(run))

    async def _swap(self, run: Run) -> interrupted.Restored:
        swaps = tuple(target.swap_plan() for target in self._targets.values())
        restored = interrupted.Restored(
            run=run.id, set=self._set.id, at=datetime.now(UTC), stage="swapping", swaps=swaps
        )
        interrupted.write(restored)
        phase("journal")
        self._staged_is_ours = False
        done: list[Swap] = []
        for target, swap in zip(self._targets.values(), swaps, strict=True):
            run.intent(str(tr("{target}: putting the restored data in place", target=swap.target)))
            try:
                await target.swap()
            except LINK as error:
                return await self._settled(run, restored, error)
            except HalfSwapped as error:
                _write_undoing(restored, error)
                raise
            except LilFoxError as error:
                raise await self._taken_back(error, restored, done) from error
            done.append(swap)
            run.done(_placed(swap))
        restored = replace(restored, stage="swapped")
        try:
            interrupted.write(restored)
        except BackupError as error:  # all is in place; the next start finds that, and notes it
            run.say(f"{error}; {error.hint}", "warning")
        return restored

    async def _settled(self, run: Run, restored: interrupted.Restored, error: HostError) -> interrupted.Restored:
        """Settle renames whose outcome is unknown: finish or undo them once the host responds again."""
        run.say(str(tr("{error}; the renames will be checked when the host responds again", error=error)), "warning")
        try:
            run.say(await retry(run, partial(settle, self._context, restored)), "warning")
        except LilFoxError as second:
            raise BackupError(
                tr(
                    "{error}. It is not yet known whether {set} is in place: {second}",
                    error=error,
                    set=self._set.id,
                    second=second,
                ),
                tr(
                    "when the host responds again, run: lilfox backup settle {job} --finish or --take-back",
                    job=restored.run,
                ),
            ) from None
        now = next(each for each in interrupted.read_all() if each.run == restored.run)
        if now.stage != "swapped":
            self._staged_is_ours = True
            raise BackupError(tr("{error}; everything is as it was before", error=error), tr("restore again"))
        return now

    async def close(self, run: Run) -> None:
        """Remove the staged data, unless it was swapped or a swap may be unfinished, which the next start settles.
        Failures are only reported, so they hide no earlier error."""
        for target in self._targets.values():
            try:
                await (target.discard() if self._staged_is_ours else target.leave())
            except LilFoxError as error:
                told = tr("{error} – {hint}", error=error.message, hint=error.hint) if error.hint else error.message
                run.say(str(told), "warning")

    async def _taken_back(self, error: LilFoxError, restored: interrupted.Restored, done: list[Swap]) -> BackupError:
        """Undo the swaps made before the failed one; return the error to raise."""
        _write_undoing(restored, error)
        try:
            for swap in reversed(done):
                await undo_swap(self._context, swap)
        except LilFoxError as second:
            return BackupError(
                tr(
                    "{error}; the parts already put in place could not be reverted: {second}",
                    error=error,
                    second=second,
                ),
                tr("fix that, then run: lilfox backup settle {job} --finish", job=restored.run),
            )
        interrupted.write(replace(restored, stage="undone"))
        self._staged_is_ours = True
        return BackupError(tr("{error}; everything is as it was before", error=error), error.hint)


def _tell_compared(run: Run, source: str, comparison: Comparison) -> None:
    compared = comparison.compared
    if not comparison.uncompared:
        run.say(str(tr("{source}: matches the backup ({compared})", source=source, compared=compared)), "good")
        return
    if compared:
        run.say(str(tr("{source}: what was compared matches the backup ({compared})",
                       source=source, compared=compared)), "good")  # fmt: skip
    run.say(
        str(tr("{source}: restored without errors, but not compared, because the set does not record the content of "
               "{names}",
               source=source, names=listed(comparison.uncompared))),
        "warning",
    )  # fmt: skip


def _write_undoing(restored: interrupted.Restored, error: LilFoxError) -> None:
    """Record that the restore is being undone because of ``error``. Raises a BackupError that reports both errors if
    that fails."""
    try:
        interrupted.write(replace(restored, stage="undoing"))
    except BackupError as second:
        raise BackupError(
            tr("{error}. The state of the restore could not be recorded: {second}", error=error, second=second),
            tr(
                "make this path writable (is the disk full?), then run: lilfox backup settle {job} --take-back",
                job=restored.run,
            ),
        ) from error


def refuse_broken(found: BackupSet) -> None:
    """Raise BrokenSet for a set that must not be restored."""
    refuse_untrusted(found)
    if found.refused:
        raise BrokenSet(
            tr("{set} is broken: {reason}", set=found.id, reason=found.reason),
            tr("choose another set: lilfox backup list"),
        )


async def undo(run: Run, context: BackupContext, restored: interrupted.Restored) -> None:
    """Undo a whole restore, last part first. Raises NotAllowed for a protected host, BackupError, HostError."""
    for host in {swap.host or None: context.host(swap.host or None) for swap in restored.swaps}.values():
        if host.protected:
            raise NotAllowed(tr("{host} is protected: undoing a restore is not allowed", host=host.name))
    await _to_the_end(run, _undo(run, context, restored))


async def _undo(run: Run, context: BackupContext, restored: interrupted.Restored) -> None:
    def intend(swap: Swap) -> None:
        run.intent(
            str(tr("{target}: putting the previous data back: {before}", target=swap.target, before=swap.before))
        )

    def tell(swap: Swap) -> None:
        run.done(str(tr("{target}: the previous data is back in place", target=swap.target)))

    await undo_rest(context, restored, intend, tell)


async def _to_the_end(run: Run, renames: Coroutine[Any, Any, T]) -> T:
    """Return the result of ``renames``, even if the job is cancelled meanwhile: renames must not stop halfway."""
    going = asyncio.ensure_future(renames)
    while True:
        try:
            return await asyncio.shield(going)
        except asyncio.CancelledError:
            if going.cancelled():
                raise
            run.say(str(tr("too late to cancel: renaming is in progress")), "warning")


def _name_of(options: Any, place: str) -> str:
    """Return the name of the database or folder that a source is restored to: the last part of its place, URL or path,
    or the first of its ``databases``."""
    where = place or getattr(options, "url", "") or getattr(options, "path", "") or getattr(options, "root", "")
    if "://" in where:
        where = unquote(urlsplit(where).path)
    named: tuple[str, ...] = getattr(options, "databases", ())
    return named[0] if named and not place else where.rstrip("/").rpartition("/")[2] or where


def _mover(run: Run, source: str, total: int | None) -> Callable[[int], None]:
    return lambda done: run.moved(source, done, total)


def _raw_bytes(parts: tuple[FoundPart, ...]) -> int | None:
    known = [part.said.raw_bytes for part in parts if part.said is not None]
    return sum(known) if len(known) == len(parts) else None


def _placed(swap: Swap) -> str:
    if not swap.before:
        return str(tr("{target}: in place; it did not exist before", target=swap.target))
    return str(tr("{target}: in place; the previous data is kept as {before}", target=swap.target, before=swap.before))


# A drill: a set is restored for real into a scratch database or folder and compared (●). How long that takes is the
# time that a restore would need (RTO).


_FOLDERS = {"files": "path", "config": "root"}
"""Kinds of sources that any folder is a place for → the option that names it."""


@contextmanager
def with_scratch(found: BackupSet, sources: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield ``sources``, plus a temporary folder in /var/tmp for each folder of the set without a target; it is removed
    at the end. Databases get none: only a person knows which server may be used."""
    made = dict(sources)
    with TemporaryDirectory(prefix="lilfox-drill-", dir="/var/tmp") as scratch:
        for part in found.parts:
            if part.source not in made and part.source_kind in _FOLDERS:
                key = _FOLDERS[part.source_kind]
                place = Path(scratch) / part.source
                place.mkdir(0o700, exist_ok=True)
                made[part.source] = msgspec.convert({key: str(place)}, SOURCES[part.source_kind])
        yield made


async def drill(
    run: Run,
    context: BackupContext,
    reader: SetReader,
    found: BackupSet,
    sources: Mapping[str, Any],
    spec: RestoreSpec,
) -> Proof:
    """Restore all parts to scratch locations, compare, and remove them. The proof gets the time taken and ``restored``,
    ``intact`` if not everything could be compared, or ``broken`` if the result differs. Raises NotReady, HostError,
    BackupError if the drill could not be run; the proof then stays as it was."""
    refuse_broken(found)
    proof = found.proof
    if proof is None or proof.level == "broken" or not found.good:
        proof = await verify(run, reader, found)
        if proof.level == "broken":
            return proof
    _refuse_placeless(found, sources)
    whole = replace(spec, only="", read_back=True)  # the proof is of all of it
    restore = Restore(context, found, reader.after(proof).blocks, whole, sources, scratch=True)
    started = time.monotonic()
    try:
        checks = await retry(run, restore.checks)
        refuse_bad(checks)
        await restore.stage(run)
        took_s = time.monotonic() - started
        complete = await restore.compare(run)
    except RestoredDiffers as error:
        proof = replace(proof, level="broken", at=proof_time(found), reason=str(error))
        await put_proof(run, reader, proof)
        return proof
    finally:
        await restore.close(run)
    at = proof_time(found)
    proof = replace(
        proof,
        level="restored" if complete else "intact",
        at=at,
        tested=at,
        reason="",
        took_s=round(took_s, 3),
        host=platform.node(),
        where=clauses(f"{source}: {where}" for source, where in restore.where.items()),
    )
    await put_proof(run, reader, proof)
    return proof


def _refuse_placeless(found: BackupSet, sources: Mapping[str, Any]) -> None:
    """Raise BackupError for parts that have no target."""
    missing = sorted({part.source for part in found.parts} - set(sources))
    if missing:
        raise BackupError(
            tr(
                "no restore target is specified for these sources of {set}: {sources}",
                set=found.id,
                sources=listed(missing),
            ),
            tr(
                "specify the server, for example: --database postgresql://USER@HOST/DATABASE; or use a plan that "
                "contains these sources"
            ),
        )
