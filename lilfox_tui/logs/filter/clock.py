"""Moments and spans of time as a filter writes them: ``10m``, ``03:00..03:15``, ``2026-11-25T03:00..``, ``..03:15``.

A duration is that long ago. A time of day is the latest that has been, and as the end of a span the first after its
start. A day stands for its midnight, as an end for the midnight after it. A time without an offset is of the zone.
The same time twice is what it names: ``03:15..03:15`` is that minute, ``03:15:07..03:15:07`` that second.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, tzinfo

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.logs.filter.fields import DURATION_S
from lilfox_tui.logs.filter.model import Within
from lilfox_tui.logs.record import microseconds

_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d|w)", re.ASCII)
_OF_DAY = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FULL = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:?\d{2}.*", re.ASCII)
_WORDS = ("now", "today", "yesterday")
FIRST_YEAR, LAST_YEAR = 1900, 9990
EXAMPLES = "10m, 03:15, 2026-11-25, 2026-11-25T03:15, 2026-11-25T03:15:07Z, today, yesterday, now"


class Clock:
    """The moment that a filter is written at, and the zone of its times."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        """``now`` is aware."""
        self._now = now.astimezone(zone)
        self._zone = zone

    def span(self, word: str) -> Within | None:
        """The span of time that ``word`` is: ``10m``, ``A..B``, ``A..``, ``..B``, ``..``; None where it is none.
        Raises UsageError for a time that does not exist."""
        if _AGO.fullmatch(word):
            return self.between(word, "")
        since, dots, until = word.partition("..")
        if not dots or not all(side == "" or _is_moment(side) for side in (since, until)):
            return None
        return self.between(since, until)

    def between(self, since: str, until: str) -> Within:
        """From one moment to the other, ``""`` for no bound. Raises UsageError."""
        start, end = self._ends(since, until)
        since_us, until_us = (None if at is None else microseconds(at) for at in (start, end))
        if since_us is not None and since == until:
            until_us = since_us + _named_us(until) if until_us == since_us else until_us
        if since_us is not None and until_us is not None and until_us <= since_us:
            raise UsageError(tr("{since}..{until} ends before it begins", since=since, until=until))
        return Within(since_us, until_us)

    def _ends(self, since: str, until: str) -> tuple[datetime | None, datetime | None]:
        word = since
        try:
            start = self._moment(since) if since else None
            word = until
            return start, self._end(until, start, since) if until else None
        except (ValueError, OverflowError):
            raise UsageError(
                tr("no such time: {word}", word=word), hint=tr("for example {times}", times=EXAMPLES)
            ) from None

    def _moment(self, word: str) -> datetime:
        at = self._read(word)
        if not FIRST_YEAR <= at.year <= LAST_YEAR:
            raise ValueError(word)
        return at

    def _read(self, word: str) -> datetime:
        ago = _AGO.fullmatch(word)
        if ago:
            return self._now - timedelta(seconds=float(ago[1]) * DURATION_S[ago[2]])
        if _OF_DAY.fullmatch(word):
            today = self._at(self._now.date(), _time_of_day(word))
            return today if today <= self._now else self._at(self._now.date() - timedelta(days=1), _time_of_day(word))
        if word == "now":
            return self._now
        if word in ("today", "yesterday") or _DAY.fullmatch(word):
            return self._at(self._day(word), time())
        if not _FULL.fullmatch(word):
            raise ValueError(word)
        read = datetime.fromisoformat(word)
        return read.replace(tzinfo=self._zone) if read.tzinfo is None else read

    def _end(self, word: str, start: datetime | None, since: str) -> datetime:
        if word in ("today", "yesterday") or _DAY.fullmatch(word):
            return self._at(self._day(word) + timedelta(days=1), time())
        end = self._moment(word)
        if start is None or not _OF_DAY.fullmatch(word):
            return end
        day = start.astimezone(self._zone).date()
        end = self._at(day, _time_of_day(word))
        return end if end > start or word == since else self._at(day + timedelta(days=1), _time_of_day(word))

    def _day(self, word: str) -> date:
        if word == "today":
            return self._now.date()
        return self._now.date() - timedelta(days=1) if word == "yesterday" else date.fromisoformat(word)

    def _at(self, day: date, of_day: time) -> datetime:
        return datetime.combine(day, of_day, tzinfo=self._zone)


def _named_us(word: str) -> int:
    """How long what a time names lasts: a minute, a second, or less."""
    of_day = re.split(r"[T ]", word)[-1]
    of_day, dot, _ = re.split(r"[Z+-]", of_day)[0].partition(".")
    return 1 if dot else 1_000_000 if len(of_day.replace(":", "")) > 4 else 60_000_000


def _is_moment(word: str) -> bool:
    return word in _WORDS or any(form.fullmatch(word) for form in (_AGO, _OF_DAY, _DAY, _FULL))


def _time_of_day(word: str) -> time:
    return time.fromisoformat(word if word.index(":") == 2 else f"0{word}")
