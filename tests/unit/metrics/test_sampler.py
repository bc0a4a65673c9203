from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.hosts.base import Loop
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics import collector, model
from lilfox_tui.metrics.collector import MARK, HostAnswer, load_collectors
from lilfox_tui.metrics.collectors import processes, units
from lilfox_tui.metrics.model import HostSnapshot, ProcessTotals, ProcessUsage, Sample, Series
from lilfox_tui.metrics.sampler import ProcessTable, Rates, Readings, Sampler, SampleTime
from lilfox_tui.metrics.summary import summarize
from tests.lifetime import running
from tests.unit.metrics.collectors.reading import CAPTURES
from tests.waiting import until

PERIOD_S = 0.05
CAPTURE = (CAPTURES / "linux-6.12.txt").read_text()


class ProcHost(FakeHost):
    """Answers each question with ``files`` as tail prints them, and ``scripts``; ``opened`` counts loops."""

    def __init__(self, name: str = "web-1") -> None:
        super().__init__(name)
        self.text: Callable[[int], str] = lambda tick: CAPTURE.replace("93785.42", f"{93785.42 + 2 * tick:.2f}")
        self.scripts: dict[str, str] = {"units": "@@status 0\n"}
        self.opened = 0
        self.asked: list[str] = []
        self.slow_s = 0.0

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        found = re.search(rf"{MARK} (\w+) ", script)
        assert found is not None
        self.opened += 1
        self.loop_answer = lambda words: self._words(words, found[1])
        async with super().loop(script) as loop:
            yield _Slow(self, loop)

    def _words(self, words: str, secret: str) -> bytes:
        self.asked.append(words)
        parts = [self.text(len(self.asked))]
        parts += [f"\n{MARK} {secret} {kind}\n{self.scripts.get(kind, '')}" for kind in words.split()]
        return ("".join(parts) + f"\n{MARK} {secret} .\n").encode()


class _Slow:
    def __init__(self, host: ProcHost, loop: Loop) -> None:
        self._host, self._loop = host, loop

    async def ask(self, words: str, *, timeout_s: float) -> bytes:
        answer = await self._loop.ask(words, timeout_s=timeout_s)
        slept = asyncio.Event()
        asyncio.get_running_loop().call_later(self._host.slow_s, slept.set)
        await slept.wait()
        return answer


class ShHost(FakeHost):
    """A host whose loop is a real ``sh``, here."""

    def __init__(self) -> None:
        super().__init__("real")
        self.here = LocalHost("here", HostConfig(local=True))

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        async with self.here.loop(script) as loop:
            yield loop


class Shellless(LocalHost):
    """This machine without processes to spare."""

    @asynccontextmanager
    async def loop(self, script: str, *, sudo: bool = False) -> AsyncIterator[Loop]:
        self._refuse()
        async with super().loop(script) as loop:
            yield loop

    async def run_script(self, script: str, args: Any = (), **limits: Any) -> Any:
        self._refuse()

    def _refuse(self) -> None:
        raise HostUnreachable(self.name, "no process left")


def value(sampler: Sampler) -> HostSnapshot:
    assert sampler.feed.value is not None, sampler.feed.state
    return sampler.feed.value


async def test_one_question_a_sample_through_one_loop() -> None:
    host = ProcHost()
    async with running(Sampler(host, {}, PERIOD_S)) as sampler:
        await until(lambda: len(host.asked) >= 4 and sampler.feed.value)
        snapshot = value(sampler)
    assert host.opened == 1
    assert {"cpu", "units", "clock", "filesystems"} <= set(host.asked[0].split())
    assert "processes" not in host.asked[0]
    assert not {"units", "clock", "filesystems"} & set(host.asked[1].split())
    assert snapshot.interval_s == pytest.approx(2.0)
    assert snapshot.gauge("failed_units") == 0
    assert summarize(snapshot).load == (0.52, 1.07, 3.98)


