"""Which format a log is of, by what it holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from functools import lru_cache

from lilfox_tui import plugins
from lilfox_tui.logs.format import FORMATS, Format, load_format
from lilfox_tui.logs.record import RAW_LIMIT
from lilfox_tui.logs.split import split_records

PLAIN = "plain"
_SAMPLE_BYTES = 64 * 1024
_SAMPLE_LINES = 200
_LEAST_SHARE = 0.3
_CERTAIN_SHARE = 0.95
_NARROW_FIRST = (
    "journald", "postgresql_json", "json_lines", "postgresql_csv", "access", "nginx_error", "postgresql", "klog",
    "syslog", "logfmt", "console",
)  # fmt: skip
"""What reads less than another comes before it; kinds that are not named here come last."""


@lru_cache(maxsize=4)  # who follows a log opens it once more, and begins with the same bytes
def recognise(sample: bytes) -> str:
    """The kind of format that reads the largest share of the first complete lines of ``sample``, of which 64 KiB are
    looked at; "plain" where none reads a good part of them, and for what holds NUL."""
    sample = sample[:_SAMPLE_BYTES]
    lines = sample.split(b"\n")
    whole = lines[:-1] or lines
    if b"\0" in sample:
        return PLAIN
    block = b"".join(line + b"\n" for line in whole[:_SAMPLE_LINES])
    if len(sample) == _SAMPLE_BYTES and len(lines) == 1:
        block = sample.ljust(RAW_LIMIT)  # formats read a record that was cut there
    best, most = PLAIN, _LEAST_SHARE
    plain = load_format(PLAIN)
    starts = sum(plain.begins(line) for line in block.splitlines())
    for kind in _by_narrowness():
        share = _read(block, load_format(kind)) / max(starts, 1)
        if share > most:
            best, most = kind, share
        if share >= _CERTAIN_SHARE:
            break
    return best


def _by_narrowness() -> Iterator[str]:
    known = plugins.kinds(FORMATS)
    yield from (kind for kind in _NARROW_FIRST if kind in known)
    yield from (kind for kind in known if kind not in _NARROW_FIRST and kind != PLAIN)


def _read(block: bytes, format: Format) -> int:  # noqa: A002
    """How many records of ``block`` are of ``format``."""
    return sum(
        format.begins(raw.partition(b"\n")[0]) and format.parse(raw, UTC) is not None
        for _, raw in split_records(block, format)
    )
