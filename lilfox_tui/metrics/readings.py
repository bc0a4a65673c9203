"""From a host's texts to its snapshot: which collectors are due, what they said last, rates and the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct, field

from lilfox_tui.i18n import Message
from lilfox_tui.metrics.collector import Collector
from lilfox_tui.metrics.model import MalformedOutput, Process, Sample, Series, Snapshot
from lilfox_tui.metrics.process_table import ProcessTable
from lilfox_tui.metrics.rates import Rates
from lilfox_tui.metrics.wire import Answer

PROCESSES = "processes"
_GAP_PERIODS = 5
_GAP_LEAST_S = 30.0
_NARROW_KERNELS = ("2.4.", "2.6.")
"""Kernels that may count an interface's bytes in 32 bits (rtnl_link_stats64 came with 2.6.35)."""


class Moment(Struct, frozen=True):
    """When an answer was asked for and came: wall clock in seconds since 1970, and our monotonic clock."""

    sent: float
    received: float
    at: datetime
    now_s: float


class _Said(Struct):
    """What a collector said last."""

    samples: Sequence[Sample] = ()
    problem: Message | None = None
    asked_s: float | None = None
    text: Mapping[str, str] = field(default_factory=dict)


class Readings:
    """One host's readings. ``period_s`` is the time between samples; longer gaps give no rates."""

    def __init__(self, host: str, collectors: Sequence[Collector], period_s: float) -> None:
        self._host = host
        self._collectors = {one.kind: one for one in collectors}
        self._gap_s = max(_GAP_PERIODS * period_s, _GAP_LEAST_S)
        self._said = {one.kind: _Said() for one in collectors}
        self._rates = Rates()
        self._table = ProcessTable()
        self.users: Mapping[str, str] = {}
        """Names by uid, for processes."""

    def due(self, now_s: float, *, focused: bool) -> list[Collector]:
        """The collectors to ask at ``now_s`` of our monotonic clock."""
        chosen = []
        for kind, one in self._collectors.items():
            if one.when_focused and not focused:
                self._said[kind] = _Said()
                continue
            asked_s = self._said[kind].asked_s
            if not one.every_s or asked_s is None or now_s - asked_s >= one.every_s - 0.05:
                chosen.append(one)
        return chosen

    def take(self, asked: Iterable[Collector], answer: Answer, moment: Moment) -> Snapshot:
        """The snapshot after ``answer`` to ``asked``; the others' last samples stay."""
        for one in asked:
            self._said[one.kind].asked_s = moment.now_s
        late = (self._collectors[kind] for kind in answer.scripts if kind in self._collectors)
        for one in {one.kind: one for one in (*asked, *late)}.values():
            if one.script and one.kind not in answer.scripts:
                continue  # it still runs, in the background
            self._parse(one, answer, moment)
        for kind, problem in answer.failed.items():
            self._said[kind] = _Said((), problem, moment.now_s)
        return self.snapshot(moment)

    def put(self, samples: Mapping[str, Sequence[Sample]], moment: Moment) -> Snapshot:
        """The snapshot after samples that needed no parsing, by kind."""
        for kind, values in samples.items():
            if kind in self._said:
                self._said[kind] = _Said(values, None, moment.now_s)
        return self.snapshot(moment)

    def _parse(self, one: Collector, answer: Answer, moment: Moment) -> None:
        text = {path: answer.files[path] for path in one.files if path in answer.files}
        if one.kind in answer.scripts:
            text["script"] = answer.scripts[one.kind]
        said = self._said[one.kind]
        if text == said.text and said.asked_s is not None and text:
            return
        said.text = text
        try:
            said.samples, said.problem = one.parse(text), None
        except MalformedOutput as error:
            said.samples = error.samples
            said.problem = error.message if isinstance(error.message, Message) else Message(str(error.message))
        if one.kind == "clock":
            said.samples = _offset(said.samples, moment)

    def snapshot(self, moment: Moment) -> Snapshot:
        """Everything that was said last, as one value."""
        gauges: dict[Series, float] = {}
        counters: dict[Series, float] = {}
        for kind, said in self._said.items():
            if kind == PROCESSES:
                continue
            for name, value, labels in said.samples:
                (counters if name.endswith("_total") else gauges)[Series(name, labels)] = value
        uptime = gauges.get(Series("uptime_seconds"))
        interval, rates = self._rates.update(counters, uptime, moment.now_s, self._gap_s, narrow=_is_narrow(gauges))
        return Snapshot(
            host=self._host,
            at=moment.at,
            interval_s=interval,
            gauges=gauges,
            counters=counters,
            rates=rates,
            problems={kind: said.problem for kind, said in self._said.items() if said.problem is not None},
            processes=self._processes(uptime, moment.at),
        )

    def _processes(self, uptime: float | None, at: datetime) -> tuple[Process, ...] | None:
        said = self._said.get(PROCESSES)
        if said is None or said.asked_s is None:
            return None
        return self._table.update(said.samples, uptime, at, self.users, self._collectors[PROCESSES].options.top)


def _is_narrow(gauges: Mapping[Series, float]) -> bool:
    return any(series.label("kernel").startswith(_NARROW_KERNELS) for series in gauges if series.name == "host_info")


def _offset(samples: Sequence[Sample], moment: Moment) -> list[Sample]:
    """The host's clock minus ours at the middle of the round trip, and half of the trip as its error.

    Without ``%N`` the host's second is taken in its middle.
    """
    read = {sample.name: sample.value for sample in samples}
    if "clock_seconds" not in read:
        return []
    resolution = read.get("clock_resolution_seconds", 0.0)
    offset = read["clock_seconds"] + resolution / 2 - (moment.sent + moment.received) / 2
    error = max(0.0, moment.received - moment.sent) / 2 + resolution / 2
    return [Sample("clock_offset_seconds", offset), Sample("clock_error_seconds", error)]
