"""Silences and their matchers as Alertmanager has them; maintenance windows as silences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from lilfox_tui.alerts.model import Alert, Silence, SilenceMatcher
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.maintenance import ALL, MaintenanceWindow
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import label_condition

# Matchers and silences as Alertmanager has them: patterns are RE2, anchored; a label that is not there is empty.
#
# Its syntax is that of Alertmanager and amtool: ``name="value"``, ``!=``, ``=~``, ``!~``, joined by commas, braces
# around them or not; values without spaces, commas and quotes may stand without quotes.


PRESETS_S = (3600.0, 4 * 3600.0, 24 * 3600.0)
"""Lengths that are offered first; beside them stands "until it has resolved"."""
_QUOTED = r'"(?:[^"\\\n]|\\.)*"'
_PLAIN_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MATCHER = re.compile(
    rf"\s*({_QUOTED}|{_PLAIN_NAME.pattern})\s*(=~|!~|!=|=)\s*({_QUOTED}|[^\s,{{}}\"'=!~\\]*)\s*(,|$)", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}


def parse_matchers(text: str) -> tuple[SilenceMatcher, ...]:
    """The matchers in ``text``. Raises UsageError with what is not understood."""
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1].strip()
    found: list[SilenceMatcher] = []
    place = 0
    while place < len(inner):
        match = _MATCHER.match(inner, place)
        if match is None:
            raise _wrong(tr("not understood: {part}", part=inner[place : place + 60]))
        name, op, value, _end = match.groups()
        made = SilenceMatcher(_plain(name), _plain(value), is_regex="~" in op, is_equal=op[0] == "=")
        _condition(made)
        found.append(made)
        place = match.end()
    if not found:
        raise _wrong(tr("no matcher"))
    return tuple(found)


def check_silence(matchers: Iterable[SilenceMatcher]) -> None:
    """Raises UsageError where the matchers take everything, as Alertmanager refuses it too."""
    if all(_condition(one)("") is one.is_equal for one in matchers):
        raise UsageError(
            tr("these matchers take every alert that lacks their labels; that would silence nearly everything"),
            tr('name a value that must be there, such as alertname="HighLatency"'),
        )


def matches_all(matchers: Iterable[SilenceMatcher], labels: Labels) -> bool:
    """Whether all matchers take these labels. Raises UsageError for a pattern that RE2 refuses."""
    known = dict(labels)
    return all(_condition(one)(known.get(one.name, "")) is one.is_equal for one in matchers)


def would_silence(matchers: Iterable[SilenceMatcher], alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Those of ``alerts`` that the matchers take: the preview of a silence."""
    wanted = tuple(matchers)
    return tuple(alert for alert in alerts if matches_all(wanted, alert.labels))


def matchers_of(labels: Labels) -> tuple[SilenceMatcher, ...]:
    """Matchers that take alerts with exactly these values."""
    return tuple(SilenceMatcher(name, value) for name, value in labels)


def is_active(silence: Silence, now: datetime) -> bool:
    """Whether it silences at ``now`` (aware)."""
    return silence.starts_at <= now < silence.ends_at


def format_matchers(matchers: Iterable[SilenceMatcher]) -> str:
    """As :func:`parse_matchers` reads it."""
    return ", ".join(f"{_name(one.name)}{_op(one)}{_quoted(one.value)}" for one in matchers)


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else _quoted(name)


def _op(matcher: SilenceMatcher) -> str:
    if matcher.is_regex:
        return "=~" if matcher.is_equal else "!~"
    return "=" if matcher.is_equal else "!="


def _condition(matcher: SilenceMatcher) -> Callable[[str], bool]:
    if not matcher.is_regex:
        return label_condition("=", matcher.value)
    return label_condition("=~", f"(?-s:{matcher.value})")  # a dot takes no newline in Alertmanager


def _plain(word: str) -> str:
    if not word.startswith('"'):
        return word
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), word[1:-1], flags=re.DOTALL)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t") + '"'


def _wrong(what: Message) -> UsageError:
    return UsageError(
        tr("matchers: {what}", what=what),
        tr('write them as alertname="HighLatency", team=~"web|db"'),
    )


# Windows of maintenance as silences: nobody is told of the alerts of what is worked on.


_WINDOW_ID = "maintenance "
_WINDOW_LABELS = ("host", "service", "job", "unit", "name")
"""Of these one has the name of what is worked on; ``instance`` may have a port behind it."""


def silences_of_windows(windows: Iterable[MaintenanceWindow]) -> Iterator[Silence]:
    """Each window as silences of which one is enough: matchers of one silence all have to fit."""
    for window in windows:
        if window.name == ALL:
            yield _window_silence(window, SilenceMatcher("alertname", "", is_equal=False))
            continue
        for label in _WINDOW_LABELS:
            yield _window_silence(window, SilenceMatcher(label, window.name))
        instance = f"{re.escape(window.name)}(:[0-9]+)?"
        yield _window_silence(window, SilenceMatcher("instance", instance, is_regex=True))


def _window_silence(window: MaintenanceWindow, matcher: SilenceMatcher) -> Silence:
    return Silence(
        id=_WINDOW_ID + window.name,
        matchers=(matcher,),
        starts_at=window.since,
        ends_at=window.until,
        created_by=window.by,
        comment=window.why,
    )


def window_of(silence: str) -> str | None:
    """What is in maintenance, where the silence with this id is a window; None for one that somebody made."""
    return silence.removeprefix(_WINDOW_ID) if silence.startswith(_WINDOW_ID) else None
