"""Databases whose renames did not come to their end: what is in place, finishing, undoing."""

from __future__ import annotations

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.carried import Carried, carried_of
from lilfox_tui.backup.postgresql.claim import MEETING, claimed
from lilfox_tui.backup.postgresql.ground import ground_of
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.server import databases_of
from lilfox_tui.backup.postgresql.staging import drop, leftovers
from lilfox_tui.backup.postgresql.swap import Step, rename
from lilfox_tui.backup.postgresql.target import Way
from lilfox_tui.backup.source import Renames, Settled, Standing, Swap, standing_of
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean


async def undo_databases(way: Way, swap: Swap) -> None:
    """What was there before has its name again; what was restored keeps the name it was staged under.

    Raises BackupError with everything as it is now, HostError.
    """
    async with way.opened() as access:
        psql = Psql(access)
        ground = await ground_of(psql)
        there = set(ground.databases)
        pairs = swap.renames
        async with claimed(access, ground.server.version_num, [pair.target for pair in pairs]) as claim:
            if all(_as_before(pair, there) for pair in pairs):
                return
            lost = [pair.before for pair in pairs if pair.before and pair.before not in there]
            if lost:
                raise BackupError(
                    tr("{names}: is not there any more, so the restore cannot be undone", names=clean(listed(lost)))
                )
            steps: list[Step] = []
            for pair in pairs:
                if pair.target in there:
                    steps.append(Step(pair.target, pair.staged))
                if pair.before:
                    steps.append(Step(pair.before, pair.target))
            await rename(access, ground.server, claim, steps, end_sessions=swap.end_sessions)


async def settle_databases(way: Way, swap: Swap) -> Settled:
    """The renames are one transaction: they were made, or not at all, and then what was staged is taken away.

    Raises BackupError, HostError.
    """
    async with way.opened() as access:
        psql = Psql(access)
        ground = await ground_of(psql)
        pairs = swap.renames
        async with claimed(access, ground.server.version_num, [pair.target for pair in pairs]):
            there = set(await databases_of(psql, database=MEETING))
            if not any(pair.staged in there for pair in pairs) and all(
                pair.target in there and (not pair.before or pair.before in there) for pair in pairs
            ):
                return "finished"
            for pair in pairs:
                if pair.target in there and not pair.before:
                    raise BackupError(
                        tr("{target} is there although there was none before the restore: somebody has made it anew",
                           target=clean(pair.target)),
                        tr("Rename it, then try again."),
                    )  # fmt: skip
            left = {left.name for left in await leftovers(psql)}
            for pair in pairs:
                if pair.staged in left:
                    await drop(psql, ground.server, pair.staged)
            return "undone"


async def standing_of_databases(way: Way, swap: Swap) -> list[Standing]:
    """What is in place of each database. Raises BackupError, HostError."""
    async with way.opened() as access:
        known = await databases_of(Psql(access), database=MEETING)
    return [
        standing_of(pair, target=pair.target in known, staged=pair.staged in known, before=pair.before in known)
        for pair in swap.renames
    ]


async def finish_databases(way: Way, swap: Swap) -> None:
    """Puts in place what was staged, in one transaction, where that was not done. Of a database that is not there now
    its owner alone is known: settings and rights on it are given anew by hand.

    Raises BackupError with everything as it is now, HostError.
    """
    async with way.opened() as access:
        ground = await ground_of(Psql(access))
        pairs = swap.renames
        names = [name for pair in pairs for name in (pair.target, pair.staged)]
        async with claimed(access, ground.server.version_num, names) as claim:
            there = set(await databases_of(Psql(access), database=MEETING))
            steps: list[Step] = []
            for pair in pairs:
                standing = standing_of(
                    pair, target=pair.target in there, staged=pair.staged in there, before=pair.before in there
                )
                if standing == "restored":
                    continue
                if pair.staged not in there or standing == "unknown":
                    raise BackupError(
                        tr("{target} cannot be put in place: {staged} is not what the restore left",
                           target=clean(pair.target), staged=clean(pair.staged)),
                        tr("take the restore back, then restore it again"),
                    )  # fmt: skip
                if standing == "before" and pair.before:
                    steps.append(Step(pair.target, pair.before))
                carried = await carried_of(claim, pair.target) or Carried(owner=ground.server.role)
                steps.append(Step(pair.staged, pair.target, given=carried, ours=True))
            if steps:
                await rename(access, ground.server, claim, steps, end_sessions=swap.end_sessions)


def _as_before(pair: Renames, there: set[str]) -> bool:
    return pair.before not in there and (pair.target in there) == bool(pair.before)
