"""Derives a level and its reasons from a host's numbers and link, or from a service's answers and requests. Pure.

A value counts as too high only after ``Thresholds.hold`` samples in a row above the limit, so that one busy second
turns nothing red. The numbers of samples in a row are a value (:data:`Streaks`) that the caller keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from lilfox_tui.config.model import Threshold, Thresholds
from lilfox_tui.core.aio import Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import exact_duration, human_age, human_duration, over_text
from lilfox_tui.hosts.base import Link
from lilfox_tui.metrics.model import HostSummary, Level, ServiceState, late_after_s, silent_after_s
from lilfox_tui.metrics.traffic import Traffic

if TYPE_CHECKING:
    from lilfox_tui.containers.model import EngineView
    from lilfox_tui.monitor.model import HostView

LEAST_ERRORS = 2
"""Fewer failed requests are no share: of a service that hardly anybody asks, one of them would be all."""
LOGIN_TOLD_S = 1.0
"""A login that takes longer is told of."""

Streaks = Mapping[str, tuple[int, int]]
"""What is measured → how many samples in a row were above ``warn`` and above ``fail``."""


class Judgement(NamedTuple):
    """A level and its reasons, worst first; no reasons if good. ``lesser`` of them, the last ones, would alone make it
    degraded only."""

    level: Level
    reasons: tuple[Message, ...] = ()
    lesser: int = 0


class ThresholdReading(NamedTuple):
    """One value that has a threshold: ``measure`` is a field of Thresholds, ``name`` identifies the object (a mount
    point)."""

    measure: str
    value: float
    name: str = ""

    @property
    def key(self) -> str:
        """Its key in :data:`Streaks`."""
        return f"{self.measure} {self.name}"


_REASONS = {
    "disk_percent": tr("disk {name} {value}% > {limit:g}%"),
    "inode_percent": tr("inodes of {name} {value}% > {limit:g}%"),
    "memory_percent": tr("memory {value}% > {limit:g}%"),
    "swap_percent": tr("swap {value}% > {limit:g}%"),
    "cpu_percent": tr("cpu {value}% > {limit:g}%"),
    "iowait_percent": tr("I/O wait {value}% > {limit:g}%"),
    "steal_percent": tr("cpu steal {value}% > {limit:g}%"),
    "load_per_cpu": tr("load per core {value} > {limit:g}"),
    "pressure_cpu": tr("cpu pressure {value}% > {limit:g}%"),
    "pressure_memory": tr("memory pressure {value}% > {limit:g}%"),
    "pressure_io": tr("I/O pressure {value}% > {limit:g}%"),
    "failed_units": tr("failed units: {value} ({name})"),
    "clock_offset_s": tr("clock off by {value} s > {limit:g} s"),
}
"""What is said of a value above its limit, the most telling first."""
_SERIES_TOLD = {
    _REASONS["memory_percent"].text: "memory_usage_percent",
    _REASONS["cpu_percent"].text: "cpu_usage_percent",
}
"""The series whose high value a reason tells, by the text of the reason."""


def series_told(reason: Message) -> str | None:
    """Return the series whose high value a reason tells; None for another reason."""
    why = reason.values.get("why")
    return _SERIES_TOLD.get(why.text if isinstance(why, Message) else reason.text)


_PLACES = {"load_per_cpu": 1, "clock_offset_s": 1}
"""Decimals of these values; of the others none, unless the sentence would be untrue without."""


def streaks(summary: HostSummary, thresholds: Thresholds, before: Streaks) -> dict[str, tuple[int, int]]:
    """Return the counts after one more sample: incremented if the value is above its limit, 0 if not."""
    counts = {}
    for reading in _readings(summary):
        limits: Threshold = getattr(thresholds, reading.measure)
        warn, fail = before.get(reading.key, (0, 0))
        above_warn, above_fail = _above(reading.value, limits.warn), _above(reading.value, limits.fail)
        counts[reading.key] = (warn + 1 if above_warn else 0, fail + 1 if above_fail else 0)
    return counts


def judge(
    summary: HostSummary | None,
    link: State[Link],
    thresholds: Thresholds,
    held: Streaks,
    *,
    now: datetime,
    period_s: float,
    hold: int | None = None,
    why: Message | str = "",
) -> Judgement:
    """Return the level of a host at ``now`` (aware UTC), sampled each ``period_s`` seconds, and its reasons.

    ``hold`` stands in for ``thresholds.hold`` (1: one sample is enough). ``why`` the last reading failed, if it did.
    """
    age_s = None if summary is None else (now - summary.at).total_seconds()
    if isinstance(link, Unavailable):
        silent = age_s is not None and age_s > silent_after_s(period_s)
        return _unreachable(link, age_s, silent=silent, now=now)
    if summary is None or age_s is None:
        if isinstance(link, Pending):
            return Judgement(Level.UNKNOWN, (tr("not connected yet"),))
        return Judgement(Level.UNKNOWN, (_slow_login(link.value, now) or tr("no sample yet"),))
    found = judge_values(summary, thresholds, held, hold=hold)
    if age_s <= late_after_s(period_s):
        return found
    age = human_age(age_s)
    if isinstance(link, Ready):
        why = _slow_login(link.value, now) or why
    late = tr("no sample for {age}: {why}", age=age, why=why) if str(why) else tr("no sample for {age}", age=age)
    worst, lesser = split_reasons(found.reasons, found.lesser)
    if found.level is not Level.FAILING:
        return Judgement(Level.DEGRADED, (late, *found.reasons))
    return Judgement(Level.FAILING, (*worst, late, *lesser), found.lesser + 1)


def judge_values(
    summary: HostSummary,
    thresholds: Thresholds,
    held: Streaks,
    *,
    hold: int | None = None,
    at_most: Level = Level.FAILING,
) -> Judgement:
    """Return the level derived from the numbers alone, ``at_most`` that one. A value above the limit of the worse level
    that does not count yet says so."""
    needed = thresholds.hold if hold is None else hold
    failing: list[Message] = []
    degraded: list[Message] = []
    for reading in _readings(summary):
        warn, fail = held.get(reading.key, (0, 0))
        if fail >= needed and at_most is Level.FAILING:
            failing.append(_reason(reading, summary, getattr(thresholds, reading.measure).fail))
        elif warn >= needed and fail and at_most is Level.FAILING:
            why = _reason(reading, summary, getattr(thresholds, reading.measure).fail)
            degraded.append(tr("{why} in {count} of {hold} samples", why=why, count=fail, hold=needed))
        elif warn >= needed:
            degraded.append(_reason(reading, summary, getattr(thresholds, reading.measure).warn))
    degraded += _unread(summary)
    level = Level.FAILING if failing else Level.DEGRADED if degraded else Level.GOOD
    return Judgement(level, (*failing, *degraded), len(degraded) if failing else 0)


def split_reasons(reasons: tuple[Message, ...], lesser: int) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Return the reasons for the level in force, and the ``lesser`` ones behind them."""
    return reasons[: len(reasons) - lesser], reasons[len(reasons) - lesser :]


