"""SSH hosts that freeze, die, have no room, or lose their link: what the row says, and what is left on the host."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import (  # fmt: skip
    AuthRefused,
    CommandTimeout,
    CommandUnknown,
    HostKeyChanged,
    HostUnreachable,
    LilFoxError,
)
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.hosts.shell_words import END_GROUP
from lilfox_tui.hosts.ssh import link
from lilfox_tui.hosts.ssh.host import SshHost
from tests.faults.relay import Relay
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import turn, until

LOOP = 'while read -r n w; do echo "$w"; echo "@@LILFOX-END@@ $n"; done'


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def running(*commands: str) -> list[str]:
    """Which of these command lines run on this machine."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(file.read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace"))
    return [command for command in commands if command in found]


def down(host: Host, kind: type[Exception]) -> bool:
    state = host.link.state
    return isinstance(state, Unavailable) and isinstance(state.error, kind)


async def test_a_killed_server_is_named_and_comes_back_by_itself(lab: SshdLab) -> None:
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh())
    kept = asyncio.create_task(host.keep_connected())
    await until(lambda: isinstance(host.link.state, Ready))
    server.kill()
    await until(lambda: down(host, HostUnreachable) and "refuses" in str(host.link.state.error))  # type: ignore[union-attr]
    state = host.link.state
    assert isinstance(state, Unavailable)
    assert state.next_try is not None
    assert (state.next_try - datetime.now(UTC)).total_seconds() < 1.5
    assert state.since <= datetime.now(UTC)
    server.start()
    await until(lambda: isinstance(host.link.state, Ready))
    assert (await host.run(["echo", "back"])).stdout == b"back\n"
    kept.cancel()
    await asyncio.wait([kept])
    await host.close()


async def test_a_frozen_server_is_noticed_by_the_loop_and_by_keepalive(lab: SshdLab) -> None:
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh(keepalive=0.3))
    async with host.loop(LOOP) as loop:
        assert await loop.ask("a", timeout_s=60) == b"a\n"
        server.freeze()
        with pytest.raises(CommandTimeout, match=r"web did not answer within 0\.2 s"):
            await loop.ask("b", timeout_s=0.2)
        kept = asyncio.create_task(host.keep_connected())
        await until(lambda: down(host, HostUnreachable), what="keepalive notices")
    server.thaw()
    await until(lambda: isinstance(host.link.state, Ready))
    kept.cancel()
    await asyncio.wait([kept])
    await host.close()


async def test_a_new_key_and_a_lost_right_stop_the_tries_until_told(lab: SshdLab) -> None:
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh())
    kept = asyncio.create_task(host.keep_connected())
    await until(lambda: isinstance(host.link.state, Ready))
    server.rekey()
    await until(lambda: down(host, HostKeyChanged))
    state = host.link.state
    assert isinstance(state, Unavailable)
    assert state.next_try is None
    with pytest.raises(HostKeyChanged):
        await host.run(["true"])
    lab.known_hosts.write_text(server.known_line())
    public = lab.client_key.with_suffix(".pub")
    allowed = public.read_text()
    public.write_text("")
    tried = server.log.count("Connection from")
    host.retry_now()
    await until(lambda: down(host, AuthRefused))
    public.write_text(allowed)
    host.retry_now()
    await until(lambda: isinstance(host.link.state, Ready))
    assert server.log.count("Connection from") == tried + 2
    kept.cancel()
    await asyncio.wait([kept])
    await host.close()


async def test_who_retries_in_the_moment_of_a_refusal_is_heard(lab: SshdLab, monkeypatch: pytest.MonkeyPatch) -> None:
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh())
    public, tell = lab.client_key.with_suffix(".pub"), host.link.fail
    allowed = public.read_text()

    def tell_who_acts(error: LilFoxError, **more: datetime) -> None:
        tell(error, **more)
        public.write_text(allowed)
        host.retry_now()

    monkeypatch.setattr(host.link, "fail", tell_who_acts)
    public.write_text("")
    kept = asyncio.create_task(host.keep_connected())
    await until(lambda: isinstance(host.link.state, Ready))
    kept.cancel()
    await asyncio.wait([kept])
    await host.close()


