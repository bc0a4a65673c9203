"""What every Host keeps, over this machine, a real sshd and the scripted host."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import CommandFailed, CommandTimeout, FileRefused, HostError
from lilfox_tui.hosts.base import Completed, Host
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.open import open_host
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import until

LOOP = 'while read -r tick words; do echo "heard $words"; echo "@@LILFOX-END@@ $tick"; done'
NASTY = ["a'b", 'c"d', "e\\f", "g!h", "i\nj", "", "$HOME `id` *", "~", "中文é", "\\'", "-n"]
SLEEPER = "trap '' TERM HUP; echo $$; sleep 1000 & wait; sleep 1000"


def fake() -> FakeHost:
    """The scripted host with the answers that these tests ask for."""
    lines = "".join(f"[{word}]\n" for word in NASTY).encode()
    return FakeHost(
        answers={
            "cat": lambda call: call[1],
            "printf '[%s]\\n' " + shlex.join(NASTY): lines,
            "sh -c 'echo out; echo err >&2; exit 3'": Completed((), 3, None, b"out\n", b"err\n"),
            "sh -c 'kill -9 $$'": Completed((), None, "KILL", b"", b""),
            "yes": b"y\n" * 100_000,
            'printf "%s-%s" "$2" "$1"': b"two-one",
            "seq 3": b"1\n2\n3\n",
        },
        loop_answer=lambda words: f"heard {words}\n".encode(),
        hanging=["sleep 1000"],
    )


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture(params=["local", "ssh", "fake"])
async def host(request: pytest.FixtureRequest, lab: SshdLab) -> AsyncIterator[Host]:
    made: Host
    if request.param == "fake":
        made = fake()
    elif request.param == "local":
        made = open_host("here", HostConfig(local=True), lab.ssh())
    else:
        made = open_host("there", lab.host(lab.servers[0]), lab.ssh())
    yield made
    await made.close()


async def test_a_host_says_that_it_is_linked(host: Host) -> None:
    await host.connect()
    link = host.link.value
    assert link is not None
    assert link.description
    assert link.since.tzinfo is not None


@pytest.mark.fault("S6", "S7")
async def test_arguments_arrive_as_they_are(host: Host) -> None:
    done = await host.run(["printf", "[%s]\\n", *NASTY])
    assert done.stdout.decode() == "".join(f"[{word}]\n" for word in NASTY)
    assert done.ok


async def test_status_and_both_streams_are_told_apart(host: Host) -> None:
    done = await host.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.exit_status, done.signal, done.stdout, done.stderr) == (3, None, b"out\n", b"err\n")


async def test_a_signal_is_no_exit_status(host: Host) -> None:
    done = await host.run(["sh", "-c", "kill -9 $$"])
    assert (done.exit_status, done.signal, done.ok) == (None, "KILL", False)


async def test_an_unknown_program_ends_with_127(host: Host) -> None:
    done = await host.run(["no-such-program-here"])
    assert done.exit_status == 127
    assert b"not found" in done.stderr or b"No such file" in done.stderr


async def test_stdin_arrives_whole_and_is_closed(host: Host) -> None:
    data = bytes(range(256)) * 1000
    assert (await host.run(["cat"], stdin=data)).stdout == data
    assert (await host.run(["cat"])).stdout == b""


async def of(*blocks: bytes) -> AsyncGenerator[bytes, None]:
    for block in blocks:
        yield block


async def test_what_is_poured_arrives_whole_and_its_end_is_seen(host: Host) -> None:
    data = bytes(range(256)) * 4000
    done = await host.stream_stdin(["cat"], of(data[:1], b"", data[1:500_000], data[500_000:]))
    assert done.ok
    assert done.stdout == data
    assert (await host.stream_stdin(["cat"], of())).stdout == b""


async def test_what_the_poured_blocks_raise_goes_up(host: Host) -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"half"
        raise ZeroDivisionError("the source")

    with pytest.raises(ZeroDivisionError, match="the source"):
        await host.stream_stdin(["cat"], failing())
    assert not host.lost


@pytest.mark.fault("S17")
async def test_output_past_the_limit_is_cut_and_the_command_ended(host: Host) -> None:
    done = await host.run(["yes"], limit_bytes=1000, timeout_s=10)
    assert (done.truncated, len(done.stdout), done.exit_status) == (True, 1000, None)


async def test_a_script_gets_its_arguments(host: Host) -> None:
    assert (await host.run_script('printf "%s-%s" "$2" "$1"', ["one", "two"])).stdout == b"two-one"


@pytest.mark.fault("S17")
async def test_a_command_that_is_too_slow_says_so(host: Host) -> None:
    with pytest.raises(CommandTimeout, match="sleep did not finish within"):
        await host.run(["sleep", "1000"], timeout_s=0.3)
    assert not host.lost


async def test_a_stream_ends_with_its_command_or_raises(host: Host) -> None:
    async with aclosing(host.stream(["seq", "3"])) as blocks:
        assert b"".join([block async for block in blocks]) == b"1\n2\n3\n"
    with pytest.raises(HostError, match="err"):
        async with aclosing(host.stream(["sh", "-c", "echo out; echo err >&2; exit 3"])) as blocks:
            assert [block async for block in blocks] == [b"out\n"]


async def test_a_stream_reads_its_stdin(host: Host) -> None:
    data = bytes(range(256)) * 1000
    async with aclosing(host.stream(["cat"], stdin=data)) as blocks:
        assert b"".join([block async for block in blocks]) == data


async def test_a_loop_answers_each_question(host: Host) -> None:
    async with host.loop(LOOP) as loop:
        for words in ("one two", "three"):
            assert await loop.ask(words, timeout_s=60) == f"heard {words}\n".encode()


async def test_files_are_read_in_part_and_refused_by_name(host: Host, tmp_path: Path) -> None:
    path = tmp_path / "a file's name"
    path.write_bytes(b"0123456789")
    if isinstance(host, FakeHost):
        host.files[str(path)] = b"0123456789"
    assert await host.read_file(str(path)) == b"0123456789"
    assert await host.read_file(str(path), offset=3, limit_bytes=4) == b"3456"
    with pytest.raises(FileRefused, match="No such file"):
        await host.read_file(str(tmp_path / "none"))


async def test_many_calls_at_once_do_not_mix(host: Host) -> None:
    sent = [str(number).encode() * 5000 for number in range(20)]
    done = await asyncio.gather(*(host.run(["cat"], stdin=data) for data in sent))
    assert [answer.stdout for answer in done] == sent


def runs(pid: int) -> bool:
    """Whether a process of that number runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(params=["local", "ssh"])
