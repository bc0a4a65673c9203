"""The keys of ``alerts:`` that suppress notifications: recurring mute windows and inhibition."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


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
