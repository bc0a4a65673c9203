"""Series that functions over time can get wrong: resets, gaps, stale ends, NaN, infinities, negative and huge values,
odd buckets; as a source for the evaluator, and to be written to a real Prometheus."""

from __future__ import annotations

import numpy as np

from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher, matches
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, Floats, SelectedSeries, Times
from tests.services.prometheus_server import PrometheusServer

START_MS = 1_768_046_400_123
"""10 January 2026, 12:00 UTC and a bit."""
ROWS = 200
STEP_MS = 15_000
INF = float("inf")


class KeptSeries:
    """A SeriesSource of a few targets that never change."""

    def __init__(self, targets: list[SelectedSeries]) -> None:
        self.targets = targets
        self._picked: dict[tuple[Matcher, ...], list[tuple[LabelList, list[int]]]] = {}

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """See SeriesSource."""
        if matchers not in self._picked:
            self._picked[matchers] = [_pick(target.labels, matchers) for target in self.targets]
        found = []
        for target, (labels, columns) in zip(self.targets, self._picked[matchers], strict=True):
            first, last = np.searchsorted(target.times, [start_ms, end_ms + 1])
            if columns and last > first:
                found.append(SelectedSeries(labels, target.times[first:last], target.values[first:last, columns]))
        return found

    def write_to(self, server: PrometheusServer) -> None:
        """All samples, stale markers among them, into a real Prometheus."""
        for target in self.targets:
            bits = target.values.view(np.int64)
            series = []
            for column, labels in enumerate(target.labels):
                rows = np.flatnonzero(bits[:, column] != ABSENT_BITS)
                values = [target.values[row, column].tobytes() for row in rows]
                series.append((dict(labels), [int(target.times[row]) for row in rows], values))
            server.write(series)


def _pick(labels: LabelList, matchers: tuple[Matcher, ...]) -> tuple[LabelList, list[int]]:
    columns = [
        place
        for place, one in enumerate(labels)
        if all(matches(matcher, one.get(matcher.name)) for matcher in matchers)
    ]
    return LabelList([labels[place] for place in columns]), columns


def tricky_series() -> KeptSeries:
    """The same every time."""
    chance = np.random.default_rng(20260110)
    times = START_MS + np.arange(ROWS, dtype=np.int64) * STEP_MS
    uneven = START_MS + 4_321 + np.cumsum(chance.integers(3_000, 25_000, ROWS - 20)).astype(np.int64)
    targets = [_target("even", times, chance), _target("uneven", uneven, chance)]
    return KeptSeries([*targets, _histograms(times, chance), _labelled(times), _rare(times)])


def _target(job: str, times: Times, chance: np.random.Generator) -> SelectedSeries:
    columns = {**_counters(len(times), chance), **_gauges(len(times), chance)}
    labels = [LabelSet.of({NAME: name, "kind": kind, "job": job}) for name, kind in columns]
    values = np.column_stack(list(columns.values()))
    bits = values.view(np.int64)
    for place, (_, kind) in enumerate(columns):
        if kind == "gaps":
            bits[chance.random(len(times)) < 0.5, place] = ABSENT_BITS
        elif kind == "stale":
            bits[60:64, place], bits[120, place], bits[121:150, place] = STALE_BITS, STALE_BITS, ABSENT_BITS
        elif kind == "late":
            bits[:100, place] = ABSENT_BITS
        elif kind == "ended":
            bits[130, place], bits[131:, place] = STALE_BITS, ABSENT_BITS
    return SelectedSeries(LabelList(labels), times, values)


def _counters(rows: int, chance: np.random.Generator) -> dict[tuple[str, str], Floats]:
    def rising(start: float = 0.0) -> Floats:
        return start + np.cumsum(chance.exponential(3.7, rows))

    def restarted(every: int) -> Floats:
        steps = chance.exponential(2.3, rows)
        return np.concatenate([np.cumsum(part) for part in np.split(steps, range(every, rows, every))])

    kinds = {
        "steady": rising(1e6), "young": rising(), "whole": np.floor(rising()), "resets": restarted(17),
        "often": restarted(3), "flat": np.full(rows, 42.0), "zero": np.zeros(rows), "falling": -rising(),
        "huge": rising() * 1e300, "tiny": rising() * 1e-300, "gaps": rising(5.0), "stale": restarted(23),
        "late": rising(), "ended": rising(100.0), "jump": np.where(np.arange(rows) < 100, 0.0, 1e15) + rising(),
    }  # fmt: skip
    return {("c_total", kind): values for kind, values in kinds.items()}


