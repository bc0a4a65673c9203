"""Block devices: /proc/diskstats (Documentation/admin-guide/iostats.rst). Whole devices, without partitions."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache

import msgspec

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.collector import bad_line, checked, count, missing
from lilfox_tui.metrics.model import Labels, Sample

_DISKSTATS = "/proc/diskstats"
FILES: tuple[str, ...] = (_DISKSTATS,)
_SECTOR_BYTES = 512
"""Always 512 in this file, whatever the device's own sectors are."""
_PARTITION = re.compile(r"(.*\d)p\d+|(.*?[^\d])\d+", re.ASCII | re.DOTALL)


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``ignore``: prefixes of device names to leave out."""

    ignore: tuple[str, ...] = ("loop", "ram", "zram", "fd", "sr")


def parse(text: Mapping[str, str], options: Options) -> list[Sample]:
    """Return bytes, completed operations and time with I/O in progress (seconds) of each device (label ``device``)."""
    diskstats = text.get(_DISKSTATS)
    if diskstats is None:
        return checked([], [missing(_DISKSTATS)])
    rows = [line.split() for line in diskstats.split("\n") if line.strip()]
    names = {row[2] for row in rows if len(row) > 2}
    samples: list[Sample] = []
    bad: list[Message] = []
    for row in rows:
        if len(row) > 2 and (row[2].startswith(options.ignore) or _is_partition(row[2], names)):
            continue
        try:
            samples += _counters(row)
        except (ValueError, IndexError):
            bad.append(bad_line(_DISKSTATS, " ".join(row)))
    return checked(samples, bad)


def _is_partition(name: str, names: Collection[str]) -> bool:
    """Whether ``name`` is a partition of another device in the file: sda1 of sda, nvme0n1p1 of nvme0n1."""
    match = _PARTITION.fullmatch(name)
    return match is not None and (match[1] or match[2]) in names


def _counters(row: list[str]) -> list[Sample]:
    """Parse a row: major minor name, then reads merged sectors ms, writes merged sectors ms, in_flight io_ms
    weighted_ms …"""
    name = row[2]
    reads, _, sectors_read, _, writes, _, sectors_written, _, _, io_ms = [count(word) for word in row[3:13]]
    labels = _labels(name)
    return [
        Sample("disk_read_bytes_total", sectors_read * _SECTOR_BYTES, labels),
        Sample("disk_written_bytes_total", sectors_written * _SECTOR_BYTES, labels),
        Sample("disk_reads_completed_total", reads, labels),
        Sample("disk_writes_completed_total", writes, labels),
        Sample("disk_io_time_seconds_total", io_ms / 1000, labels),
    ]


@lru_cache(maxsize=4096)
def _labels(name: str) -> Labels:
    return (("device", name),)
