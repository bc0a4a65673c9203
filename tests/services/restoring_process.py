"""A process that dumps a database and restores it, to be killed on the way: ``restoring_process URL ONLY [LARGE]``,
where ``LARGE`` is from how many bytes on an archive is restored in sections.

It tells where it is, one line each, and goes on when it is given a line."""

from __future__ import annotations

import asyncio
import sys

import msgspec

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql import load
from tests.services.database_sets import dumped, target


def reached(what: str) -> None:
    """Tells, and waits to be let on."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()
    sys.stdin.readline()


async def restore(url: str, only: str) -> None:
    """From the dump to the swap."""
    options = msgspec.convert({"url": url}, PostgresqlOptions)
    kept = await dumped(options)
    reached("dumped")
    half = len(kept.bytes_of_database) * 0.3
    told: list[int] = []

    def moved(done: int) -> None:
        if done > half and not told:
            told.append(done)
            reached("half")

    into = target(options, kept.task(only=only))
    await into.checks()
    await into.stage(moved)
    comparison = await into.compare()
    assert comparison.differences == (), comparison
    reached(msgspec.json.encode(into.swap_plan()).decode())
    await into.swap()
    reached("swapped")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        load.HEAD_BYTES = int(sys.argv[3])
    asyncio.run(restore(*sys.argv[1:3]))