async def test_a_switched_off_collector_is_not_asked() -> None:
    host = ProcHost()
    async with running(Sampler(host, {"units": False, "uptime": False}, PERIOD_S)) as sampler:
        await until(lambda: sampler.feed.value)
        assert "units" not in host.asked[0]
        assert value(sampler).gauge("failed_units") is None


async def test_processes_only_while_focused_with_names_of_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "EVERY_S", 0.0)  # else it would be read each fortieth sample
    host = ProcHost()
    host.files["/etc/passwd"] = b"root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n"

    def table(tick: int) -> str:
        cpu = 100 * tick
        stat = f"/proc/7/stat:7 (nginx) R 1 7 7 0 -1 0 0 0 0 0 {cpu} 0 0 0 20 0 1 0 42 1 1\n"
        return stat + "/proc/7/status:Uid:\t33\t33\t33\t33\n/proc/7/status:VmRSS:\t64 kB\n"

    sampler = Sampler(host, {}, PERIOD_S)
    async with running(sampler):
        await until(lambda: sampler.feed.value)
        assert value(sampler).processes is None
        host.scripts["processes"] = table(0)
        sampler.focused = True
        await until(lambda: value(sampler).processes)
        first = (value(sampler).processes or ())[0]
        assert (first.pid, first.user, first.command, first.resident_bytes) == (7, "www-data", "nginx", 65536)
        host.scripts["processes"] = table(1)
        await until(lambda: (value(sampler).processes or (first,))[0].cpu_percent == pytest.approx(50.0))
        sampler.focused = False
        await until(lambda: value(sampler).processes is None)


def test_processes_that_are_not_kept_are_counted_with_the_others_and_heavy_io_is_kept() -> None:
    table = ProcessTable()

    def update(second: float) -> tuple[ProcessUsage, ...]:
        samples: list[Sample] = []
        for pid in range(1, 11):
            kernel = pid > 6
            labels = (("command", "x"), ("kernel", "yes" if kernel else "no"), ("pid", str(pid)), ("started", "7"),
                      ("state", "S"), ("uid", "0"))  # fmt: skip
            samples.append(Sample("process_cpu_seconds_total", second * pid / 100, labels))
            if not kernel:
                samples.append(Sample("process_io_bytes_total", 5000.0 * second * (pid == 5), labels))
            samples.append(Sample("process_resident_memory_bytes", 0.0 if kernel else 1000.0 * (7 - pid), labels))
        return table.update(samples, 100 + second, datetime(2026, 7, 1, tzinfo=UTC), {}, 2, {})

    update(0.0)
    assert table.totals == ProcessTotals(10, 4, 0.0, 21000, 0.0)
    assert [each.pid for each in update(2.0)] == [10, 9, 5, 2, 1], "two by CPU, one by I/O, two by memory"
    assert table.totals is not None
    assert (table.totals.cpu_percent, table.totals.io_bytes_s) == pytest.approx((55.0, 5000.0))


@pytest.mark.parametrize("late", [False, True])
def test_processes_are_read_every_third_second_and_kept_meanwhile(late: bool) -> None:
    readings = Readings("web-1", load_collectors({}), 1.0)

    def sample(second: int, cpu: int | None) -> HostSnapshot:
        """One a second, with that CPU time in ticks where the answer has the processes."""
        asked = readings.due(float(second), focused=True)
        assert any(each.kind == "processes" for each in asked) == (second % 3 == 0)
        answer = HostAnswer(files={"/proc/uptime": f"{1000 + second}.00 9.00\n"})
        if cpu is not None:
            stat = f"/proc/7/stat:7 (nginx) R 1 7 7 0 -1 0 0 0 0 0 {cpu} 0 0 0 20 0 1 0 42 1 1\n"
            answer.scripts["processes"] = stat + "/proc/7/status:VmRSS:\t64 kB\n"
        moment = datetime(2026, 7, 1, 12, 0, second, tzinfo=UTC)
        return readings.take(asked, answer, SampleTime(moment.timestamp(), moment.timestamp(), moment, float(second)))

    answers = (None, 0, None, None, 150) if late else (0, None, None, 150)
    taken = [sample(second, cpu) for second, cpu in enumerate(answers)]
    first, last = (1, 4) if late else (0, 3)
    assert [each.cpu_percent for each in taken[first].processes or ()] == [None]
    assert taken[first + 1].processes is taken[first].processes
    assert [each.cpu_percent for each in taken[last].processes or ()] == [pytest.approx(50.0)]
    assert not taken[0].processes or not late


