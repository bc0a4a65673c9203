"""Queries of every function over the series of :mod:`tests.services.tricky_series`, by kind."""

from __future__ import annotations

from typing import Final

_ANY: Final = ("c_total", "g", "rare")
_PLAIN_KINDS: Final = '{kind!~"huge|over"}'
"""Without values whose squares are beyond the floats: there Prometheus 2 gives NaN, 3 infinity, and so do we."""
_QUANTILES: Final = ("0.5", "0", "1", "0.123", "0.95", "-1", "2", "NaN", "1e-9")
_REPLACEMENTS: Final = (
    '"new", "$1", "instance", "(.*):.*"', '"new", "${1}x$2y$$", "instance", "([a-z]+)-([0-9]+).*"',
    '"new", "$1x", "instance", "(.*)"', '"new", "$host/$port", "instance", "(?P<host>.*):(?P<port>.*)"',
    '"instance", "", "instance", "host.*"', '"__name__", "down", "instance", ".*"', '"zone", "", "zone", ".*"',
    '"rack", "none", "rack", ""', '"x", "y", "missing", ""', '"x", "$0", "instance", ".*"',
    '"x", "$", "instance", ".*"', '"x", "${", "instance", ".*"', '"x", "$é", "instance", ".*"',
    '"x", "$01", "instance", "(.*)"', '"x", "$9", "instance", ".*"', '"0bad", "y", "instance", ".*"',
    '"", "y", "instance", ".*"', '"x", "y", "instance", "("', '"x", "y", "instance", ".*b.*"',
    '"x", "a$1$2b", "instance", "(host)?(9)?.*"', '"x", "${1}$$1", "instance", "(.).*"',
    '"instance", "same", "instance", ".*"', '"x", "é", "zone", "é"', '"x", "$1", "zone", "(.)"',
    '"x", "${1a}", "instance", "(.*)"', '"x", "$1é", "instance", "(.*)"', '"x", "$1-2", "instance", "(.*)"',
)  # fmt: skip
_JOINS: Final = (
    '"new", "-", "instance", "zone"', '"new", "", "zone", "rack", "missing"', '"new", ","', '"zone", ""',
    '"__name__", "_", "zone"', '"0bad", "-", "zone"', '"new", "-", "0bad"', '"rack", "-", "missing"',
)  # fmt: skip


def _over_time(*names: str, of: tuple[str, ...] = _ANY) -> list[str]:
    """Short and long windows, to the millisecond, in the past, and of subqueries."""
    windows = ("[15s]", "[1m]", "[2m30s]", "[7m]", "[31s] offset 3m", "[5m1ms] offset 3m", "[1100ms]", "[10m:]",
               "[10m:37s]")  # fmt: skip
    return [f"{name}({series}{window})" for name in names for series in of for window in windows]


def _quantiles() -> list[str]:
    return [f"quantile_over_time({q}, {series}[{window}])" for q in _QUANTILES for series in _ANY for window in
            ("30s", "9m")]  # fmt: skip


def _forecasts() -> list[str]:
    predicted = [f"predict_linear({series}{_PLAIN_KINDS}[{window}], {ahead})" for series in ("c_total", "g")
                 for window in ("1m", "9m") for ahead in ("0", "3600", "-1.5", "NaN", "Inf")]  # fmt: skip
    smoothed = [f"holt_winters({series}[{window}], {factors})" for series in ("c_total", "g")
                for window in ("30s", "9m")
                for factors in ("0.5, 0.1", "0.01, 0.99", "0, 0.5", "0.5, 1", "NaN, 0.5")]  # fmt: skip
    return [*predicted, *smoothed, *_over_time("deriv", of=(f"c_total{_PLAIN_KINDS}", f"g{_PLAIN_KINDS}", "rare"))]


def _histograms() -> list[str]:
    of = ("h_bucket", "rate(h_bucket[2m])", "sum by (le) (h_bucket)", "sum by (le, kind) (rate(h_bucket[5m]))",
          "nothing", "c_total")  # fmt: skip
    return [*(f"histogram_quantile({q}, {buckets})" for q in _QUANTILES for buckets in of),
            "histogram_fraction(0, 1, h_bucket)"]  # fmt: skip


