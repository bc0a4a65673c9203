"""Summaries of hosts for the tests of what is made from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from lilfox_tui.metrics.model import CpuSplit, FilesystemUsage, HostSummary

AT = datetime(2026, 3, 1, 3, 12, tzinfo=UTC)


def mount(path: str, percent: float, **changes: Any) -> FilesystemUsage:
    """A filesystem of 1000 bytes that is so full."""
    used = percent * 10
    return replace(FilesystemUsage(path, "/dev/x", "ext4", 1000, used, 1000 - used, percent, 1.0), **changes)


def busy(percent: float) -> CpuSplit:
    """All of it user time."""
    return CpuSplit(percent, 0, 0, 0, 100 - percent)


def summary(**changes: Any) -> HostSummary:
    """A host that is well, but for ``changes``."""
    good = HostSummary(
        host="web-1", at=AT, cpu=busy(10), cores=(), cpu_count=2,
        memory_total=1000, memory_available=600, memory_percent=40,
        swap_total=0, swap_used=0, swap_percent=0, load=(0.5, 0.4, 0.3), disks=(), interfaces=(),
        filesystems=(mount("/", 20),), fullest=None, pressure=None, uptime_s=3600.0,
        booted_at=datetime(2026, 3, 1, tzinfo=UTC), failed_units=(), clock_offset_s=0.0, clock_error_s=0.01,
        disk_read_s=0, disk_write_s=0, network_in_s=0, network_out_s=0,
    )  # fmt: skip
    return replace(good, **changes)