def _unread(summary: HostSummary) -> Iterator[Message]:
    """Yield why CPU, memory or filesystems are unknown: a host whose state cannot be read is not good."""
    known = {"cpu": summary.cpu, "memory": summary.memory_percent, "filesystems": summary.filesystems or None}
    for kind, value in known.items():
        if value is None and kind in summary.problems:
            yield summary.problems[kind]


def judge_service(state: ServiceState | None) -> Judgement:
    """Return a service's level, to which the probe has applied hysteresis, with the last answer as the reason."""
    if state is None:
        return Judgement(Level.UNKNOWN, (tr("not checked yet"),))
    if state.failures == 0 and state.level is Level.GOOD:
        return Judgement(Level.GOOD)
    if state.slower_than_s is not None and (state.last.response_time_s or 0.0) <= state.slower_than_s:
        fast = human_duration(state.last.response_time_s)
        return Judgement(state.level, (tr("was slow, responds in {time} again, but is not yet stable", time=fast),))
    if state.slower_than_s is not None:
        shown, limit = human_duration(state.last.response_time_s), human_duration(state.slower_than_s)
        if shown == limit and state.last.response_time_s is not None:
            shown = exact_duration(state.last.response_time_s)
        reason = tr("slow: response time {time}, limit {limit}", time=shown, limit=limit)
        return Judgement(state.level, (reason,))
    if state.failures == 0:
        return Judgement(state.level, (tr("responding again, but not yet stable"),))
    return Judgement(state.level, (answer_reason(state),))


