"""Jobs as rows: their words, bars and state. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime, tzinfo

from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rows.job_words import STATE_ROLES, STATES
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import fit, fit_middle, human_bytes, human_duration
from lilfox_tui.jobs.listing import follow_events
from lilfox_tui.jobs.model import (
    Began,
    Ended,
    Event,
    Intent,
    Job,
    MessageLogged,
    Progress,
    ProgressMade,
    StepDone,
    state_text,
)

# Words and signs of jobs, for header, rows and pages. Nothing of jobs/ is imported: the header is drawn before it.


MOST_EVENTS = 5000


class JobLog:
    """The newest events of one job, and the newest progress of each part."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.dropped = 0
        self.ended: Ended | None = None
        self._progress: dict[str, Progress] = {}

    @property
    def progress(self) -> Sequence[Progress]:
        """The newest progress of each part, in the order in which the parts began; only what still moves has a
        rate."""
        return tuple(each.current(ended=self.ended is not None) for each in self._progress.values())

    @property
    def took_s(self) -> float | None:
        """How long the job ran; None before its end, or if its first event was dropped."""
        first = self.events[0] if self.events else None
        if self.ended is None or not isinstance(first, Began):
            return None
        return max(0.0, (self.ended.at - first.at).total_seconds())

    async def follow(self, changed: Callable[[], None]) -> None:
        """Replays and follows the job's events; ``changed`` is called after each batch. Ends with the job. Raises
        JobError."""
        async with aclosing(follow_events(self.job_id)) as lists:
            async for some in lists:
                self.take(some)
                changed()

    def take(self, some: Sequence[Event]) -> None:
        """Takes the next events."""
        for event in some:
            if isinstance(event, ProgressMade):
                self._progress[event.progress.part] = event.progress
                continue
            self.dropped += len(self.events) == MOST_EVENTS
            self.events.append(event)
            if isinstance(event, Ended):
                self.ended = event


_LINE_ROLES = {"note": "text", "good": "good", "warning": "degraded", "bad": "failing"}
_NUMBERS = 43
"""Cells of what stands right of a bar: done of total, percent, rate, remaining."""
_SHORTEST_BAR = 6
_LONGEST_BAR = 40
_SHORT_BAR = 10
"""Cells of a bar beside which a long name is cut."""
_NAME = 36
_BAR_FROM = 70
"""Cells of a line from which the name leaves room for the bar."""


def job_title(job: Job, now: datetime, glyphs: Glyphs) -> Row:
    """``↻ backup lilfox  running for 2 min  by root``."""
    running = job.state == "running"
    mark = glyphs.job if running else glyphs.level(STATES[job.state])
    age = human_duration(max(0, round(((job.ended or now) - job.started).total_seconds())))
    said = f"{state_text(job.state)}: {job.message}"
    if running:
        waits = job.kind == "runbook"  # most of the time, for the operator
        said = _("in progress for {time}", time=age) if waits else _("running for {time}", time=age)
    by = _("by {user}", user=job.user) if job.user else ""
    return (
        Piece(f" {mark} ", STATE_ROLES[job.state]),
        Piece(job.title, "strong"),
        Piece(f"  {said}", STATE_ROLES[job.state]),
        Piece(f"  {by}", "muted"),
    )


def progress_row(progress: Progress, width: int, glyphs: Glyphs) -> Row:
    """One part: its name, a bar if the total is known, and numbers in fixed columns."""
    beside = _NUMBERS + 6 + _SHORT_BAR
    name_width = max(8, width // 3) if width < _BAR_FROM else min(_NAME, width - beside)
    bar_width = min(_LONGEST_BAR, width - name_width - _NUMBERS - 6)
    pieces = [Piece("   "), Piece(fit(fit_middle(progress.part, name_width), name_width), "strong"), Piece("  ")]
    total, done = progress.total_bytes, progress.done_bytes
    share = None if not total else min(1.0, done / total)
    if bar_width >= _SHORTEST_BAR:
        full = 0 if share is None else round(share * bar_width)
        pieces += [Piece(glyphs.full * full, "accent"), Piece(glyphs.empty * (bar_width - full), "muted"), Piece("  ")]
    percent = "    -" if share is None else fit(f"{share * 100:.0f}%", 5, right=True)
    pieces.append(Piece(percent, "strong"))
    of = human_bytes(done)
    if total and done <= total:  # where it is an estimate that was passed, it tells nothing
        of = _("{done} of {total}", done=of, total=human_bytes(total))
    if width >= name_width + _NUMBERS:
        pieces.append(Piece("  " + fit(of, 15, right=True)))
    rate: Row = ()
    if progress.rate is not None:
        rate = (Piece("  " + fit(_("{bytes}/s", bytes=human_bytes(progress.rate)), 7, right=True), "muted"),)
    left: Row = ()
    if progress.remaining_s is not None and progress.remaining_s >= 1:
        text = _("{time} left", time=human_duration(round(progress.remaining_s)))
        left = (Piece("  " + text, "muted"),)
    whole: Row = (*pieces, *rate, *left)
    return whole if cells(whole) <= width else (*pieces, *(left or rate))


def event_rows(event: Event, zone: tzinfo, glyphs: Glyphs) -> list[Row]:
    """The text of an event for the user; none for progress, which has bars."""
    match event:
        case MessageLogged():
            text, role, mark = event.text, _LINE_ROLES[event.level], " "
        case Intent():
            text, role, mark = event.text, "text", glyphs.chosen
        case StepDone():
            text = event.text
            role, mark = ("text", glyphs.good) if event.worked else ("failing", glyphs.failing)
        case Began():
            text = _("started on {host} by {user} (process {pid})", host=event.host, user=event.user, pid=event.pid)
            role, mark = "muted", " "
        case Ended():
            text, role = f"{state_text(event.state)}: {event.message}", STATE_ROLES[event.state]
            mark = glyphs.level(STATES[event.state])
        case _:
            return []
    at = Piece("   " + event.at.astimezone(zone).strftime("%H:%M:%S") + " ", "muted")
    rows: list[Row] = [(at, Piece(f"{mark} ", role), Piece(each, role)) for each in text.splitlines() or [""]]
    if isinstance(event, Ended) and event.hint:
        rows += [(Piece(" " * 14), Piece(each)) for each in event.hint.splitlines()]
    return rows


def progress_rows(progress: Sequence[Progress], most: int, width: int, glyphs: Glyphs) -> list[Row]:
    """The progress of the parts, unfinished ones first, in at most ``most`` rows; a last row tells how many more there
    are."""
    if most <= 0:
        return []
    waiting = [each for each in progress if each.total_bytes is None or each.done_bytes < each.total_bytes]
    shown = list(progress) if len(progress) <= most else (waiting + [each for each in progress if each not in waiting])
    rows = [progress_row(each, width, glyphs) for each in shown[:most]]
    if len(shown) > most > 1:
        more = _("and {count} more", count=len(shown) - most + 1)
        rows[-1] = (Piece("   " + more, "muted"),)
    return rows