async def real(request: pytest.FixtureRequest, lab: SshdLab) -> AsyncIterator[Host]:
    config = HostConfig(local=True) if request.param == "local" else lab.host(lab.servers[0])
    made = open_host("real", config, lab.ssh())
    yield made
    await made.close()


async def test_a_cancelled_command_that_ignores_term_is_gone(real: Host, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    running = asyncio.create_task(real.run(["sh", "-c", f"exec >{note}; {SLEEPER}"]))
    await until(lambda: note.exists() and note.read_text().strip())
    pid = int(note.read_text())
    assert runs(pid)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not runs(pid)
    assert not real.lost


async def test_closing_a_stream_ends_its_command(real: Host) -> None:
    async with aclosing(real.stream(["sh", "-c", "echo $$; exec sleep 1000"])) as blocks:
        pid = int(await anext(blocks))
        assert runs(pid)
    assert not runs(pid)


async def test_env_reaches_the_command_and_no_command_line(real: Host) -> None:
    script = 'printf %s "$CANARY"; cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " " | grep -c "kept-out-[o]f-sight"'
    done = await real.run(["sh", "-c", script], env={"CANARY": "kept-out-of-sight"})
    assert done.stdout == b"kept-out-of-sight0\n"


async def test_a_loop_that_hangs_is_a_timeout(real: Host) -> None:
    async with real.loop("sleep 1000; read x") as loop:
        with pytest.raises(CommandTimeout):
            await loop.ask("", timeout_s=0.3)


async def endless(asked: list[int]) -> AsyncGenerator[bytes, None]:
    """Counts in ``asked`` the blocks that were asked for."""
    while True:
        asked.append(1)
        yield bytes(256 * 1024)


async def test_half_a_stream_is_never_taken_for_a_whole_one(real: Host, tmp_path: Path) -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"half\n"
        await until(lambda: note.exists() and note.read_text() == "half\n")
        raise ZeroDivisionError

    note, whole = tmp_path / "seen", tmp_path / "whole"
    with pytest.raises(ZeroDivisionError):
        await real.stream_stdin(
            ["sh", "-c", 'read -r line; echo "$line" >"$1"; cat; : >"$2"', "sh", str(note), str(whole)], failing()
        )
    assert note.exists()
    assert not whole.exists()
    assert not real.lost


async def test_a_command_may_end_before_it_has_read_all(real: Host) -> None:
    asked: list[int] = []
    async with aclosing(endless(asked)) as blocks:
        done = await real.stream_stdin(["sh", "-c", "head -c 1000000 | wc -c; echo no >&2; exit 3"], blocks)
    assert (done.exit_status, done.stdout.strip(), done.stderr) == (3, b"1000000", b"no\n")
    assert len(asked) < 100


async def test_a_command_ends_although_the_blocks_do_not_come(real: Host) -> None:
    async def silent() -> AsyncGenerator[bytes, None]:
        yield b"one\n"
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        done = await real.stream_stdin(["sh", "-c", "read -r line; echo $line"], silent())
    assert done.stdout == b"one\n"


async def test_a_command_that_does_not_read_stops_the_blocks(real: Host) -> None:
    asked: list[int] = []
    async with aclosing(endless(asked)) as blocks:
        pouring = asyncio.create_task(real.stream_stdin(["sleep", "1000"], blocks))
        await until(lambda: asked)
        with pytest.raises(AssertionError):
            await until(lambda: len(asked) > 40, timeout_s=1)
        pouring.cancel()
        await asyncio.wait([pouring])
    assert pouring.cancelled()
    assert not real.lost


async def test_a_signal_tells_how_a_poured_or_streamed_command_ended(real: Host) -> None:
    async with aclosing(endless([])) as blocks:
        done = await real.stream_stdin(["sh", "-c", "read -r line; kill -KILL $$"], one_line_then(blocks))
    assert (done.exit_status, done.signal, done.ok) == (None, "KILL", False)
    with pytest.raises(CommandFailed) as ended:
        async with aclosing(real.stream(["sh", "-c", "echo half; kill -KILL $$"])) as blocks:
            assert b"".join([block async for block in blocks]) == b"half\n"
    assert ended.value.outcome == "KILL"
    with pytest.raises(CommandFailed) as ended:
        async with aclosing(real.stream(["sh", "-c", "echo half; exit 3"])) as blocks:
            assert b"".join([block async for block in blocks]) == b"half\n"
    assert ended.value.outcome == 3


async def one_line_then(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield b"\n"
    async for block in blocks:
        yield block


async def test_poured_output_past_the_limit_ends_the_command(real: Host) -> None:
    asked: list[int] = []
    async with aclosing(endless(asked)) as blocks:
        done = await real.stream_stdin(["cat"], blocks, limit_bytes=1000)
    assert (done.truncated, len(done.stdout), done.exit_status) == (True, 1000, None)


async def test_an_unknown_program_can_be_poured_into(real: Host) -> None:
    async with aclosing(endless([])) as blocks:
        assert (await real.stream_stdin(["no-such-program-here"], blocks)).exit_status == 127
