"""Acts on what is selected: what can be done, then what exactly will run and change, then a job.

Nothing begins before somebody has seen that; what takes something away wants a name typed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.chooser import Choice, Chooser
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.job_words import kind_text
from lilfox_tui.config.model import HostConfig
from lilfox_tui.i18n import Message, _, tr
from lilfox_tui.text import fit

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import JobRequest
    from lilfox_tui.operations.model import Operation

HERE = "localhost"
"""As jobs call this machine where the configuration has no local host."""
_LABEL = 10


class Chosen(Struct, frozen=True):
    """What is to be confirmed, and the job that makes it."""

    operation: Operation
    request: JobRequest


class Act(Struct, frozen=True):
    """Something that can be done, or with ``why_not`` cannot. ``choose`` asks what is open yet (which process, for how
    long); None: somebody has left it. It raises LilFoxError."""

    id: str
    title: str
    note: str
    choose: Callable[[Console], Awaitable[Chosen | None]]
    why_not: Message | str | None = None


def why_unchanged(app: Console, name: str) -> Message | None:
    """Why nothing is changed on a host of that name."""
    if app.rewound is not None:
        return tr("this is the past; ` goes back to now")
    if app.config.read_only:
        return tr("nothing is changed with read_only")
    found = app.config.hosts.get(name)
    return tr("{name} is protected in the configuration", name=name) if found and found.protected else None


def name_for_jobs(app: Console, name: str) -> str:
    """How a job finds a host that is watched here."""
    return name if name in app.config.hosts else HERE


def host_config(app: Console, name: str) -> HostConfig:
    """Of a host that is watched here."""
    return app.config.hosts.get(name) or HostConfig(local=True)


def made_by_job(app: Console, operation: Operation) -> Chosen:
    """An operation on a host."""
    from lilfox_tui.operations.job import request_of

    return Chosen(operation, request_of(operation, app.monitor.backups.config_path))


async def one_of(app: Console, title: str, choices: Sequence[Choice]) -> str | None:
    """The id of what somebody chooses."""
    return await app.push_screen_wait(Chooser(title, choices, wide=True))


def choice_of(id_: str, name: str, note: str, *, width: int, why_not: Message | None = None) -> Choice:
    """A line of a list: a name in a column, and what is said of it."""
    row = (Piece(fit(name, width) + "  ", "strong"), Piece(str(why_not or note), "muted"))
    return Choice(id_, row, f"{name} {note}", why_not is None)


async def carry_out(app: Console, act: Act) -> None:
    """Asks, shows, begins the job, and shows how it goes. Raises LilFoxError."""
    chosen = await act.choose(app)
    if chosen is None or not await _confirmed(app, chosen.operation):
        return
    from lilfox_tui.app.dialogs.job_output import JobOutput
    from lilfox_tui.jobs import listing, start

    job = await asyncio.to_thread(start.start, chosen.request)
    found = await asyncio.to_thread(listing.find_job, job)
    zone = datetime.now().astimezone().tzinfo
    assert zone is not None
    app.push_screen(JobOutput(found, glyphs=app.glyphs, zone=zone, slow=app.slow_link))


async def _confirmed(app: Console, operation: Operation) -> bool:
    rows = shown_rows(operation)
    title = operation.title[:1].upper() + operation.title[1:]
    if operation.confirm:
        return await app.confirm(title, rows, operation.confirm)
    from lilfox_tui.app.dialogs.messages import AskDialog

    return await app.push_screen_wait(AskDialog(title, rows, does=kind_text(operation.kind), stays=_("leave it")))


def shown_rows(operation: Operation) -> list[Row]:
    """On which host, what exactly runs, and what it changes."""
    where = _("by way of") if operation.statement else _("host")
    rows: list[Row] = [(_label(where), Piece(operation.host, "accent"))]
    for place, line in enumerate(operation.shown):
        rows.append((_label(_("runs") if place == 0 else ""), Piece(line, "strong")))
    rows.append(BLANK)
    for place, line in enumerate(operation.changes):
        rows.append((_label(_("changes") if place == 0 else ""), Piece(line)))
    return rows


def _label(text: str) -> Piece:
    return Piece("  " + fit(text, _LABEL), "muted")
