"""Commands that outlive the link, when it goes at the worst moments, sshd is killed, and the disk is full."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import CommandUnknown, HostError, HostUnreachable, NotBegun
from lilfox_tui.hosts import detached, detached_scripts
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.detached import Begun, DetachedOutput, DetachedState
from lilfox_tui.hosts.open import open_host
from tests.faults.relay import Relay
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import pause, until

LINK = (HostUnreachable, CommandUnknown)


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.fixture
async def server(lab: SshdLab) -> AsyncIterator[Sshd]:
    made = lab.sshd()
    yield made
    _end_all(made.folder)
    made.stop()


def _end_all(home: Path) -> None:
    for record in home.glob(".cache/lilfox/jobs/*/pid"):
        for word in record.read_text().split()[1:4:2]:
            with suppress(ProcessLookupError, ValueError):
                os.killpg(int(word), signal.SIGKILL)


async def collected(
    host: Host, job: str, lost: list[HostError], begun: Begun | None = None
) -> tuple[bytes, DetachedState]:
    out = b""
    async with aclosing(detached.follow(host, job, begun=begun, lost=lost.append)) as told:
        async for each in told:
            if isinstance(each, DetachedState):
                return out, each
            assert isinstance(each, DetachedOutput)
            out += each.data
    raise AssertionError("it ended without an end")


def counting(gate: Path) -> list[str]:
    """Prints numbers until there is the gate, then says so."""
    return ["sh", "-c", f'i=0; while [ ! -e {gate} ]; do i=$((i + 1)); echo "$i"; sleep 0.01; done; echo "last $i"']


def whole(out: bytes) -> bool:
    """Whether each number is there once."""
    *numbers, last = out.decode().splitlines()
    return numbers == [str(n) for n in range(1, len(numbers) + 1)] and last == f"last {len(numbers)}"


async def test_a_killed_sshd_neither_ends_it_nor_loses_a_line(lab: SshdLab, server: Sshd, tmp_path: Path) -> None:
    host = open_host("web", lab.host(server), lab.ssh())
    keeping = asyncio.create_task(host.keep_connected())
    lost: list[HostError] = []
    begun = await detached.start(host, "counts", counting(tmp_path / "gate"))
    following = asyncio.create_task(collected(host, "counts", lost))
    try:
        for times in range(3):
            await until(lambda: host.link.value is not None)
            before = (await detached.look(host, "counts")).stdout_bytes
            server.kill()
            await until(_more(lost, times))
            server.start()
            while (seen := await _looked(host, "counts")).stdout_bytes <= before:
                assert seen.state == "running"
            assert seen.pid == begun.look.pid
        (tmp_path / "gate").touch()
        out, end = await asyncio.wait_for(following, 20)
        assert (end.state, end.exit_status, end.pid) == ("ended", 0, begun.look.pid)
        assert whole(out)
    finally:
        following.cancel()
        keeping.cancel()
        await asyncio.wait([keeping, following])
        await host.close()


def _more(lost: list[HostError], than: int) -> Callable[[], bool]:
    return lambda: len(lost) > than


async def _looked(host: Host, job: str) -> DetachedState:
    while True:
        with suppress(*LINK):
            return await detached.look(host, job)
        await pause()  # while a next try is waited for it is refused at once


async def test_a_silent_link_is_waited_for(lab: SshdLab, server: Sshd, tmp_path: Path) -> None:
    async with Relay(server) as relay:
        with lab.known_hosts.open("a") as known:
            known.write(relay.known_line())
        host = open_host("web", lab.host(server, address=relay.address, port=relay.port), lab.ssh())
        lost: list[HostError] = []
        await detached.start(host, "counts", counting(tmp_path / "gate"))
        following = asyncio.create_task(collected(host, "counts", lost))
        await turn_of(relay)
        relay.cut()
        await until(lambda: lost, timeout_s=20)
        (tmp_path / "gate").touch()
        relay.mend()
        out, end = await asyncio.wait_for(following, 30)
        assert (end.state, end.exit_status) == ("ended", 0)
        assert whole(out)
        await host.close()


async def turn_of(relay: Relay) -> None:
    """Until something has passed once more."""
    before = relay.carried_bytes
    await until(lambda: relay.carried_bytes > before + 500)


@pytest.mark.parametrize("after_bytes", [0, 200, 2000, 5000, 6500, 8000, 20_000, 60_000, 150_000])
async def test_a_start_whose_link_goes_at_any_byte_runs_once_when_it_is_repeated(
    lab: SshdLab, server: Sshd, tmp_path: Path, after_bytes: int
) -> None:
    note = tmp_path / "ran"
    argv = ["sh", "-c", f"cat >>{note}; echo ran >>{note}"]
    stdin = b"x" * 100_000 + b"\n"
    async with Relay(server) as relay:
        with lab.known_hosts.open("a") as known:
            known.write(relay.known_line())
        host = open_host("web", lab.host(server, address=relay.address, port=relay.port), lab.ssh())
        await host.connect()
        came = relay.carried_bytes
        starting = asyncio.create_task(detached.start(host, "once", argv, stdin=stdin))
        await until(lambda: starting.done() or relay.carried_bytes >= came + after_bytes)
        for pid in server.tree()[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(*LINK):
            await starting
        begun: Begun | None = None
        while begun is None:
            with suppress(*LINK):
                begun = await detached.start(host, "once", argv, stdin=stdin)
        assert begun.look.state in ("running", "ended")
        _, end = await collected(host, "once", [])
        assert end.exit_status == 0
        assert note.read_bytes() == stdin + b"ran\n"
        await host.close()


async def test_a_start_that_was_frozen_meanwhile_does_not_run_what_another_has_begun(
    lab: SshdLab, server: Sshd, tmp_path: Path
) -> None:
    """The first one's stdin never comes to its end: its link is silent, and its sshd does not know."""
    note = tmp_path / "ran"
    async with Relay(server) as relay:
        with lab.known_hosts.open("a") as known:
            known.write(relay.known_line())
        slow = open_host("web", lab.host(server, address=relay.address, port=relay.port), lab.ssh())
        await slow.connect()
        came = relay.carried_bytes
        stdin = b"x" * 4_000_000
        first = asyncio.create_task(detached.start(slow, "once", ["sh", "-c", f"echo first >>{note}"], stdin=stdin))
        await until(lambda: relay.carried_bytes > came + 100_000)
        relay.cut()
        host = open_host("web", lab.host(server), lab.ssh())
        assert (await detached.look(host, "once")).state == "absent"
        await detached.start(host, "once", ["sh", "-c", f"echo second >>{note}; sleep 1000"])
        relay.mend()
        with suppress(*LINK):
            begun = await first
            assert begun.look.state == "running"
        assert note.read_text() == "second\n"
        assert not list(server.folder.glob(".cache/lilfox/jobs/once/try.*/in"))
        await detached.cancel(host, "once")
        await slow.close()
        await host.close()


