"""What operations leave otherwise than it was, in the timeline of the incident that is open: until when, and how it is
taken back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.incident import incidents
from lilfox_tui.incident.model import Changed, Reverted
from lilfox_tui.jobs.run import Run
from lilfox_tui.operations.model import Kind, Operation

_LASTS: dict[Kind, str] = {"stop": "stopped", "ban": "banned"}
_TAKES_BACK: dict[Kind, str] = {"start": "stopped", "restart": "stopped", "unban": "banned"}


async def tell(run: Run, operation: Operation, now: str, *, known: bool = True) -> None:
    """Says of an operation that was made that it lasts, or that it takes an earlier one back. Where nobody knows
    whether it was made (not ``known``), it may last. What cannot be written is told, and stops nothing."""
    try:
        await asyncio.to_thread(_tell, operation, now, known)
    except LilFoxError as error:
        run.say(_("not in the incident's timeline: {reason}", reason=error.message), "warning")


def _tell(operation: Operation, now: str, known: bool) -> None:
    if (lasting := _LASTS.get(operation.kind)) is not None:
        ends = None if operation.lasts_s is None else datetime.now(UTC) + timedelta(seconds=operation.lasts_s)
        text = f"{operation.host}: {now}" if known else _("perhaps: {title}", title=operation.title)
        incidents.record(Changed(change=_id(lasting, operation), text=text, undo=_undo(operation), ends=ends))
    elif known and (lasting := _TAKES_BACK.get(operation.kind)) is not None:
        change = _id(lasting, operation)
        folder = incidents.current_folder(own=True)
        if folder is not None and change in incidents.read_incident(folder).in_force:
            incidents.append_in(folder, Reverted(change=change, text=f"{operation.host}: {now}"))


def _id(lasting: str, operation: Operation) -> str:
    return f"{lasting} {operation.host} {operation.subject}"


def _undo(operation: Operation) -> str:
    if operation.kind == "stop":
        return _("on {host}: {command}", host=operation.host, command=f"systemctl start -- {operation.subject}")
    family = "v6" if ":" in operation.subject else "v4"
    command = f"nft delete element inet lilfox_ban {family} '{{ {operation.subject} }}'"
    return _("on {host}: {command}", host=operation.host, command=command)
