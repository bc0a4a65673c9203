"""The keys of ``alerts:`` that suppress notifications: recurring mute windows and inhibition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.yaml_nodes import quoted, rather
from lilfox_tui.core.i18n import _
from lilfox_tui.core.time_intervals import TimePeriod, time_period


class TimeRangeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A range of times of the day, ``HH:MM``; the end is not included and may be ``24:00``."""

    start_time: str
    end_time: str


class TimePeriodConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recurring period, as in Alertmanager. All keys that are given must match."""

    times: tuple[TimeRangeConfig, ...] = ()
    weekdays: tuple[str, ...] = ()
    days_of_month: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    years: tuple[str, ...] = ()
    location: str = ""
    """A time zone (``Europe/Berlin``); UTC when not given."""

    def period(self) -> TimePeriod:
        """Return the period. Raises ValueError with a sentence for people."""
        return time_period(
            times=[(each.start_time, each.end_time) for each in self.times],
            weekdays=self.weekdays,
            days_of_month=self.days_of_month,
            months=self.months,
            years=self.years,
            location=self.location,
        )


class TimeIntervalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A named interval: the times that lie in any of its periods."""

    name: str
    time_intervals: Annotated[tuple[TimePeriodConfig, ...], Meta(min_length=1)]


class MuteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recurring mute window: alerts that all matchers take are silenced during the intervals."""

    only: tuple[str, ...] = ()
    """Matchers as Alertmanager writes them; all alerts when not given."""
    intervals: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Names of ``time_intervals``."""


class InhibitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """While an alert fires that ``source`` takes, alerts that ``target`` takes are silenced, if both have the same
    values of the labels in ``equal``."""

    source: Annotated[tuple[str, ...], Meta(min_length=1)]
    target: Annotated[tuple[str, ...], Meta(min_length=1)]
    equal: tuple[str, ...] = ()


def problems(
    intervals: tuple[TimeIntervalConfig, ...], mutes: tuple[MuteConfig, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong: the path of the key below ``alerts``, and a sentence."""
    names = [each.name for each in intervals]
    for number, interval in enumerate(intervals, 1):
        at = ("time_intervals", str(number))
        if interval.name in names[: number - 1]:
            yield (*at, "name"), _("there is another one of this name; rename one of them")
        for place, period in enumerate(interval.time_intervals, 1):
            try:
                period.period()
            except ValueError as error:
                yield (*at, "time_intervals", str(place)), str(error)
    for number, mute in enumerate(mutes, 1):
        for name in mute.intervals:
            if name not in names:
                what = _("no time interval named {value}", value=quoted(name))
                yield ("mute", str(number), "intervals"), f"{what}; {rather(name, names)}"