async def test_a_host_that_goes_fails_the_feed_and_comes_back_by_itself() -> None:
    host = ProcHost()
    sampler = Sampler(host, {}, PERIOD_S)
    async with running(sampler):
        await until(lambda: sampler.feed.value)
        host.go_down(HostUnreachable("web-1", "connection lost"))
        await until(lambda: isinstance(sampler.feed.state, Unavailable))
        state = sampler.feed.state
        assert isinstance(state, Unavailable)
        assert "connection lost" in str(state.error)
        assert state.next_try is not None
        before = len(host.calls)
        host.come_up()
        await until(lambda: isinstance(sampler.feed.state, Ready))
        assert len(host.calls) == before, "a host that is down is asked once a period, not twice"
    assert host.opened >= 2


@pytest.mark.fault("4.90")
async def test_a_late_answer_is_an_answer_and_the_loop_stays() -> None:
    host = ProcHost()
    sampler = Sampler(host, {}, PERIOD_S)
    async with running(sampler):
        await until(lambda: sampler.feed.value)
        host.slow_s = 4 * PERIOD_S
        asked = len(host.asked)
        await until(lambda: len(host.asked) > asked + 3)
        assert isinstance(sampler.feed.state, Ready)
    assert host.opened == 1


@pytest.mark.fault("4.90")
async def test_a_host_that_is_silent_is_told_while_it_is_still_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "SILENT_S", 6 * PERIOD_S)
    host = ProcHost()
    sampler = Sampler(host, {}, PERIOD_S)
    async with running(sampler):
        await until(lambda: sampler.feed.value)
        host.slow_s = 40 * PERIOD_S
        await until(lambda: isinstance(sampler.feed.state, Unavailable))
        state, asked = sampler.feed.state, len(host.asked)
        assert isinstance(state, Unavailable)
        assert str(state.error) == "web-1 does not answer"
        host.slow_s = 0.0
        await until(lambda: isinstance(sampler.feed.state, Ready))
        assert value(sampler).at > state.since, "silent since its last sample"
        assert len(host.asked) <= asked + 1
    assert host.opened == 1


async def test_where_no_loop_lives_each_sample_is_a_run() -> None:
    host = FakeHost("forced")
    host.loop_answer = HostUnreachable("forced", "the loop ended")
    real = LocalHost("here", HostConfig(local=True))

    async def run_script(script: str, args: Any = (), **limits: Any) -> Any:
        host.calls.append((tuple(args), b""))
        return await real.run_script(script, args)

    host.run_script = run_script  # type: ignore[method-assign]
    sampler = Sampler(host, {}, PERIOD_S)
    async with running(sampler):
        await until(lambda: len(host.calls) >= 2 and sampler.feed.value)
        assert value(sampler).gauge("load1") is not None
    await real.close()


async def test_a_shell_that_is_none_is_named() -> None:
    host = FakeHost("git", loop_answer=b"This account is not available.\n")
    sampler = Sampler(host, {}, PERIOD_S)
    async with running(sampler):
        await until(lambda: not isinstance(sampler.feed.state, Pending))
        state = sampler.feed.state
        assert isinstance(state, Unavailable)
        assert "its shell does not run scripts" in str(state.error)
        assert state.error.hint


async def test_a_real_sh_gives_what_this_machine_gives() -> None:
    host, options = ShHost(), {"containers": False}  # those of other tests come and go
    sampler = Sampler(host, options, PERIOD_S)
    sampler.focused = True
    snapshot = await sampler.sample_once()
    here = Sampler(host.here, options, PERIOD_S).read_now()
    await host.here.close()
    assert snapshot.problems == {}
    assert snapshot.gauges.keys() - {Series("failed_units")} >= here.gauges.keys() - {Series("failed_units")}
    assert snapshot.counters.keys() == here.counters.keys()
    summary = summarize(snapshot)
    assert summary.clock_offset_s == pytest.approx(0, abs=0.5)
    assert summary.cpu is not None
    assert snapshot.processes
    assert any(process.pid == 1 for process in snapshot.processes) or len(snapshot.processes) == 50