@pytest.mark.parametrize("ends", ["meanwhile", "later"])
@pytest.mark.parametrize("begun", [False, True])
async def test_a_link_that_goes_while_a_start_follows_finds_the_command_again(
    lab: SshdLab, server: Sshd, tmp_path: Path, ends: str, *, begun: bool
) -> None:
    """The link is cut when the command has begun, or has ended already, and the answer to its start is lost."""
    note, gate = tmp_path / "ran", tmp_path / "gate"
    waits = f"while [ ! -e {gate} ]; do sleep 0.02; done"
    argv = ["sh", "-c", f"echo run >>{note}; {waits}; echo out; exit 5"]
    host = open_host("web", lab.host(server), lab.ssh())
    await host.connect()
    starting = asyncio.create_task(detached.start(host, "once", argv, followed=True))
    await until(note.exists)
    if ends == "meanwhile":
        gate.touch()
    for pid in server.tree()[1:]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with suppress(*LINK):
        await starting
    lost: list[HostError] = []
    again = await _begun(host, argv) if begun else None
    gate.touch()
    out, end = await collected(host, "once", lost, again)
    assert (out, end.state, end.exit_status) == (b"out\n", "ended", 5)
    assert note.read_text() == "run\n"
    await host.close()


async def _begun(host: Host, argv: list[str]) -> Begun:
    while True:
        with suppress(*LINK):
            return await detached.start(host, "once", argv, followed=True)


