"""A whole Debian host over SSH, through the real link, sampler and monitor, held against what the host itself says."""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from lilfox_tui.config.model import Config, ServiceConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostKeyChanged, HostUnreachable
from lilfox_tui.metrics.model import Level, ProcessUsage, Series
from tests.lab.machines import Machine, MachineLab
from tests.lab.watching import NOT_BUSY, Watch, watching
from tests.waiting import until

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
Record = Callable[[str, object], None]
DAY_S = 86400


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    """A host that has been up for a day."""
    made = lab.machine("web1")
    made.up(uptime_s=DAY_S)
    yield made
    made.kill()


@pytest.fixture
def config(lab: MachineLab, machine: Machine) -> Config:
    return Config(refresh=Seconds(1), hosts={"web1": machine.config()}, thresholds=NOT_BUSY, ssh=lab.ssh())


async def there(machine: Machine, *argv: str) -> str:
    return await asyncio.to_thread(machine.ssh, *argv)


async def loads(machine: Machine) -> list[float]:
    return [float(word) for word in (await there(machine, "cat /proc/loadavg")).split()[:3]]


def fields(text: str) -> dict[str, int]:
    """Lines ``Name: number …``."""
    return {line.split(":")[0]: int(line.split(":")[1].split()[0]) for line in text.splitlines()}


async def test_every_number_is_the_hosts_own(config: Config, machine: Machine, record_property: Record) -> None:
    async with watching(config) as watch:
        record_property("numbers_s", await watch.numbers("web1"))
        summary = watch.summary("web1")
        await _compare_memory_and_disks(watch, machine)
        await _compare_times(watch, machine)
    assert summary.cpu is not None
    split = summary.cpu
    assert split.user + split.system + split.iowait + split.steal + split.idle == pytest.approx(100, abs=0.1)
    cores = machine.ssh("grep -o '^cpu[0-9]*' /proc/stat").split()[1:]
    assert [f"cpu{name}" for name, _ in summary.cores] == cores
    assert summary.cpu_count == len(cores)
    assert summary.failed_units == ()
    assert summary.kernel == platform.release()
    assert not summary.problems
    assert watch.row("web1").lost == ()


WRITTEN_MEANWHILE = 5e8
"""The host's disk is this machine's, to which other tests write; it is looked at each 30 s."""


async def _compare_memory_and_disks(watch: Watch, machine: Machine) -> None:
    summary = watch.summary("web1")
    memory = fields(await there(machine, "cat /proc/meminfo"))
    assert summary.memory_total == memory["MemTotal"] * 1024
    assert summary.swap_total == memory["SwapTotal"] * 1024
    assert summary.memory_available == pytest.approx(memory["MemAvailable"] * 1024, abs=0.15 * summary.memory_total)
    assert "/" in [mount.mountpoint for mount in summary.filesystems]
    for mount in summary.filesystems:
        row = (await there(machine, f"df -P -k {mount.mountpoint} | tail -n 1")).split()
        assert mount.device == row[0]
        assert mount.size_bytes == int(row[1]) * 1024
        assert mount.used_bytes == pytest.approx(int(row[2]) * 1024, abs=WRITTEN_MEANWHILE)
        assert mount.available_bytes == pytest.approx(int(row[3]) * 1024, abs=WRITTEN_MEANWHILE)
        assert mount.used_percent == pytest.approx(float(row[4].rstrip("%")), abs=2)
    known = {line.split()[2] for line in (await there(machine, "cat /proc/diskstats")).splitlines()}
    assert {disk.device for disk in summary.disks} <= known


async def _compare_times(watch: Watch, machine: Machine) -> None:
    before, asked_at = await loads(machine), datetime.now(UTC)
    await until(lambda: watch.summary("web1").at > asked_at, what="a newer sample")
    summary, after = watch.summary("web1"), await loads(machine)
    assert summary.load is not None
    for low, load, high in zip(map(min, before, after), summary.load, map(max, before, after), strict=True):
        assert low - 0.5 <= load <= high + 0.5
    assert summary.pressure is not None
    assert summary.pressure.cpu is not None
    uptime, at = float((await there(machine, "cat /proc/uptime")).split()[0]), datetime.now(UTC)
    assert summary.uptime_s is not None
    assert summary.uptime_s >= DAY_S
    assert summary.uptime_s + (at - summary.at).total_seconds() == pytest.approx(uptime, abs=1)
    assert summary.clock_offset_s is not None
    assert summary.clock_error_s is not None
    assert abs(summary.clock_offset_s) <= summary.clock_error_s + 0.02
    assert [interface.device for interface in summary.interfaces] == ["host0"]
    assert summary.interfaces[0].receive_bytes_s
    assert summary.interfaces[0].transmit_bytes_s
    snapshot = watch.monitor.snapshot("web1").value
    assert snapshot is not None
    received = int((await there(machine, "grep host0 /proc/net/dev")).split()[1])
    read = snapshot.counters[Series("network_receive_bytes_total", (("device", "host0"),))]
    assert received - 1e6 < read <= received


