"""Retries what may be done twice, once a lost link is back.

A dump, a copy, a verification, what is staged and what is compared leave nothing that a second try would meet. Renames
are not begun again: what came of them is looked at (``settling.settle``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.errors import CommandUnknown, HostError, HostUnreachable
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.model import Run

T = TypeVar("T")
WAITS_S = (5.0, 20.0, 60.0)
"""Before the second try, the third and the fourth. All together they are shorter than the time after which the lock of
an SFTP store is taken for that of a dead run."""
LINK = (HostUnreachable, CommandUnknown)
"""What a call on a host raises when its link is, or was, not there."""


class LinkGone(BackupError):
    """A link was lost, and did not come back in time."""


async def retry(run: Run, work: Callable[[], Awaitable[T]]) -> T:
    """What ``work`` gives; it is begun anew when it ends for a lost link, with longer and longer waits in between, of
    which ``run`` is told. Raises LinkGone after the last try, and at once whatever else ``work`` raises."""
    for number, wait_s in enumerate(WAITS_S, 2):
        try:
            return await work()
        except LINK as error:
            run.say(_told(error, wait_s, number), "warning")
        await asyncio.sleep(wait_s)
    try:
        return await work()
    except LINK as error:
        raise LinkGone(tr("{error} (tried {tries} times)", error=error, tries=len(WAITS_S) + 1), error.hint) from None


def _told(error: HostError, wait_s: float, number: int) -> str:
    return str(
        tr(
            "the link to {host} was lost, trying again in {seconds:g} s ({number} of {tries}): {error}",
            host=error.host,
            seconds=wait_s,
            number=number,
            tries=len(WAITS_S) + 1,
            error=error,
        )
    )