@pytest.mark.parametrize("at", ["trap : HUP", 'exec 3<"$t/in"', '&& ln "$t/pid"'], ids=["starts", "begins", "links"])
async def test_an_attempt_that_stood_still_does_not_run_what_another_has_begun(
    lab: SshdLab, server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    gate, note = tmp_path / "gate", tmp_path / "ran"
    stands = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    script = detached_scripts.START
    monkeypatch.setattr(
        detached_scripts, "START", script.replace(at, f"&& {stands} {at}" if "&&" in at else f"{stands}; {at}")
    )
    host = open_host("web", lab.host(server), lab.ssh())
    first = asyncio.create_task(detached.start(host, "once", ["sh", "-c", f"echo first >>{note}"], stdin=b"canary"))
    await until(lambda: list(server.folder.glob(".cache/lilfox/jobs/once/try.*/keep")))
    assert (await detached.look(host, "once")).state == "unbegun"
    monkeypatch.setattr(detached_scripts, "START", script)
    await detached.start(host, "once", ["sh", "-c", f"echo second >>{note}; sleep 1000"])
    gate.touch()
    assert (await first).look.state == "running"
    assert note.read_text() == "second\n"
    assert not list(server.folder.glob(".cache/lilfox/jobs/once/try.*"))
    await detached.cancel(host, "once")
    await host.close()


async def test_hang_ups_and_the_end_of_the_login_do_not_reach_it(lab: SshdLab, server: Sshd) -> None:
    host = open_host("web", lab.host(server), lab.ssh())
    begun = await detached.start(host, "stays", ["sleep", "1000"])
    assert begun.look.pid is not None
    assert os.getsid(begun.look.pid) == os.getpgid(begun.look.pid) == begun.look.pid
    keeper = int((server.folder / ".cache/lilfox/jobs/stays/pid").read_text().split()[3])
    assert os.getsid(keeper) == keeper
    pid = begun.look.pid
    await until(lambda: not _pipes(pid), what="the shell that starts it has become it")
    assert not _pipes(keeper) & _pipes_of_others(keeper), "nobody waits at the other end of what it still has open"
    await host.close()
    os.kill(begun.look.pid, 0)
    other = open_host("web", lab.host(server), lab.ssh())
    assert (await detached.look(other, "stays")).pid == begun.look.pid
    assert (await detached.cancel(other, "stays")).signal == "TERM"
    await other.close()


def _pipes(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(os.readlink(path))
    return {name for name in found if name.startswith(("pipe:", "socket:"))}


def _pipes_of_others(than: int) -> set[str]:
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return set().union(*(_pipes(pid) for pid in pids if pid != than))


@pytest.fixture
def disk() -> Iterator[Path]:
    """A home on a disk of 1 MiB; nothing is mounted there afterwards."""
    with tempfile.TemporaryDirectory(prefix="lilfox-home-") as made:
        point = Path(made) / "home"
        point.mkdir()
        argv = ["mount", "-t", "tmpfs", "-o", "mode=700,size=1m", "none", str(point)]
        if os.geteuid() != 0 or subprocess.run(argv, capture_output=True).returncode:
            pytest.skip("only root can mount")
        try:
            yield point
        finally:
            _end_all(point)
            subprocess.run(["umount", "-l", point], check=False)


def fill(disk: Path) -> Path:
    hog = disk / "hog"
    with hog.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)
    return hog


@pytest.mark.root
async def test_the_end_is_told_on_a_full_disk(disk: Path, lab: SshdLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(disk))
    host = open_host("here", HostConfig(local=True), lab.ssh())
    gate = disk.parent / "gate"
    await detached.start(host, "full", ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done; exit 7"])
    fill(disk)
    gate.touch()
    end = (await collected(host, "full", []))[1]
    assert (end.state, end.exit_status) == ("ended", 7)
    await host.close()


@pytest.mark.root
async def test_nothing_is_begun_on_a_full_disk_and_that_is_said(
    disk: Path, lab: SshdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(disk))
    host = open_host("here", HostConfig(local=True), lab.ssh())
    hog = fill(disk)
    for _ in range(2):
        with pytest.raises(NotBegun, match="No space left"):
            await detached.start(host, "full", ["touch", str(tmp_path / "ran")])
    assert not (tmp_path / "ran").exists()
    hog.unlink()
    await detached.start(host, "full", ["true"])
    assert (await collected(host, "full", []))[1].ok
    await host.close()


@pytest.mark.parametrize("at", ["detach=$1 j=$2", 'exec 3<"$t/in"'], ids=["keeper", "command"])
async def test_what_dies_before_it_runs_anything_is_known_not_to_have_run(
    lab: SshdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    killed = detached_scripts.START.replace(at, f"kill -9 $$\n{at}", 1)
    assert killed != detached_scripts.START
    monkeypatch.setattr(detached_scripts, "START", killed)
    host = open_host("here", HostConfig(local=True), lab.ssh())
    with pytest.raises(NotBegun):
        await detached.start(host, "dead", ["touch", str(tmp_path / "ran")])
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(home))
    await detached.start(host, "dead", ["touch", str(tmp_path / "ran")])
    assert (await collected(host, "dead", []))[1].ok
    await host.close()
    shutil.rmtree(home)