def _gauges(rows: int, chance: np.random.Generator) -> dict[tuple[str, str], Floats]:
    wave = np.sin(np.arange(rows) / 7) * 50 + chance.normal(0, 1, rows)
    infinite, unknown, over, mixed = wave.copy(), wave.copy(), wave * 1e306, wave.copy()
    infinite[::29] = INF
    mixed[::31], mixed[7::31] = INF, -INF
    unknown[chance.random(rows) < 0.2] = np.nan
    over[::5] = 1.7e308
    cancelling = np.where(np.arange(rows) % 2 == 0, 1e17, -1e17) + wave
    kinds = {
        "wave": wave, "infinite": infinite, "mixed": mixed, "unknown": unknown, "over": over,
        "nothing": np.full(rows, np.nan), "always": np.full(rows, INF), "cancelling": cancelling,
        "share": chance.random(rows), "gaps": wave * 3, "stale": wave - 7, "late": wave / 3, "ended": wave + 0.1,
        "level": np.full(rows, 0.1), "whole": np.round(wave), "minus_zero": np.where(wave > 0, 0.0, -0.0),
    }  # fmt: skip
    return {("g", kind): values for kind, values in kinds.items()}


def _histograms(times: Times, chance: np.random.Generator) -> SelectedSeries:
    usual = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
    buckets = {
        **{f"usual{place}": usual for place in range(4)}, "open": usual[:-1], "below": ("-10", "-1", "0", "1", "+Inf"),
        "only": ("+Inf",), "two": ("0.1", "+Inf"), "twice": ("0.1", "0.10", "1", "1.0", "+Inf", "Inf"),
        "odd": ("0.1", "", "many", "1_0", "1e2", " 3", "0x1p-2", "+Inf"), "falling": usual, "noise": usual,
        "empty": usual, "unknown": usual, "part": usual,
    }  # fmt: skip
    labels, columns = [], []
    for kind, bounds in buckets.items():
        counts = np.cumsum(np.cumsum(chance.poisson(1.5, (len(times), len(bounds))), axis=0), axis=1).astype(np.float64)
        if kind == "falling":
            counts[:, 3::4] /= 2
        elif kind == "noise":
            counts[:, 1:] = counts[:, :1] * (1 + chance.normal(0, 3e-13, (len(times), len(bounds) - 1)))
        elif kind == "empty":
            counts[:] = 0
        elif kind == "unknown":
            counts[chance.random(counts.shape) < 0.2] = np.nan
        elif kind == "part":
            counts.view(np.int64)[chance.random(counts.shape) < 0.3] = ABSENT_BITS
        labels += [LabelSet.of({NAME: "h_bucket", "kind": kind, "le": bound}) for bound in bounds]
        columns.append(counts)
    return SelectedSeries(LabelList(labels), times, np.column_stack(columns))


def _labelled(times: Times) -> SelectedSeries:
    instances = ("host-1:9100", "host-2:9100", "host-10:9100", "host-02:80", "a\nb:1", "9", "10", "x")
    labels = [
        LabelSet.of({NAME: "up", "instance": instance, "zone": "é€"[place % 2], **({"rack": "r"} if place % 3 else {})})
        for place, instance in enumerate(instances)
    ]
    values = np.tile(np.array([1.0, 0.0, np.nan, 3.0, -2.0, 1.0, INF, -INF]), (len(times), 1))
    return SelectedSeries(LabelList(labels), times, values)


def _rare(times: Times) -> SelectedSeries:
    """A series of one sample, one of two, one of two at the far ends; seconds since 1970 as values."""
    values = np.full((len(times), 4), 0.0)
    values.view(np.int64)[:, :3] = ABSENT_BITS
    values[140, 0] = values[138:140, 1] = 7.5
    values[0, 2], values[-1, 2] = 1.0, 3.0
    values[:, 3] = np.resize(np.array([0, -1, 951_782_400, 1.7e9 + 0.9, -62_135_596_801, 253_402_300_800]), len(times))
    return SelectedSeries(LabelList([LabelSet.of({NAME: "rare", "n": str(n)}) for n in range(4)]), times, values)
