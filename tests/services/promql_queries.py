"""Queries over the series of :mod:`tests.services.scripted_targets`, as many as there are ways to ask."""

from __future__ import annotations

from typing import Final

VECTORS: Final = (
    "requests_total", 'requests_total{status=~"5..|404"}', "load", "odd", "passing", "stamped", "up",
    "latency_seconds_count", 'load{cpu!="1"}', 'build_info{version!~".*1"}',
)  # fmt: skip
_GROUPINGS: Final = ("", "by (instance)", "by (route, kind, cpu, __name__)", "without (instance, job)")
_ARITHMETIC: Final = ("+", "-", "*", "/", "%", "^", "atan2")
_COMPARISONS: Final = ("==", "!=", ">", "<", ">=", "<=")
_OVER_TIME: Final = (
    "rate", "increase", "irate", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time",
    "max_over_time", "sum_over_time", "count_over_time", "last_over_time", "present_over_time", "stddev_over_time",
    "stdvar_over_time",
)  # fmt: skip


def _aggregations() -> list[str]:
    plain = [
        f"{op} {grouping} ({vector})"
        for op in ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
        for grouping in _GROUPINGS
        for vector in ("requests_total", "load", "odd", "passing", "up")
    ]
    picking = [
        f"{op}({parameter}, {vector})"
        for op, parameters in (("topk", "1 3 99 0 -1"), ("bottomk", "2 5"), ("quantile", "0 0.5 0.97 1 2 -1 NaN"))
        for parameter in parameters.split()
        for vector in ("requests_total", "load", "odd", "passing")
    ]
    counted = [f'count_values {grouping} ("value", {vector})' for grouping in _GROUPINGS for vector in ("state", "odd")]
    return [*plain, *picking, *counted, "topk(scalar(state), load)", 'count_values("instance", state)',
            "topk by (instance) (1, load)", "bottomk without (cpu) (1, load)", "topk(NaN, load)",
            "topk(1e30, nothing)",
            *(f"{op} by (instance, kind) (odd)" for op in ("stddev", "stdvar", "avg", "sum"))]  # fmt: skip


def _operators() -> list[str]:
    numbers = [f"{vector} {op} 5" for op in _ARITHMETIC for vector in ("load", "odd", "-passing")]
    numbers += [f"7 {op} {vector}" for op in (*_ARITHMETIC, *_COMPARISONS) for vector in ("load", "odd")]
    numbers += [f"{vector} {op} {flag} 10" for op in _COMPARISONS for flag in ("", "bool") for vector in VECTORS[2:5]]
    scalars = [f"(3 {op} -2) {op} 1.5" for op in _ARITHMETIC] + [f"1 {op} bool 1" for op in _COMPARISONS]
    pairs = [f"load {op} load" for op in (*_ARITHMETIC, *_COMPARISONS)]
    pairs += [f"load {op} bool on (instance, cpu) load offset 1s" for op in _COMPARISONS]
    return [*numbers, *scalars, *pairs, *_MATCHING]


