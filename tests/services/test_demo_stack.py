"""The stand-in stack as it runs: real processes, real ports, real logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from lilfox_tui.core.errors import UsageError
from lilfox_tui.demo.http import ask
from lilfox_tui.demo.stack import Stack, run_headless
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.metrics.model import Health, Level
from tests.waiting import unhurried, until, wait_for


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(port_base=0, rate=40) as running:
        yield running


def _port(stack: Stack, service: str) -> int:
    return int(stack.services[service].url.rpartition(":")[2])


def _gone(pid: int) -> bool:
    """Whether the process has ended: no such pid, or a zombie that its new parent has not waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _all_gone(pids: list[int]) -> bool:
    return all(_gone(pid) for pid in pids)


def _exists(path: str) -> bool:
    return Path(path).exists()


def _holds(log: Path, text: str) -> bool:
    return text in log.read_text()


@contextlib.asynccontextmanager
async def _probe(stack: Stack, service: str) -> AsyncIterator[HealthProbe]:
    probe = HealthProbe(service, stack.services[service], None, period_s=1)
    try:
        yield probe
    finally:
        await probe.close()


async def _level_after(probe: HealthProbe, checks: int = 2) -> Level:
    for _ in range(checks):
        await probe.check_once()
    state = probe.feed.value
    assert state is not None
    return state.level


