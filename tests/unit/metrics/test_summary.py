from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.metrics.model import HostSnapshot, HostSummary, Labels, MemoryParts, Series, Threads
from lilfox_tui.metrics.summary import MODES, series_of, summarize, summary_at
from lilfox_tui.monitor.export import _numbers

AT = datetime(2025, 6, 1, 12, tzinfo=UTC)
NOTHING = HostSnapshot(host="web-1", at=AT, interval_s=None, gauges={})


def device(name: str, device: str) -> Series:
    return Series(name, (("device", device),))


def test_nothing_known_is_nothing_shown() -> None:
    summary = summarize(NOTHING)
    assert summary.cpu is None
    assert summary.cpu_percent is None
    assert summary.memory_percent is None
    assert summary.network_in_s is None
    assert summary.failed_units is None
    assert summary.fullest is None
    assert series_of(summary) == {}


def test_the_cpu_split_is_of_its_own_sum_and_needs_every_mode() -> None:
    rates = {
        Series("cpu_seconds_total", (("mode", mode),)): value
        for mode, value in zip(MODES, (1, 1, 2, 0, 4), strict=True)
    }
    split = summarize(replace(NOTHING, rates=rates)).cpu
    assert split is not None
    assert (split.user, split.iowait, split.idle, split.busy) == (12.5, 25.0, 50.0, 25.0)
    rates.popitem()
    assert summarize(replace(NOTHING, rates=rates)).cpu is None


def test_sums_leave_out_what_stands_on_other_devices() -> None:
    rates = {device("disk_read_bytes_total", name): 10.0 for name in ("sda", "dm-0", "md0")}
    rates |= {device("network_receive_bytes_total", name): 5.0 for name in ("eth0", "eth1", "bond0", "eth0.7")}
    summary = summarize(replace(NOTHING, rates=rates))
    assert summary.disk_read_s == 10
    assert summary.network_in_s == 10
    assert len(summary.interfaces) == 4
    only = summarize(replace(NOTHING, rates={device("network_receive_bytes_total", "tun0"): 5.0}))
    assert only.network_in_s == 5


def test_no_swap_is_no_swap_used() -> None:
    gauges = {Series("swap_total_bytes"): 0.0, Series("swap_free_bytes"): 0.0}
    assert summarize(replace(NOTHING, gauges=gauges)).swap_percent == 0
    assert summarize(replace(NOTHING, gauges={Series("swap_total_bytes"): 0.0})).swap_used is None


def test_what_the_kernel_does_with_memory_and_how_many_threads_there_are() -> None:
    gauges = {
        Series(f"memory_{name}_bytes"): value
        for name, value in {"free": 5e9, "buffers": 2e8, "cached": 3e9, "reclaimable": 1e9}.items()
    }
    gauges |= {Series("threads"): 512.0, Series("processes_running"): 3.0, Series("processes_blocked"): 1.0}
    found = summarize(replace(NOTHING, gauges=gauges))
    assert found.memory_parts == MemoryParts(free=5e9, buffers=2e8, cached=4e9)
    assert found.threads == Threads(512, running=3, blocked=1)
    told = _numbers(found)
    assert told["memory_parts"] == {"free": 5_000_000_000, "buffers": 200_000_000, "cached": 4_000_000_000}
    assert told["threads"] == {"count": 512, "running": 3, "blocked": 1}
    del gauges[Series("threads")], gauges[Series("memory_cached_bytes")]
    unknown = _numbers(summarize(replace(NOTHING, gauges=gauges)))
    assert (unknown["memory_parts"], unknown["threads"]) == (None, None)


def test_boot_time_is_by_our_clock_and_survives_an_absurd_uptime() -> None:
    gauges = {Series("uptime_seconds"): 3600.0, Series("boot_time_seconds"): 12.0}
    assert summarize(replace(NOTHING, gauges=gauges)).booted_at == AT.replace(hour=11)
    assert summarize(replace(NOTHING, gauges={Series("uptime_seconds"): 1e11})).booted_at is None
    assert summarize(replace(NOTHING, gauges={Series("uptime_seconds"): 1e18})).booted_at is None


AMOUNT = st.floats(0, 1e12)
SHARE = st.floats(0.001, 1)
NAMES = st.sampled_from(["sda", "nvme0n1", "eth0", "dm-0", "odd name\n"])


@st.composite
def snapshots(draw: st.DrawFn) -> HostSnapshot:
    gauges = {
        Series(name): draw(AMOUNT)
        for name in draw(st.sets(st.sampled_from(["load1", "load5", "load15", "clock_offset_seconds"])))
    }
    if draw(st.booleans()):
        gauges |= {
            Series("memory_total_bytes"): draw(st.floats(1, 1e12)),
            Series("memory_available_bytes"): draw(AMOUNT),
        }
    if draw(st.booleans()):
        gauges |= {Series("swap_total_bytes"): 4096.0, Series("swap_free_bytes"): draw(st.floats(0, 4096))}
    if draw(st.booleans()):
        gauges[Series("uptime_seconds")] = draw(st.floats(0, 1e8))
    for mountpoint in draw(st.sets(st.sampled_from(["/", "/var", "/odd\nname"]))):
        labels = (("device", "/dev/sda"), ("fstype", "ext4"), ("mountpoint", mountpoint))
        for field in ("size", "used", "available"):
            gauges[Series(f"filesystem_{field}_bytes", labels)] = draw(AMOUNT)
    for resource in draw(st.sets(st.sampled_from(["cpu", "memory", "io"]))):
        gauges[Series("pressure_percent", (("kind", "some"), ("resource", resource)))] = draw(st.floats(0, 100))
    rates = {}
    for core in draw(st.sets(st.sampled_from(["", "0", "1", "10"]))):
        for mode in MODES:
            pairs: Labels = (("cpu", core), ("mode", mode)) if core else (("mode", mode),)
            rates[Series("cpu_seconds_total", pairs)] = draw(SHARE)
    for name in draw(st.sets(NAMES)):
        rates[device("disk_io_time_seconds_total", name)] = draw(SHARE)
        rates[device("disk_read_bytes_total", name)] = draw(AMOUNT)
        rates[device("network_receive_bytes_total", name)] = draw(AMOUNT)
    return replace(NOTHING, gauges=gauges, rates=rates)


@settings(max_examples=100, deadline=None)
@given(snapshots())
def test_series_and_back(snapshot: HostSnapshot) -> None:
    summary = summarize(snapshot)
    again = summary_at("web-1", AT, series_of(summary))
    same_series(series_of(again), series_of(summary))
    assert [disk.device for disk in again.disks] == [disk.device for disk in summary.disks]
    assert again.booted_at == summary.booted_at
    assert (again.network_in_s is None) == (summary.network_in_s is None)
    assert [one.mountpoint for one in again.filesystems] == [one.mountpoint for one in summary.filesystems]


def same_series(one: dict[Series, float], other: dict[Series, float]) -> None:
    assert one.keys() == other.keys()
    for series, value in one.items():
        assert value == pytest.approx(other[series], rel=1e-6, abs=1e-6), series


def test_failed_units_keep_their_number_and_lose_their_names() -> None:
    gauges = {Series("failed_units"): 2.0, **{Series("failed_unit", (("unit", unit),)): 1.0 for unit in ("b", "a")}}
    summary: HostSummary = summarize(replace(NOTHING, gauges=gauges))
    assert summary.failed_units == ("a", "b")
    assert summary_at("web-1", AT, series_of(summary)).failed_units == ("?", "?")