_MATCHING: Final = (
    "requests_total / ignoring (status) group_left sum without (status) (requests_total)",
    "sum without (status) (requests_total) / ignoring (status) group_right requests_total",
    "requests_total * on (instance) group_left (version, commit) build_info",
    "requests_total * on (instance, job) group_left (nothing) up",
    "load * on (instance) group_left (cpu) build_info",
    "build_info * on (instance) group_right (version) load",
    'requests_total{status="500"} / ignoring (status) requests_total{status="200"}',
    'requests_total{status="500"} > ignoring (status) requests_total{status="404"}',
    'requests_total{status="500"} < bool on (instance, route) requests_total{status="404"}',
    "load == on (instance, cpu) load", "load != on (__name__, instance, cpu) load", "passing / on (instance) up",
    "requests_total + load", "load + on (nothing) load", "load * on (instance) load", "load * ignoring (cpu) load",
    "up * on () up", "load > on (instance) group_left up", "up < on (instance) group_right load",
    "load and up", "load and on (instance) up == 1", "load or passing", "load or on (instance) passing",
    "passing or on (instance) load", "load unless on (instance) passing", "load unless load > 40", "load and on () up",
    "passing unless nothing", "nothing unless load", "nothing or load", "load or nothing", "nothing and load",
    "load and nothing", "(load or passing) and on (instance, worker) passing", "load or -load", "load or load * 2",
    '{__name__=~"load|state"} * 2', '-{__name__=~"load|passing"}', '{__name__=~"up|state"} and on (instance) up',
    "load - 1 - 2", "2 ^ 3 ^ 2", "-2 ^ 2", "load > 3 < 40", "1 - load / 2 * 3 + load % 5", "load or up and passing",
)  # fmt: skip
_SELECTING: Final = (
    "load offset 500ms", "load offset -1s", "passing offset 2s", "odd offset 10s", "sum(load offset 1s) - sum(load)",
    "load @ {first}", "load @ {middle} offset 1s", "load offset -1s @ {middle}", "load @ start()", "load @ end()",
    "rate(requests_total[2s] @ {middle})", "rate(requests_total[2s] offset 1s)", "stamped[3s]", "passing[2s]",
    "odd[1s]",
    "up[4s] offset 1s", "load[1s] @ {middle}", "load[1s:200ms]", "passing[3s:500ms]", "(load > 20)[2s:300ms]",
    "max_over_time(load[3s:])", "sum_over_time(passing[3s:400ms])", "count_over_time(stamped[4s:])",
    "avg_over_time(rate(requests_total[1s])[3s:500ms])", "min_over_time(load[2s:250ms] offset 1s)",
    "max_over_time(load[2s:250ms] @ {middle})", "last_over_time(load[2s:700ms] @ {middle} offset -500ms)",
    "sum_over_time(sum by (instance) (passing)[2s:100ms])", "max_over_time((time() - timestamp(load))[2s:200ms])",
    "rate(sum by (route) (requests_total)[3s:300ms])", "stddev_over_time(max_over_time(load[1s])[2s:])",
    "count_over_time(load[2s:1ms])", "max_over_time(max_over_time(load[1s:100ms])[2s:300ms])",
    "sum_over_time((load @ {middle})[1s:100ms])", "timestamp(load)", "timestamp(load offset 1s)", "timestamp(-load)",
    "time()", "vector(time())", "scalar(sum(load))", "scalar(load)", "vector(scalar(load) + 1)", "-(load)", "+load",
    "absent(load)", "absent(nothing)", 'absent(nothing{{a="b"}})', "absent_over_time(nothing[1s])",
    '{{__name__=~"load|up", instance!=""}}', '{{__name__="load", cpu=~"[01]"}}', 'load{{cpu=""}}', 'load{{cpu!=""}}',
    'load{{cpu=~"|1"}}', 'load{{cpu!~"0|1"}}', 'requests_total{{route=~"/.+"}}', 'requests_total{{route!~"/"}}',
    'requests_total{{route=~"(?i)/CART"}}', "1", "-1.5e3", "0x1F", "Inf", "-Inf", "NaN", '"text"', "((load))",
    "{{job=\"app\"}} == 1", "sum({{__name__=~\".+\"}} > -Inf)", "nothing", "load @ 0",
)  # fmt: skip
_OTHER: Final = (
    "histogram_quantile(0.9, rate(latency_seconds_bucket[2s]))",
    "histogram_quantile(0.5, sum by (le) (rate(latency_seconds_bucket[1s])))",
    "histogram_quantile(0.99, sum by (le, route) (latency_seconds_bucket))",
    'sum(rate(requests_total{status=~"5.."}[2s])) / sum(rate(requests_total[2s]))',
    "sum by (route) (rate(latency_seconds_sum[2s])) / sum by (route) (rate(latency_seconds_count[2s]))",
    "avg by (instance) (load) > 10 and on (instance) up == 1", "abs(-load)", "clamp(load, 5, 20)", "round(load, 0.3)",
    "sort(load)", "sort_desc(load)", 'label_replace(load, "core", "c$1", "cpu", "(.*)")',
    "predict_linear(load[2s], 10)",
    'label_join(load, "all", "-", "instance", "cpu")', "quantile_over_time(0.7, load[2s])",
    "holt_winters(load[2s], 0.5, 0.4)",
    'sum without (core) (label_replace(load, "core", "$1", "cpu", "(.).*"))', "changes(state[3s]) > 0",
)  # fmt: skip


def queries(first: float, middle: float) -> list[str]:
    """All of them, none twice; two times (seconds) stand in those with ``@``."""
    over_time = [
        f"{name}({vector}[{length}])"
        for name in _OVER_TIME
        for vector, length in (
            ("requests_total", "2s"),
            ("load", "700ms"),
            ("passing", "3s"),
            ("stamped", "4s"),
            ("odd", "1s"),
        )
    ]
    selecting = [text.format(first=first, middle=middle) for text in _SELECTING]
    return list(dict.fromkeys([*VECTORS, *_aggregations(), *_operators(), *selecting, *over_time, *_OTHER]))


RANGES: Final = (
    "load", "passing", "stamped", "up", "sum by (instance) (rate(requests_total[1s]))", "load @ end()",
    "load @ start() + load",
    "sum(passing) or vector(-1)", "topk(99, passing)", "avg by (instance) (load) > 20", "load offset 700ms",
    "time()", "3",
    "max_over_time(sum by (instance) (passing)[1s:150ms])", "histogram_quantile(0.9, rate(latency_seconds_bucket[1s]))",
    'count_values("value", state)', "passing and on (instance) up == 1", "absent(passing)", "rate(stamped[3s])", "-odd",
)  # fmt: skip

REFUSED: Final = {
    "load[5m] anchored": "anchored", "rate(load[5m] smoothed)": "smoothed", "load </ 3": "trim operators",
    "load >/ 3": "trim operators", 'load{cpu="1" or cpu="2"}': "VictoriaMetrics", "info(load)": "info",
    "histogram_count(load)": "histogram_count", "histogram_avg(load)": "histogram_avg", "load @ -5": "1970",
    "histogram_stddev(load)": "histogram_stddev", "rollup(load[5m])": "rollup", "median(load)": "median",
}  # fmt: skip
"""What is not supported, and a word that the refusal must hold."""