def error_streak(traffic: Traffic, limits: Threshold, before: tuple[int, int]) -> tuple[int, int]:
    """Return how many times in a row the share of failed requests was above ``warn`` and above ``fail``, including this
    one."""
    share = _failed_percent(traffic)
    warn, fail = before
    return (warn + 1 if _above(share, limits.warn) else 0, fail + 1 if _above(share, limits.fail) else 0)


def judge_errors(traffic: Traffic, limits: Threshold, held: tuple[int, int], hold: int) -> Judgement:
    """Return the level derived from a service's requests: a service that answers its probe but fails most of its users
    is not good. As with a probe that fails, what does not count as failing yet is degraded meanwhile."""
    share = _failed_percent(traffic)
    warn, fail = held
    window = traffic.window_s
    if limits.fail is not None and fail:
        said = {"value": _share_over(share, limits.fail), "limit": limits.fail, "window": window}
        if fail >= hold:
            return Judgement(Level.FAILING, (tr("5xx {value}% > {limit:g}% over {window:.0f} s", **said),))
        counted = tr("5xx {value}% > {limit:g}% over {window:.0f} s in {count} of {hold} samples",
                     count=fail, hold=hold, **said)  # fmt: skip
        return Judgement(Level.DEGRADED, (counted,))
    if limits.warn is not None and warn >= hold:
        value = _share_over(share, limits.warn)
        text = tr("5xx {value}% > {limit:g}% over {window:.0f} s", value=value, limit=limits.warn, window=window)
        return Judgement(Level.DEGRADED, (text,))
    return Judgement(Level.GOOD)


def _share_over(share: float, limit: float) -> str:
    return over_text(share, limit, 0 if share == _ALL else 1)


_ALL = 100.0


def _failed_percent(traffic: Traffic) -> float:
    share, requests_s = traffic.server_errors, traffic.requests_s
    if share is None or requests_s is None:
        return 0.0
    failed = round(share / 100 * requests_s * traffic.window_s)
    return share if failed >= LEAST_ERRORS else 0.0


def answer_reason(state: ServiceState) -> Message:
    """Return why the last answer was not good."""
    last = state.last
    if last.error is not None:
        return last.error
    if last.status_code is not None:
        return tr("{url} returns {status}", status=last.status_code, url=state.url)
    return tr("no answer from {url}", url=state.url)


def _unreachable(link: Unavailable, age_s: float | None, *, silent: bool, now: datetime) -> Judgement:
    hint = (link.error.hint,) if isinstance(link.error.hint, Message) and link.error.hint.text else ()
    if age_s is None:
        return Judgement(Level.FAILING, (link.error.message, *hint))
    if silent:
        reason = tr("no sample for {age}: {why}", age=human_age(age_s), why=link.error.message)
        return Judgement(Level.FAILING, (reason, *hint))
    lost_s = max(0.0, (now - link.since).total_seconds())
    why = lost_why(link.error)
    reason = tr("lost for {age}: {why}", age=human_age(lost_s), why=why)
    if not str(why):
        reason = tr("lost for {age}", age=human_age(lost_s))
    return Judgement(Level.DEGRADED, (reason, *hint))


def was_lost(error: LilFoxError) -> bool:
    """Whether an error is of a link that worked and went away."""
    return isinstance(error, HostUnreachable) and error.link_lost


def lost_why(error: LilFoxError) -> Message | str:
    """Return why a link was lost, to stand behind the words that it was; empty if the error says no more than that."""
    return str(error.message.values.get("reason", "")) if was_lost(error) else error.message


def _slow_login(link: Link, now: datetime) -> Message | None:
    """Return that the login is slow, as the reason why there is no answer yet; None if it is not."""
    waited_s = 0.0 if link.login_since is None else (now - link.login_since).total_seconds()
    if waited_s < LOGIN_TOLD_S:
        return None
    age = human_duration(round(waited_s))
    return tr("logging in for {age}: the login shell's start-up files have not finished", age=age)