@pytest.mark.fault("4.98")
@pytest.mark.parametrize("slow", [False, True], ids=["", "slow-to-end"])
async def test_a_command_whose_link_was_cut_is_unknown_and_ended_at_the_next_connect(
    lab: SshdLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    server = lab.sshd()
    host = SshHost("web", lab.host(server), lab.ssh())
    note = tmp_path / "pid"
    script = f"trap '' TERM HUP PIPE; echo $$ >{note}; while :; do sleep 1000; done"
    running = asyncio.create_task(host.run(["sh", "-c", script]))
    await until(lambda: note.exists() and note.read_text().strip())
    await until(lambda: any(command.group for command in host._running), what="its group is heard of here too")
    pid = int(note.read_text())
    try:
        server.kill()
        with pytest.raises(CommandUnknown, match="was lost while sh was running") as unknown:
            await running
        assert unknown.value.pid == pid
        assert [(lost.pid, lost.argv[0]) for lost in host.lost] == [(pid, "sh")]
        assert runs(pid)
        server.start()
        with monkeypatch.context() as patched:
            if slow:  # a busy host has no time for it within the limit
                patched.setattr(link, "END_S", 0.0)
            await host.connect()
            assert host._ending is not None
            await asyncio.wait([host._ending])
            assert host.lost or not slow
        await until(lambda: not host.lost)
        assert not runs(pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        await host.close()


async def test_what_a_silent_link_has_left_is_ended_before_anything_new_is_started(
    lab: SshdLab, tmp_path: Path
) -> None:
    """A stream, a poured command and a loop: each is of unknown fate, and the server would keep them for long."""
    server = lab.sshd()
    async with Relay(server) as relay:
        with lab.known_hosts.open("a") as known:
            known.write(relay.known_line())
        host = open_host("web", lab.host(server, address=relay.address, port=relay.port), lab.ssh())
        pids = [tmp_path / name for name in ("stream", "pour", "loop")]
        script = "echo $$ >{}; trap '' TERM HUP PIPE; while :; do sleep 1000; done"
        streaming = asyncio.create_task(_read_all(host, ["sh", "-c", script.format(pids[0])]))
        pouring = asyncio.create_task(host.stream_stdin(["sh", "-c", script.format(pids[1])], _silence()))
        asking = asyncio.create_task(_ask(host, script.format(pids[2])))
        try:
            await until(lambda: all(note.exists() and note.read_text().strip() for note in pids))
            await until(lambda: all(process.group for process in host._running), what="their groups are known here")
            relay.cut()
            lost = await asyncio.wait_for(asyncio.gather(streaming, pouring, asking, return_exceptions=True), 60)
            assert isinstance(lost[0], CommandUnknown)
            assert isinstance(lost[1], CommandUnknown)
            assert isinstance(lost[2], HostUnreachable)
            assert lost[2].link_lost
            assert sorted(str(each.pid) for each in host.lost) == sorted(note.read_text().strip() for note in pids)
            assert all(runs(int(note.read_text())) for note in pids)
            relay.mend()
            assert (await host.run(["true"])).ok
            assert not host.lost
            assert not any(runs(int(note.read_text())) for note in pids)
        finally:
            for note in pids:
                with suppress(ProcessLookupError, ValueError):
                    os.killpg(int(note.read_text()), signal.SIGKILL)
            await host.close()


async def _read_all(host: Host, argv: list[str]) -> None:
    async with aclosing(host.stream(argv)) as blocks:
        async for _block in blocks:
            """Nothing comes."""


async def _silence() -> AsyncGenerator[bytes, None]:
    await asyncio.Event().wait()
    yield b""


async def _ask(host: Host, script: str) -> None:
    async with host.loop(script) as loop:
        await loop.ask("x", timeout_s=60)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else, in a group of its own."""
    other = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield other
    other.kill()
    other.wait()


async def test_a_number_given_to_somebody_else_is_not_signalled(lab: SshdLab, sleeper: subprocess.Popen[bytes]) -> None:
    host = open_host("web", lab.host(lab.sshd()), lab.ssh())
    assert (await host.run(["sh", "-c", END_GROUP, "sh", str(sleeper.pid), "1"])).ok
    assert sleeper.poll() is None
    stat = await host.read_file(f"/proc/{sleeper.pid}/stat")
    started = stat.decode().rpartition(")")[2].split()[19]
    assert (await host.run(["sh", "-c", END_GROUP, "sh", str(sleeper.pid), started])).ok
    assert sleeper.wait(60) == -signal.SIGTERM
    await host.close()


async def test_few_sessions_are_waited_for(lab: SshdLab) -> None:
    host = open_host("web", lab.host(lab.sshd("MaxSessions 2")), lab.ssh())
    async with host.loop(LOOP) as loop:
        done = await asyncio.gather(*(host.run(["echo", str(number)]) for number in range(8)))
        assert [answer.stdout for answer in done] == [f"{number}\n".encode() for number in range(8)]
        assert await loop.ask("x", timeout_s=60) == b"x\n"
        with pytest.raises(CommandTimeout):
            await host.run(["sh", "-c", "trap '' TERM; sleep 997; sleep 998"], timeout_s=0.3)
        assert not host.lost
    await host.close()
    assert not running("sleep 997", "sleep 998")


async def test_files_are_read_without_sftp(lab: SshdLab, tmp_path: Path) -> None:
    host = open_host("web", lab.host(lab.sshd("Subsystem sftp /nonexistent")), lab.ssh())
    path = tmp_path / "file"
    path.write_bytes(b"there")
    assert await host.read_file(str(path)) == b"there"
    await host.close()


@pytest.mark.fault("S17")
async def test_a_flood_is_read_in_bounded_memory(lab: SshdLab) -> None:
    host = open_host("web", lab.host(lab.sshd()), lab.ssh())
    done = await host.run(["sh", "-c", "yes; yes >&2"], limit_bytes=100_000)
    assert done.truncated
    assert len(done.stdout) == 100_000
    await host.close()


async def test_a_machine_that_slept_asks_its_connection_at_once(lab: SshdLab, monkeypatch: pytest.MonkeyPatch) -> None:
    from lilfox_tui.hosts.ssh import link

    slept = 0.0
    monkeypatch.setattr(link, "LOOK_S", 0.05)
    monkeypatch.setattr(link.SshLink.__init__, "__kwdefaults__", {"asleep": lambda: slept})
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh(keepalive=0.3, keepalive_max=1000))
    kept = asyncio.create_task(host.keep_connected())
    await until(lambda: isinstance(host.link.state, Ready))
    server.freeze()
    slept = 3600.0
    await until(lambda: down(host, HostUnreachable), what="it is lost; keepalive alone takes 300 s")
    server.thaw()
    await until(lambda: isinstance(host.link.state, Ready))
    kept.cancel()
    await asyncio.wait([kept])
    await host.close()


async def test_a_port_of_the_host_is_here(lab: SshdLab) -> None:
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh())
    async with host.forward(server.port, server.address) as (address, port):
        reader, writer = await asyncio.open_connection(address, port)
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        writer.close()
        await writer.wait_closed()
    await host.close()


async def test_a_port_of_the_host_is_refused_when_the_link_is_lost_and_what_it_carried_ends(lab: SshdLab) -> None:
    """Who asked has not to wait for a time-out, and sees that a new port is needed."""
    server, other = lab.sshd(), lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh())
    async with host.forward(other.port, other.address) as (address, port):
        reader, writer = await asyncio.open_connection(address, port)
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        server.kill()
        with suppress(OSError):
            await asyncio.wait_for(reader.read(), 60)
        async with asyncio.timeout(60):
            while await _listens(address, port):
                pass
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    await host.close()


async def _listens(address: str, port: int) -> bool:
    try:
        _reader, writer = await asyncio.open_connection(address, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def test_sessions_that_are_left_twice_while_they_open_stay_with_nobody(lab: SshdLab) -> None:
    """Left by a time limit and by who waits for it, say; the server opens ten, and each one that stays is one less."""
    host = open_host("web", lab.host(lab.sshd()), lab.ssh())
    await host.connect()
    for turns in range(10, 40):
        running = asyncio.ensure_future(host.run(["sleep", "600"]))
        for _number in range(turns):
            await turn()
        running.cancel()
        await turn()
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
    assert (await host.run(["echo", "there is room"])).stdout == b"there is room\n"
    await host.close()


async def test_the_end_of_a_link_ends_what_it_carries_to_a_socket(lab: SshdLab, tmp_path: Path) -> None:
    taken: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def take(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.put_nowait(writer)

    place = str(tmp_path / "it.sock")
    listening = await asyncio.start_unix_server(take, place)
    server = lab.sshd()
    host = open_host("h", lab.host(server), lab.ssh())
    try:
        async with asyncio.timeout(20), host.connect_unix(place) as (reader, _writer):
            there = await taken.get()
            server.kill()
            assert await reader.read() == b""
            there.transport.abort()
    finally:
        await host.close()
        listening.close()