async def test_this_machine_in_one_look() -> None:
    host = LocalHost("here", HostConfig(local=True))
    snapshot = await Sampler(host, {}, 2.0).sample_once()
    assert snapshot.problems == {}
    assert snapshot.interval_s == pytest.approx(0.25, abs=0.2)
    summary = summarize(snapshot)
    assert summary.cpu is not None
    assert summary.cpu.user + summary.cpu.system + summary.cpu.iowait + summary.cpu.steal + summary.cpu.idle == (
        pytest.approx(100)
    )
    await host.close()


async def test_a_jump_of_time_causes_no_burst() -> None:
    host = ProcHost()
    jumped = 0.0
    loop = asyncio.get_running_loop()
    sampler = Sampler(host, {}, PERIOD_S, clock=lambda: loop.time() + jumped)
    async with running(sampler):
        await until(lambda: len(host.asked) >= 2)
        jumped, before, started = 1000.0, len(host.asked), loop.time()
        await until(lambda: len(host.asked) >= before + 4)
        took = loop.time() - started
    assert took >= 2.5 * PERIOD_S, "those that were missed are left out"


async def test_a_script_that_needs_a_process_never_holds_a_local_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "read_here", lambda options: None)
    monkeypatch.setattr(units, "script", lambda options: "echo '@@status 0'")
    host = LocalHost("here", HostConfig(local=True))
    sampler = Sampler(host, {}, PERIOD_S)
    assert sampler.read_now().gauge("failed_units") is None
    async with running(sampler):
        await until(lambda: sampler.feed.value and value(sampler).gauge("failed_units") == 0)
    await host.close()


async def test_a_local_script_that_cannot_run_is_a_problem_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(units, "read_here", lambda options: None)
    host = Shellless("here", HostConfig(local=True))
    sampler = Sampler(host, {"containers": False}, PERIOD_S)
    async with running(sampler):
        await until(lambda: sampler.feed.value and value(sampler).problems)
        assert {kind: str(why) for kind, why in value(sampler).problems.items()} == {"units": "no process left"}
        assert value(sampler).gauge("load1") is not None
    await host.close()


async def test_malformed_text_is_a_problem_of_its_collector_alone() -> None:
    host = ProcHost()
    host.text = lambda tick: CAPTURE.replace("MemTotal:       16000000 kB", "MemTotal: lots")
    async with running(Sampler(host, {}, PERIOD_S)) as sampler:
        await until(lambda: sampler.feed.value)
        snapshot = value(sampler)
    assert "MemTotal" in str(snapshot.problems["memory"])
    assert summarize(snapshot).memory_percent is None
    assert snapshot.gauge("load1") == 0.52
    assert "cpu" not in snapshot.problems


async def test_a_clock_that_is_off_is_told() -> None:
    host = ProcHost()
    host.scripts["clock"] = "1000000000.000000000\n"
    snapshot = await Sampler(host, {}, 2.0).sample_once()
    assert snapshot.gauge("clock_offset_seconds") == pytest.approx(1_000_000_000 - snapshot.at.timestamp(), abs=2)


async def test_without_proc_psutil_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.metrics.sampler.has_proc", lambda: False)
    assert collector.has_proc()
    host = LocalHost("here", HostConfig(local=True))
    snapshot = await Sampler(host, {}, 2.0).sample_once()
    summary = summarize(snapshot)
    assert summary.cpu is not None
    assert summary.memory_percent is not None
    assert summary.uptime_s is not None
    await host.close()


def test_read_now_is_for_this_machine_only() -> None:
    with pytest.raises(TypeError):
        Sampler(FakeHost("far"), {}, 2.0).read_now()


