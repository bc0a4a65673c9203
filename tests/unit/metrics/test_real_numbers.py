"""This machine's numbers against psutil and the tools of the system."""

from __future__ import annotations

import subprocess
from pathlib import Path

import psutil
import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import HostSnapshot, Series
from lilfox_tui.metrics.psutil_source import PsutilSource
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import summarize

MIB = 1024 * 1024


@pytest.fixture
def snapshot() -> HostSnapshot:
    return Sampler(LocalHost("here", HostConfig(local=True)), {}, 2.0).read_now()


def test_memory_is_that_of_free(snapshot: HostSnapshot) -> None:
    printed = subprocess.run(["free", "-b"], capture_output=True, text=True, check=True, timeout=60).stdout
    total, *_, available = (float(word) for word in printed.split("\n")[1].split()[1:])
    swap = [float(word) for word in printed.split("\n")[2].split()[1:]]
    summary = summarize(snapshot)
    assert summary.memory_total == total
    assert summary.memory_available == pytest.approx(available, abs=512 * MIB)
    assert summary.swap_total == swap[0]
    assert summary.swap_used == pytest.approx(swap[1], abs=512 * MIB)


def test_the_root_filesystem_is_that_of_df(snapshot: HostSnapshot) -> None:
    printed = subprocess.run(["df", "-P", "-k", "/"], capture_output=True, text=True, check=True, timeout=60).stdout
    size, used, available = (float(word) * 1024 for word in printed.split("\n")[1].split()[1:4])
    root = next(one for one in summarize(snapshot).filesystems if one.mountpoint == "/")
    assert root.size_bytes == size
    assert root.used_bytes == pytest.approx(used, abs=1024 * MIB)
    assert root.available_bytes == pytest.approx(available, abs=1024 * MIB)


def test_cpu_network_and_boot_time_are_those_of_psutil(snapshot: HostSnapshot) -> None:
    summary = summarize(snapshot)
    assert summary.cpu_count == psutil.cpu_count()
    times = psutil.cpu_times()
    user = snapshot.counters[Series("cpu_seconds_total", (("mode", "user"),))]
    assert user == pytest.approx(times.user + times.nice, abs=10)
    assert summary.booted_at is not None
    assert summary.booted_at.timestamp() == pytest.approx(psutil.boot_time(), abs=5)
    assert summary.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    ports = psutil.net_io_counters(pernic=True)
    for port in summary.interfaces:
        got = snapshot.counters[Series("network_receive_packets_total", (("device", port.device),))]
        assert got == pytest.approx(ports[port.device].packets_recv, abs=10_000)


def test_without_proc_the_same_series_have_the_same_values(snapshot: HostSnapshot) -> None:
    samples = [sample for one in PsutilSource().read().values() for sample in one]
    ours = {**snapshot.gauges, **snapshot.counters}
    compared = 0
    for sample in samples:
        if sample.name.startswith(("cpu_", "swap_total", "memory_total", "uptime", "filesystem_size", "host_info")):
            if sample.series not in ours:
                continue
            assert ours[sample.series] == pytest.approx(sample.value, abs=10), sample.series
            compared += 1
    assert compared > 10