def _above(value: float, limit: float | None) -> bool:
    return limit is not None and value > limit


def _reason(reading: ThresholdReading, summary: HostSummary, limit: float) -> Message:
    name = reading.name
    if reading.measure == "failed_units":
        units = summary.failed_units or ()
        more = ["…"] if len(units) > 5 else []
        name = listed([*units[:5], *more])
    value = over_text(reading.value, limit, _PLACES.get(reading.measure, 0))
    return Message(_REASONS[reading.measure].text, {"value": value, "limit": limit, "name": name})


def _readings(summary: HostSummary) -> Iterator[ThresholdReading]:
    """Yield every known value of ``summary`` that has a threshold, the most significant first.

    A filesystem mounted read-only (an image) is always full and does not count.
    """
    for mount in summary.filesystems:
        if not mount.read_only:
            yield ThresholdReading("disk_percent", mount.used_percent, mount.mountpoint)
            if mount.inode_percent is not None:
                yield ThresholdReading("inode_percent", mount.inode_percent, mount.mountpoint)
    for measure, value in _single_values(summary):
        if value is not None:
            yield ThresholdReading(measure, value)


def _single_values(summary: HostSummary) -> Iterator[tuple[str, float | None]]:
    yield "memory_percent", summary.memory_percent
    yield "swap_percent", summary.swap_percent
    yield "cpu_percent", summary.cpu_percent
    if summary.cpu is not None:
        yield "iowait_percent", summary.cpu.iowait
        yield "steal_percent", summary.cpu.steal
    if summary.load is not None and summary.cpu_count:
        yield "load_per_cpu", summary.load[0] / summary.cpu_count
    if summary.pressure is not None:
        yield "pressure_cpu", summary.pressure.cpu
        yield "pressure_memory", summary.pressure.memory
        yield "pressure_io", summary.pressure.io
    if summary.failed_units is not None:
        yield "failed_units", len(summary.failed_units)
    if summary.clock_offset_s is not None:
        # only what is beyond the error of the measurement (half the round trip) is sure
        yield "clock_offset_s", max(0.0, abs(summary.clock_offset_s) - (summary.clock_error_s or 0.0))


# A host stands for its containers.


_CONTAINERS_TOLD = 3


def with_containers(view: HostView, engines: Sequence[EngineView]) -> HostView:
    """Return the view of a host with the problems of its containers and their engines, the worst first. A host that is
    not reached says nothing of them."""
    ill: list[tuple[Level, Message]] = []
    for engine in engines if isinstance(view.link, Ready) else ():
        if engine.level > Level.UNKNOWN:
            ill += ((engine.level, reason) for reason in engine.reasons)
        ill += (
            (each.level, tr("container {name}: {why}", name=each.container.name, why=each.reasons[0]))
            for each in engine.containers
            if each.level > Level.UNKNOWN and each.reasons
        )
    if not ill:
        return view
    ill.sort(key=lambda each: -each[0])
    told, hidden = ill[:_CONTAINERS_TOLD], ill[_CONTAINERS_TOLD:]
    if hidden:
        told.append((hidden[0][0], tr("problems of other containers: {count}", count=len(hidden))))
    own = [(Level.DEGRADED if at >= len(view.reasons) - view.lesser else view.level, reason)
           for at, reason in enumerate(view.reasons)]  # fmt: skip
    found = sorted((*own, *told), key=lambda each: -each[0])
    level = max(view.level, found[0][0])
    lesser = sum(each is Level.DEGRADED for each, _reason in found) if level is Level.FAILING else 0
    since = view.since if level is view.level else _latest_trouble(engines) or view.since
    return replace(view, level=level, reasons=tuple(reason for _level, reason in found), lesser=lesser, since=since)


def _latest_trouble(engines: Sequence[EngineView]) -> datetime | None:
    """Return since when the worst container has its state, as far as it tells."""
    times = [
        at
        for engine in engines
        for each in engine.containers
        if each.level is engine.worst and (at := each.container.finished or each.container.started) is not None
    ]
    return max(times, default=None)