RX = Series("network_receive_bytes_total", (("device", "eth0"),))
OTHER = Series("network_receive_bytes_total", (("device", "eth1"),))
IOWAIT = Series("cpu_seconds_total", (("mode", "iowait"),))
USER = Series("cpu_seconds_total", (("mode", "user"),))
IO_TIME = Series("disk_io_time_seconds_total", (("device", "sda"),))


def two(
    before: dict[Series, float],
    after: dict[Series, float],
    *,
    uptimes: tuple[float | None, float | None] = (100.0, 102.0),
    ours: tuple[float, float] = (10.0, 12.0),
    narrow: bool = False,
) -> tuple[float | None, dict[Series, float]]:
    rates = Rates()
    assert rates.update(before, uptimes[0], ours[0], 30, narrow=narrow) == (None, {})
    return rates.update(after, uptimes[1], ours[1], 30, narrow=narrow)


def test_the_hosts_own_clock_divides() -> None:
    assert two({RX: 100}, {RX: 500}, ours=(10, 13)) == (2.0, {RX: 200.0})
    assert two({RX: 100}, {RX: 500}, uptimes=(None, None), ours=(10, 14)) == (4.0, {RX: 100.0})


def test_a_reset_has_no_rate_and_leaves_the_others() -> None:
    assert two({RX: 500, OTHER: 1}, {RX: 100, OTHER: 3})[1] == {OTHER: 1.0}


@pytest.mark.parametrize("uptimes", [(100.0, 5.0), (100.0, 100.0)])
def test_a_reboot_has_no_rates(uptimes: tuple[float, float]) -> None:
    assert two({RX: 100}, {RX: 500}, uptimes=uptimes) == (None, {})


def test_a_suspend_has_no_rates_once() -> None:
    rates = Rates()
    rates.update({RX: 100}, 100.0, 10.0, 30, narrow=False)
    assert rates.update({RX: 500}, 4000.0, 12.0, 30, narrow=False) == (None, {})
    assert rates.update({RX: 700}, 4002.0, 14.0, 30, narrow=False) == (2.0, {RX: 100.0})


def test_a_reboot_that_looks_like_the_next_reading_is_told_by_our_clock() -> None:
    assert two({RX: 100}, {RX: 500}, uptimes=(100.0, 102.0), ours=(10.0, 3610.0)) == (None, {})


def test_a_narrow_counter_wraps_only_on_old_kernels_and_only_near_its_end() -> None:
    near = {RX: 2.0**32 - 100}
    assert two(near, {RX: 100}, narrow=True)[1] == {RX: 100.0}
    assert two(near, {RX: 100}, narrow=False)[1] == {}
    assert two({RX: 2.0**31}, {RX: 100}, narrow=True)[1] == {}


def test_io_time_wraps_at_32_bits_of_milliseconds() -> None:
    assert two({IO_TIME: 4294967.0}, {IO_TIME: 0.704})[1][IO_TIME] == pytest.approx(0.5)
    assert two({IO_TIME: 4294000.0}, {IO_TIME: 0.7})[1] == {}


def test_iowait_that_steps_back_a_little_is_no_reset() -> None:
    assert two({IOWAIT: 50.0, USER: 5.0}, {IOWAIT: 49.9, USER: 6.0})[1] == {IOWAIT: 0.0, USER: 0.5}
    assert two({IOWAIT: 50.0}, {IOWAIT: 0.0})[1] == {}


def test_a_device_that_appears_has_no_rate_the_first_time_and_one_that_goes_none() -> None:
    rates = Rates()
    rates.update({RX: 1}, 100.0, 10.0, 30, narrow=False)
    assert rates.update({RX: 3, OTHER: 1000}, 102.0, 12.0, 30, narrow=False)[1] == {RX: 1.0}
    assert rates.update({OTHER: 1002}, 104.0, 14.0, 30, narrow=False)[1] == {OTHER: 1.0}
    assert rates.update({RX: 9, OTHER: 1002}, 106.0, 16.0, 30, narrow=False)[1] == {OTHER: 0.0}