def _arithmetic() -> list[str]:
    names = ("abs", "ceil", "floor", "sgn", "sqrt", "ln", "log2", "log10", "rad", "deg", "round")
    of = ("g", "c_total", "rare", "g / 10", "up")
    each = [f"{name}({series})" for name in names for series in of]
    rounded = [f"round({series}, {to})" for series in ("g", "c_total") for to in
               ("0.1", "5", "1/3", "0", "-1", "NaN", "Inf")]  # fmt: skip
    clamped = [f"clamp({series}, {limits})" for series in ("g", "up") for limits in
               ("-5, 5", "5, -5", "NaN, 1", "0, NaN", "-Inf, Inf", "Inf, Inf", "-Inf, -Inf")]  # fmt: skip
    one_side = [f"clamp_{side}({series}, {limit})" for side in ("min", "max") for series in ("g", "up") for limit in
                ("5", "NaN", "Inf", "-Inf", "0")]  # fmt: skip
    return [*each, *rounded, *clamped, *one_side]


def _transcendental() -> list[str]:
    names = ("exp", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
    return [f"{name}({series})" for name in names for series in ('g{kind="wave"} / 100', 'g{kind="share"}', "up")]


def _dates() -> list[str]:
    names = ("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year")
    of = ("", "rare", "up", "vector(1e18)", "vector(-1e18)", "vector(NaN)", "g * 1e8",
          "vector(time() + 86400 * 60)", "vector(951782400 + 86400 * 365 * 3 + 0.5)")  # fmt: skip
    return [f"{name}({seconds})" for name in names for seconds in of]


def _labels() -> list[str]:
    return [
        *(f"label_replace({series}, {one})" for series in ("up", "nothing") for one in _REPLACEMENTS),
        *(f"label_join({series}, {one})" for series in ("up", "nothing") for one in _JOINS),
    ]


BY_KIND: Final[dict[str, list[str]]] = {
    "rates": _over_time("rate", "increase", "delta", "irate", "idelta", "resets", "changes"),
    "forecasts": _forecasts(),
    "aggregated": _over_time("avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time",
                             "last_over_time", "present_over_time", "mad_over_time", "absent_over_time"),
    "deviations": _over_time("stddev_over_time", "stdvar_over_time",
                             of=(f"c_total{_PLAIN_KINDS}", f"g{_PLAIN_KINDS}", "rare")),
    "quantiles": _quantiles(),
    "histograms": _histograms(),
    "arithmetic": _arithmetic(),
    "dates": _dates(),
    "labels": _labels(),
    "absent": [f"absent({of})" for of in (
        "nothing", "g", "nothing{a='1', b=~'2', c!='3'}", "nothing{a='1', a='2', b='x'}", "nothing{a='1', a!='2'}",
        "nothing{a!='1', a='2'}", "nothing{a=~'1', a='2'}", "nothing{a!~'1|', a='2'}",
        "sum(nothing{a='1'})", "nothing{a='1'} > 1", "(nothing{a='1'})", "-nothing{a='1'}", "nothing{a=''}",
        "nothing{a='1'} offset 5m", "{__name__='nothing', a='1'}")],
    "absent over time": [f"absent_over_time({of})" for of in (
        "nothing{a='1'}[5m]", "nothing{a='1'}[5m:1m]", "(nothing{a='1'})[5m:1m]", "sum(nothing{a='1'})[5m:1m]",
        "g[5m:1m]")],
    "vectors and scalars": [
        "scalar(up)", "scalar(g{kind='wave', job='even'})", "scalar(nothing)", "vector(1)", "vector(scalar(nothing))",
        "time()", "pi()", "timestamp(g)", "timestamp(g * 1)", "timestamp(rare)", "timestamp(c_total offset 1m)",
        "timestamp((g))", "timestamp(-g)", "timestamp(vector(1))"],
}  # fmt: skip
"""Each must be answered alike to the last bit."""
NEARLY: Final = _transcendental()
"""Alike but for the last bits: Go has its own approximations, for ``exp`` a different one on some processors."""
ORDERED: Final = ("sort(up)", "sort_desc(up)", "sort_by_label(up, 'instance')",
                  "sort_by_label_desc(up, 'zone', 'instance')", "sort_by_label(up, 'zone', 'instance')")  # fmt: skip
"""Alike in their order too."""
