"""Data that panes hand on: the alert for which a runbook or an incident was opened, the selection as evidence for an
incident, and the newest errors of the logs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import _, clauses
from lilfox_tui.core.text import clean
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert


class Selected(NamedTuple):
    """Evidence as ``incident.incidents.keep_evidence`` takes it: a file name, the bytes, and a one-line description for
    the timeline."""

    name: str
    data: bytes
    text: str


class Selection(NamedTuple):
    """The selection as evidence. ``title`` is the title of a new incident opened for the selection; ``read`` returns
    its current content and raises LilFoxError if it cannot be read."""

    title: str
    read: Callable[[], Awaitable[Selected]]


def text_of_rows(rows: Iterable[Row]) -> str:
    """Screen rows as lines of plain text, without terminal control sequences."""
    return "".join(clean("".join(piece.text for piece in row)).rstrip() + "\n" for row in rows)


def page_evidence(kind: str, name: str, said: str, overview: Overview, rows: Sequence[Row]) -> Selected:
    """The rows of a page as evidence: what it is about, and when it was taken."""
    words = {
        "host": _("host {name}: {said}", name=name, said=said),
        "service": _("service {name}: {said}", name=name, said=said),
        "backend": _("backend {name}: {said}", name=name, said=said),
        "alert": _("alert {name}: {said}", name=name, said=said),
        "finding": _("finding on {name}: {said}", name=name, said=said),
        "container": _("container {name}: {why}", name=name, why=said),
    }
    text = words[kind]
    if overview.rewound:
        text = _("{said}, as it was at {when:%Y-%m-%d %H:%M:%S} UTC", said=text, when=overview.at)
    taken = _("taken at {when} UTC", when=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}")
    shows = _("as of {when} UTC", when=f"{overview.at:%Y-%m-%d %H:%M:%S}")
    data = f"# {clauses([taken, shows])}\n\n{text_of_rows(rows)}"
    return Selected(f"{kind}-{name}-{overview.at:%H%M%S}.txt", data.encode("utf-8", "replace"), text)


# The alert that led to a runbook: what it is called, and what it tells of the runbook's values.


_SEVERITIES = {3: "SEV-2", 2: "SEV-3", 1: "SEV-3", 0: "SEV-4"}


class Cause(Struct, frozen=True):
    """The alert for which a runbook or an incident was opened; of a thing that fails without one, ``alert`` is
    empty."""

    alert: str
    labels: Mapping[str, str]
    severity: str
    """Of an incident that is opened for it, where the runbook does not say."""
    runbook_url: str = ""
    chosen: bool = False
    """Whether it was opened, and is not only the alert of the selected row."""
    told: str = ""
    """What there is instead of an alert."""

    @property
    def title(self) -> str:
        """The title of an incident opened for this alert."""
        from lilfox_tui.incident.model import alert_title

        return self.told or alert_title(self.alert, self.labels)


def cause_of(alert: Alert) -> Cause:
    """Return the cause for an alert."""
    labels = {name: value for name, value in alert.labels if name != "alertname"}
    return Cause(alert.name, labels, _SEVERITIES[alert.urgency], dict(alert.annotations).get("runbook_url", ""))


def firing_alerts(overview: Overview | None) -> tuple[Alert, ...]:
    """The firing alerts, worst first."""
    if overview is None or not isinstance(overview.alerts, Ready):
        return ()
    found = [each for each in overview.alerts.value.alerts if each.is_firing]
    return tuple(sorted(found, key=lambda each: -each.urgency))


def firing_names(overview: Overview | None) -> tuple[str, ...]:
    """The names of the firing alerts, without duplicates."""
    return tuple(dict.fromkeys(each.name for each in firing_alerts(overview)))


# The newest errors of the logs.


class LoggedError(Struct, frozen=True):
    """One error, or several in a row that say the same: ``at`` is when the last one was logged (aware UTC)."""

    at: datetime
    source: str
    text: str
    times: int = 1
    at_least: bool = False
    """Whether there were more that were not counted."""
    first: datetime | None = None
    """When the first of several was logged (aware UTC)."""

    def until(self, at: datetime) -> LoggedError | None:
        """What was known of it at ``at`` (aware UTC); None if nothing was. How many of several there were by then is
        not kept."""
        if self.at <= at:
            return self
        if self.first is None or self.first > at:
            return None
        return LoggedError(self.first, self.source, self.text, at_least=True)


def each_once(errors: Sequence[LoggedError]) -> list[LoggedError]:
    """The errors (newest first) with those of a log that say the same as one, also where others came between them: two
    services that fail each other would fill a list by turns."""
    found: dict[tuple[str, str], LoggedError] = {}
    for each in errors:
        key = (each.source, each.text)
        last = found.get(key)
        if last is None:
            found[key] = each
            continue
        first = min(last.first or last.at, each.first or each.at)
        at_least = last.at_least or each.at_least
        found[key] = replace(last, first=first, times=last.times + each.times, at_least=at_least)
    return list(found.values())


def error_row(error: LoggedError, now: datetime, glyphs: Glyphs) -> Row:
    """An error of a log: when the last one was logged, in which log, how often in a row, and what it says."""
    today = error.at.date() == now.date()
    times = f"≥{error.times}  " if error.at_least else f"×{error.times}  " if error.times > 1 else ""
    return (
        Piece(" " + error.at.strftime("%H:%M:%S" if today else "%m-%d %H:%M") + " ", "muted"),
        Piece(glyphs.failing + " ", "failing"),
        Piece(clean(error.source) + "  ", "strong"),
        *((Piece(times, "accent"),) if times else ()),
        *coloured(clean(error.text)),
    )


def is_named_after(source: str, service: str) -> bool:
    """Whether a log has the name of a service, or has it among its words."""
    return source == service or service.removeprefix("lilfox-") in source.replace("-", ".").split(".")
