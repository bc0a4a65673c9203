"""Where the versions of Prometheus differ in what a query gives."""

from __future__ import annotations

from msgspec import Struct


class Semantics(Struct, frozen=True):
    """Which Prometheus' answers a query gives. Lengths are in milliseconds."""

    left_open: bool = True
    """Ranges and the lookback are ``(t-d, t]`` (3.x), else ``[t-d, t]`` (2.x)."""
    exact_sums: bool = True
    """``sum`` loses nothing to rounding (3.x), else it adds one number after the other (2.x)."""
    unknown_spread: bool = True
    """``stdvar`` and ``stddev`` of one NaN or infinity are NaN (3.x), else 0 (2.x)."""
    strict_partners: bool = True
    """A comparison fails where elements have several partners (3.x), else only where those pairs stay (2.x)."""
    plain_mean: bool = True
    """``avg`` and ``avg_over_time`` divide a compensated sum, and take running means only when that overflows (3.x),
    else they keep running means throughout."""
    dot_takes_newline: bool = True
    """``.`` in a pattern takes a newline too (3.x)."""
    any_label_name: bool = True
    """A name may be any text in quotes, and a duration a number of seconds (3.x); else names are ASCII words and
    durations have units (2.x)."""
    unknown_deviation: bool = True
    """``mad_over_time`` of samples of which one is NaN is NaN (3.x), else NaN counts as the smallest value."""
    fraction_of_buckets: bool = True
    """``histogram_fraction`` takes classic buckets too (3.x)."""
    lookback_ms: int = 300_000
    """How old a sample may be to count as the present value."""
    subquery_step_ms: int = 60_000
    """The step of ``[5m:]``: Prometheus' evaluation interval."""


PROMETHEUS_3 = Semantics()
PROMETHEUS_2 = Semantics(
    left_open=False,
    exact_sums=False,
    strict_partners=False,
    unknown_spread=False,
    plain_mean=False,
    dot_takes_newline=False,
    any_label_name=False,
    fraction_of_buckets=False,
    unknown_deviation=False,
)
