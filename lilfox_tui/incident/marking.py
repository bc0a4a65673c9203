"""The four moments of an incident (detected, acknowledged, mitigated, resolved), as somebody says that they were."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lilfox_tui.i18n import Message, tr
from lilfox_tui.incident.errors import MomentRefused
from lilfox_tui.incident.folding import fold, impact
from lilfox_tui.incident.incidents import myself, read_timeline
from lilfox_tui.incident.model import Entry, Marked, Moment
from lilfox_tui.incident.timeline import held
from lilfox_tui.incident.words import moment_text

_IN_ORDER: tuple[tuple[Moment, Moment], ...] = (
    ("detected", "acknowledged"),
    ("detected", "mitigated"),
    ("detected", "resolved"),
    ("mitigated", "resolved"),
)
"""The first of each pair is never after the second. What mends itself may do so before anybody acknowledges it."""


def mark(folder: Path, moment: Moment, when: datetime, *, by: str = "") -> Entry:
    """Writes down that ``moment`` was at ``when`` (aware). Raises MomentRefused for a time that is still to come or
    does not fit the moments that are known, NotRecorded, IncidentError."""
    with held(folder, by or myself()) as timeline:
        entries = read_timeline(folder).entries
        known = {name: found.when for name, found in impact(fold(entries, folder), entries).items()}
        _check(moment, when, known)
        return timeline.append(Marked(moment=moment, when=when))


def _check(moment: Moment, when: datetime, known: dict[Moment, datetime]) -> None:
    if when > datetime.now(UTC):
        raise MomentRefused(
            tr("{time:%Y-%m-%d %H:%M:%S} UTC is still to come", time=when.astimezone(UTC)),
            tr("say when it was, with the day: 2023-12-30T14:05"),
        )
    for first, second in _IN_ORDER:
        if moment == first and second in known and when > known[second]:
            text = tr("{moment}: that would be after {other}, {time:%Y-%m-%d %H:%M:%S} UTC",
                      moment=moment_text(first), other=moment_text(second), time=known[second])  # fmt: skip
            raise MomentRefused(text, _hint(second))
        if moment == second and first in known and when < known[first]:
            text = tr("{moment}: that would be before {other}, {time:%Y-%m-%d %H:%M:%S} UTC",
                      moment=moment_text(second), other=moment_text(first), time=known[first])  # fmt: skip
            raise MomentRefused(text, _hint(first))


def _hint(other: Moment) -> Message:
    return tr("if that one is wrong, say it first: lilfox incident mark {moment} --at TIME", moment=other)