async def test_a_failed_unit_is_named_in_the_row(config: Config, machine: Machine) -> None:
    await there(machine, "systemd-run --quiet --unit=lilfox-broken false")
    async with watching(config) as watch:
        await watch.numbers("web1")
        assert watch.summary("web1").failed_units == ("lilfox-broken.service",)
        await until(lambda: watch.row("web1").level is Level.DEGRADED, what="three samples with a failed unit")
        assert "lilfox-broken.service" in str(watch.row("web1").reasons[0])
    await there(machine, "systemctl reset-failed")


async def test_processes_are_read_of_the_host_that_is_looked_at(config: Config, machine: Machine) -> None:
    async with watching(config) as watch:
        await watch.numbers("web1")
        feed = watch.monitor.snapshot("web1")

        def processes() -> tuple[ProcessUsage, ...] | None:
            assert feed.value is not None
            return feed.value.processes

        assert processes() is None
        watch.monitor.focus("web1")
        await until(processes, what="processes")
        first = next(process for process in processes() or () if process.pid == 1)
        assert first.user == "root"
        assert "systemd" in first.command
        resident = fields(await there(machine, "grep VmRSS /proc/1/status"))["VmRSS"] * 1024
        assert first.resident_bytes == pytest.approx(resident, rel=0.2)
        watch.monitor.focus(None)
        await until(lambda: processes() is None, what="no processes any more")


@pytest.mark.parametrize(("break_it", "mend_it"), [("cut", "heal"), ("freeze", "thaw")])
async def test_a_host_that_does_not_answer_is_named_and_comes_back(
    config: Config, machine: Machine, break_it: str, mend_it: str, record_property: Record
) -> None:
    async with watching(config) as watch:
        await watch.numbers("web1")
        broken_at = datetime.now(UTC)
        getattr(machine, break_it)()
        try:
            record_property("noticed_s", await watch.lost("web1", HostUnreachable, broken_at))
            await until(
                lambda: (gone := watch.gone("web1")) is not None and gone.next_try is not None, what="a next try"
            )
            await until(lambda: watch.row("web1").level is Level.FAILING, what="it fails")
        finally:
            getattr(machine, mend_it)()
        record_property("back_s", await watch.numbers("web1"))
        await until(lambda: watch.row("web1").level is Level.GOOD, what="good again")
        assert watch.changes("web1")[-1] == "reachable again" or "good again" in watch.changes("web1")[-1]
        assert any(change.startswith("lost: ") for change in watch.changes("web1"))


async def test_a_power_cut_is_noticed_and_the_host_is_said_to_have_restarted(
    config: Config, machine: Machine, record_property: Record
) -> None:
    async with watching(config) as watch:
        await watch.numbers("web1")
        broken_at = datetime.now(UTC)
        await asyncio.to_thread(machine.kill)
        record_property("noticed_s", await watch.lost("web1", HostUnreachable, broken_at))
        record_property("boot_s", await asyncio.to_thread(machine.up))
        record_property("back_s", await watch.numbers("web1"))
        await until(lambda: "restarted" in watch.changes("web1"), what="the restart is told")
        booted_at = watch.summary("web1").booted_at
        assert booted_at is not None
        assert time.time() - booted_at.timestamp() < 60


async def test_a_new_key_stops_the_tries_until_it_is_trusted(config: Config, machine: Machine) -> None:
    async with watching(config) as watch:
        await watch.numbers("web1")
        broken_at = datetime.now(UTC)
        await asyncio.to_thread(machine.rekey)
        try:
            await asyncio.to_thread(machine.off)
            await asyncio.to_thread(machine.boot)
            await watch.lost("web1", HostKeyChanged, broken_at)
            gone = watch.gone("web1")
            assert gone is not None
            assert gone.next_try is None
        finally:
            machine.trust()
        watch.monitor.retry("web1")
        await watch.numbers("web1")


async def test_a_service_is_asked_from_the_host(config: Config, machine: Machine) -> None:
    serve = "/usr/bin/python3 -m http.server 8081 --bind 127.0.0.1 --directory /srv"
    await there(machine, f"echo fine >/srv/health; systemd-run --quiet --unit=lilfox-web {serve}")
    service = ServiceConfig(url="http://127.0.0.1:8081", from_="web1", every=Seconds(0.5), timeout=Seconds(2))
    async with watching(replace(config, services={"web": service})) as watch:

        def level() -> Level:
            assert watch.monitor.overview.value is not None
            return watch.monitor.overview.value.services["web"].level

        await watch.numbers("web1")
        await until(lambda: level() is Level.GOOD, what="the service is good")
        await there(machine, "systemctl kill --signal=KILL lilfox-web")
        await until(lambda: level() is Level.FAILING, what="the service is gone")
        await there(machine, f"systemctl reset-failed; systemd-run --quiet --unit=lilfox-web {serve}")
        await until(lambda: level() is Level.GOOD, what="the service is good again")
    await there(machine, "systemctl stop lilfox-web")