async def test_three_services_are_healthy_and_their_metrics_pass_promtool(stack: Stack) -> None:
    await until(lambda: (stack.log_dir / "lilfox-model.log").stat().st_size > 0, what="a request went all the way")
    for name in ("gateway", "backend", "model"):
        async with _probe(stack, name) as probe:
            assert (await probe.check_once()).health is Health.HEALTHY
        metrics = (await ask(_port(stack, name), "GET", "/metrics")).body
        assert b"http_requests_total{" in metrics
        checked = await asyncio.to_thread(
            subprocess.run, ["promtool", "check", "metrics"], input=metrics, capture_output=True
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.parametrize(("kind", "health"), [("5xx", 500), ("unhealthy", 503), ("crash", None), ("hang", None)])
async def test_a_fault_turns_the_service_and_healing_turns_it_back(stack: Stack, kind: str, health: int | None) -> None:
    async with _probe(stack, "backend") as probe:
        assert await _level_after(probe) is Level.GOOD
        await stack.fault("backend", kind)
        assert stack.faults() == [("backend", kind)]
        check = await probe.check_once()
        assert check.status_code == health
        assert await _level_after(probe, 1) is Level.FAILING
        assert await stack.heal("backend")
        assert not await stack.heal("backend"), "there is no fault any more: nothing was changed"
        assert stack.faults() == []
        assert await _level_after(probe, 1) is Level.DEGRADED
        assert await _level_after(probe, 1) is Level.GOOD


async def test_slow_is_healthy_but_late(stack: Stack) -> None:
    await stack.fault("model", "slow")
    async with _probe(stack, "model") as probe:
        check = await probe.check_once()
    assert check.health is Health.HEALTHY
    assert check.response_time_s is not None
    assert check.response_time_s > 1.4


async def test_a_slow_request_is_logged_as_a_warning_with_its_duration(stack: Stack) -> None:
    await stack.fault("model", "slow")
    for name in ("model", "gateway"):
        log = stack.log_dir / f"lilfox-{name}.log"
        await until(partial(_holds, log, '"level": "WARNING"'), what=f"in {name}'s log")
        warned = [json.loads(line) for line in log.read_text().splitlines() if '"WARNING"' in line]
        assert re.fullmatch(r"slow, [1-9]\.\d{3} s: GET \S+ 200", warned[0]["message"])


async def _run(stack: Stack, *words: str) -> tuple[int, str]:
    """Runs the demo's command, as its runbook does; its exit status and what it printed."""
    done = await asyncio.to_thread(
        subprocess.run, [str(stack.folder / "stack"), *words], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


async def test_undoing_a_heal_brings_back_the_fault_that_was_there(stack: Stack) -> None:
    state, port = stack.folder / "states/backend", _port(stack, "backend")
    assert state.read_text() == f"backend: no fault, port {port}\n"
    assert await _run(stack, "undo-heal", "backend") == (1, "backend: there is no removed fault to inject again\n")
    await stack.fault("backend", "slow")
    assert state.read_text() == f"backend: slow (every response takes 1.5 s longer), port {port}\n"
    assert await _run(stack, "heal", "backend") == (0, f"backend: no fault, port {port}\n")
    assert state.read_text() == f"backend: no fault, port {port}\n"
    assert await _run(stack, "undo-heal", "backend") == (0, f"backend: slow, port {port}\n")
    assert stack.faults() == [("backend", "slow")]


async def test_a_leak_grows_and_healing_gives_it_back(stack: Stack) -> None:
    def resident() -> int:
        pages = Path(f"/proc/{stack.pids()['model']}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    await stack.fault("model", "leak")
    await until(lambda: resident() > before + 4 * 2**20, what="4 MiB more")
    await stack.heal("model")
    await until(lambda: resident() < before + 3 * 2**20, what="given back")


async def test_the_manuals_analysis_reads_the_logs(stack: Stack) -> None:
    log = stack.log_dir / "lilfox-gateway.log"
    await stack.fault("gateway", "errors")

    def records() -> list[dict[str, object]]:
        return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    await until(lambda: sum(record["level"] == "ERROR" for record in records()) >= 3, what="three errors")
    await until(lambda: sum("response_time" in record for record in records()) >= 10, what="ten requests")
    times = sorted(float(str(record["response_time"])) for record in records() if "response_time" in record)
    assert times[0] > 0
    modules = Counter(record["module"] for record in records() if record["level"] == "ERROR")
    assert modules["service"] >= 3


async def test_a_request_keeps_its_id_through_all_services(stack: Stack) -> None:
    response = await ask(_port(stack, "gateway"), "GET", "/api/chat", request_id="r-42")
    assert response.status == 200
    for name in ("gateway", "backend", "model"):
        log = stack.log_dir / f"lilfox-{name}.log"
        await until(partial(_holds, log, '"request_id": "r-42"'), what=f"in {name}'s log")


async def test_garbage_on_the_public_port_is_answered_with_400_and_faults_are_not_taken_there(stack: Stack) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", _port(stack, "model"))
    writer.write(b"\x00\x01 what\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    response = await ask(_port(stack, "model"), "POST", "/fault", body=b'{"kind": "crash"}')
    assert response.status == 404
    assert "model" in stack.pids()


async def test_the_end_leaves_no_process_and_no_file() -> None:
    async with Stack(port_base=0) as stack:
        pids, folder = stack.pids(), stack.folder
        assert len(pids) == 4
        assert folder.stat().st_mode & 0o777 == 0o700
        await stack.fault("backend", "hang")
    assert all(_gone(pid) for pid in pids.values())
    assert not folder.exists()


async def test_a_port_in_use_is_replaced_and_a_long_temporary_folder_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        taken = held.getsockname()[1]
        async with Stack(port_base=taken) as stack:
            assert _port(stack, "gateway") != taken
            assert _port(stack, "gateway") < 32_768, "outgoing connections are given those from there on (ip(7))"
            async with _probe(stack, "gateway") as probe:
                assert (await probe.check_once()).health is Health.HEALTHY


PARENT = """
import asyncio, json
from lilfox_tui.demo.stack import Stack
async def main():
    async with Stack(port_base=0) as stack:
        print(json.dumps([str(stack.folder), list(stack.pids().values())]), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def test_a_killed_parent_leaves_no_process_and_no_file_within_two_seconds() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None
            folder, pids = json.loads(parent.stdout.readline())
            assert Path(folder).is_dir()
        finally:
            parent.kill()
    wait_for(lambda: all(_gone(pid) for pid in pids), timeout_s=unhurried(2), what="the services end")
    wait_for(lambda: not Path(folder).exists(), timeout_s=unhurried(2), what="the folder goes")


def test_what_a_demo_left_that_was_killed_with_all_its_processes_goes_with_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Path(tempfile.mkdtemp(dir="/tmp"))  # short enough for sockets
    monkeypatch.setenv("TMPDIR", str(place))
    try:
        for number in range(2):
            with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
                assert parent.stdout is not None
                folder, pids = json.loads(parent.stdout.readline())
                there = list(place.iterdir())
                for pid in (*pids, parent.pid):
                    os.kill(pid, signal.SIGKILL)
            wait_for(partial(_all_gone, pids), what="all are killed")
            assert there == [Path(folder)], number
            assert Path(folder, "logs").is_dir()
    finally:
        shutil.rmtree(place)


async def test_headless_says_what_runs_until_it_is_told_to_end() -> None:
    said: list[str] = []
    running = asyncio.create_task(
        run_headless(["backend:5xx"], say=lambda message: said.append(str(message)), port_base=0)
    )
    await until(lambda: running.done() or any("ctrl-c" in line for line in said), what="it is up")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 60)
    assert sum("http://127.0.0.1:" in line for line in said) == 3
    assert "backend: injected fault 5xx" in said
    logs = next(line for line in said if line.startswith("logs: ")).removeprefix("logs: ")
    assert not _exists(logs)


async def test_headless_refuses_an_unknown_fault_before_it_starts_anything() -> None:
    said: list[str] = []
    with pytest.raises(UsageError):
        await run_headless(["backend:fire"], say=lambda message: said.append(str(message)))
    assert said == []
