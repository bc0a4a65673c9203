"""Times in crontab(5) syntax: ``0 2 * * *``, ``*/15 8-18 * * mon-fri``, ``@daily``.

Read as Debian's cron reads them: days of the month and of the week both count where one of the two fields begins with
``*``, else one of them is enough. What cron refuses is refused, and also what it takes and means otherwise than it
looks (``5/10``)."""

from __future__ import annotations

import re
from datetime import date

from msgspec import Struct

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import whole

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_ITEM = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_LONGEST = 500
_LONGEST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class CronField(Struct, frozen=True):
    """The allowed values of one of the five fields."""

    about: Message
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Of ``low`` and those after it."""


_FIELDS = (
    CronField(tr("minute"), 0, 59),
    CronField(tr("hour"), 0, 23),
    CronField(tr("day of the month"), 1, 31),
    CronField(tr("month"), 1, 12, _MONTHS),
    CronField(tr("day of the week"), 0, 7, _WEEKDAYS),
)


class Cron(Struct, frozen=True, kw_only=True):
    """The times of a crontab line. Numbers are sorted; ``weekdays`` count from Sunday, 0 to 6."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    both_days: bool
    """Day of the month and day of the week must both fit; else one of them is enough."""
    fixed: bool
    """Neither minute nor hour begins with ``*``: cron runs it once also where a clock is put forward over it or back
    behind it. Others follow the clock's hands."""

    def on(self, day: date) -> bool:
        """Whether the crontab line matches ``day``."""
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_month and by_week) if self.both_days else (by_month or by_week)


def read_cron(text: str) -> Cron:
    """Parses a time in crontab(5) syntax. Raises UsageError, which says what is wrong and what to write."""
    written = text.strip()
    if len(written) > _LONGEST:
        raise UsageError(
            tr("the schedule has {count} characters; at most {most} are allowed", count=len(written), most=_LONGEST),
            tr("write ranges and steps instead of lists, such as 1-5 or */10"),
        )
    if written == "@reboot":
        raise UsageError(tr("@reboot does not specify a time"), tr("write five fields, such as 0 2 * * *, or @daily"))
    if written.startswith("@") and written not in _WORDS:
        raise UsageError(tr("unknown cron keyword {word}", word=written), _one_of(_WORDS))
    fields = _WORDS.get(written, written).split()
    if len(fields) != len(_FIELDS):
        raise UsageError(
            tr("{count} fields, but cron needs five", count=len(fields)),
            tr("write minute, hour, day of the month, month, day of the week: 0 2 * * *"),
        )
    minutes, hours, days, months, weekdays = (
        _numbers(word, field) for word, field in zip(fields, _FIELDS, strict=True)
    )
    cron = Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        weekdays=tuple(sorted({day % 7 for day in weekdays})),
        both_days=fields[2].startswith("*") or fields[4].startswith("*"),
        fixed=not (fields[0].startswith("*") or fields[1].startswith("*")),
    )
    if cron.both_days and all(_LONGEST_DAYS[month - 1] < min(days) for month in months):
        raise UsageError(tr("this date never occurs"), tr("none of these months has {day} days", day=min(days)))
    return cron


def _one_of(words: dict[str, str]) -> Message:
    return tr("one of: {words}", words=listed(sorted(words)))


def _numbers(word: str, field: CronField) -> tuple[int, ...]:
    found: set[int] = set()
    for item in word.split(","):
        found.update(_range(item, field))
    return tuple(sorted(found))


def _range(item: str, field: CronField) -> range:
    read = _ITEM.fullmatch(item)
    if read is None:
        raise _wrong(item, field)
    star, first, last, step = read.groups()
    if step is not None and not 0 < whole(step) <= field.high:
        raise UsageError(
            tr("invalid step {step} in “{item}”", step=step, item=item),
            tr("use a step from 1 to {high}", high=field.high),
        )
    if star is not None:
        return range(field.low, field.high + 1, whole(step or "1"))
    low = _number(first, item, field)
    if last is None and step is not None:
        raise UsageError(
            tr("cron reads “{item}” as {first} only", item=item, first=first),
            tr("write {first}-{high}/{step}", first=first, high=field.high, step=step),
        )
    high = low if last is None else _number(last, item, field)
    if high < low:
        raise UsageError(
            tr("“{item}” ends before it begins", item=item),
            tr("write {low}-{most},{least}-{high}", low=low, most=field.high, least=field.low, high=high),
        )
    return range(low, high + 1, whole(step or "1"))


def _number(word: str, item: str, field: CronField) -> int:
    if word.lower() in field.names:
        return field.low + field.names.index(word.lower())
    if not word.isdigit() or not field.low <= whole(word) <= field.high:
        raise _wrong(item, field)
    return int(word)


def _wrong(item: str, field: CronField) -> UsageError:
    names = f" ({field.names[0]}-{field.names[-1]})" if field.names else ""
    return UsageError(
        tr("“{item}” is not a valid {about}", item=item, about=field.about),
        tr(
            "use a value from {low} to {high}{names}, a range, a comma-separated list, * or a step such as */2",
            low=field.low,
            high=field.high,
            names=names,
        ),
    )
