"""What is begun again, how often, and what is not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from lilfox_tui.backup import store as module
from lilfox_tui.backup.store import LinkGone, retry
from lilfox_tui.core.errors import AuthRefused, CommandTimeout, CommandUnknown, HostUnreachable, LilFoxError
from tests.unit.backup.noted_run import NotedRun

LOST = (
    HostUnreachable("db-1", "no answer", link_lost=True),
    CommandUnknown("db-1", "pg_dump went"),
    HostUnreachable("db-1", "refused"),
)


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITS_S", (0.001, 0.002, 0.003))


def failing(*errors: LilFoxError) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """Work that raises these one after the other, then gives ``done``; and its calls."""
    calls: list[int] = []

    async def work() -> str:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return "done"

    return work, calls


@pytest.mark.parametrize("count", range(4))
async def test_a_lost_link_is_told_and_the_work_begun_again(count: int) -> None:
    run = NotedRun()
    work, calls = failing(*LOST[:count])
    assert await retry(run, work) == "done"
    assert len(calls) == count + 1
    told = run.told("warning")
    assert [text.partition(": ")[0] for text in told] == [
        f"the connection to db-1 was lost, retrying in {0.001 * (number - 1):g} s (attempt {number} of 4)"
        for number in range(2, count + 2)
    ]


async def test_after_the_last_try_it_is_no_lost_link_any_more() -> None:
    """So that what calls it, and is itself begun again for lost links, is not."""
    work, calls = failing(*LOST, HostUnreachable("db-1", "no answer", "look at it", link_lost=True))
    with pytest.raises(LinkGone, match=r"no answer \(tried 4 times\)") as gone:
        await retry(NotedRun(), work)
    assert len(calls) == 4
    assert gone.value.hint == "look at it"
    assert not isinstance(gone.value, module.LINK)


@pytest.mark.parametrize("error", [AuthRefused("db-1", "no"), CommandTimeout("db-1", "slow"), LilFoxError("full")])
async def test_anything_else_goes_up_at_once(error: LilFoxError) -> None:
    run = NotedRun()
    work, calls = failing(error)
    with pytest.raises(type(error)):
        await retry(run, work)
    assert len(calls) == 1
    assert not run.said
