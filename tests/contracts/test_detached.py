"""Commands that outlive the link: what holds over this machine with each sh, and over a real sshd."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lilfox_tui.core.errors import NotBegun, StillRuns
from lilfox_tui.hosts import detached
from tests.contracts.detached_places import Place, followed, lab, place
from tests.waiting import until

__all__ = ["lab", "place"]

NASTY = ["a'b", 'c"d', "e\\f", "g!h", "i\nj", "", "$HOME `id` *", "中文é", "-n"]
WEEK_S = 7 * 24 * 3600


async def test_a_command_is_begun_followed_and_forgotten(place: Place) -> None:
    host = place.host
    assert (await detached.look(host, "one")).state == "absent"
    begun = await detached.start(
        host, "one", ["sh", "-c", "echo out; echo err >&2; exit 3"], label="first\n\x1b[31m \\n \\c"
    )
    assert begun.look.id == "one"
    assert begun.look.pid is not None
    out, err, end = await followed(host, "one")
    assert (out, err) == (b"out\n", b"err\n")
    assert (end.state, end.exit_status, end.signal, end.ok, end.cancelled) == ("ended", 3, None, False, False)
    assert end.since is not None
    assert end.until is not None
    assert abs(end.since.timestamp() - time.time()) < 30
    assert end.until >= end.since
    assert end.label == "first␊␛[31m \\n \\c"
    assert (await detached.listing(host)) == [end]
    await detached.forget(host, "one")
    await detached.forget(host, "one")
    assert (await detached.look(host, "one")).state == "absent"
    assert not list(place.jobs.iterdir())


@pytest.mark.fault("S6")
async def test_arguments_stdin_environment_and_folder_arrive_as_they_are(place: Place, tmp_path: Path) -> None:
    data = bytes(range(256)) * 2000
    await detached.start(place.host, "in", ["cat"], stdin=data)
    await detached.start(place.host, "args", ["printf", "[%s]\\n", *NASTY])
    await detached.start(
        place.host, "env", ["sh", "-c", 'printf "%s %s" "$FOX" "$PWD"'], env={"FOX": "a'b\nc"}, cwd=str(tmp_path)
    )
    await detached.start_script(place.host, "script", 'echo "$2-$1"; cat', ["one", "t w o"], stdin=b"in")
    assert (await followed(place.host, "in"))[0] == data
    assert (await followed(place.host, "args"))[0].decode() == "".join(f"[{word}]\n" for word in NASTY)
    assert (await followed(place.host, "env"))[0].decode() == f"a'b\nc {tmp_path}"
    assert (await followed(place.host, "script"))[0] == b"t w o-one\nin"
    await detached.start(place.host, "folder", ["sh", "-c", 'echo "$LILFOX_JOB"'])
    assert (await followed(place.host, "folder"))[0].decode() == f"{place.folder('folder')}\n"
    await detached.start(place.host, "nowhere", ["true"], cwd="/no/such")
    assert (await followed(place.host, "nowhere"))[2].exit_status == 126
    await detached.start(place.host, "nothing", ["no-such-program"])
    assert (await followed(place.host, "nothing"))[2].exit_status == 127


@pytest.mark.fault("S37")
async def test_its_folder_is_for_its_user_alone_and_holds_no_secret(place: Place) -> None:
    await detached.start(
        place.host, "secret", ["sh", "-c", "read -r word; sleep 1000"], stdin=b"canary-in\n", env={"WORD": "canary-env"}
    )
    folder = place.folder("secret")
    await until(lambda: not list(folder.glob("try.*")), what="what begins it is gone")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not [path for path in files if b"canary" in path.read_bytes()]
    assert not [words for words in _argvs() if b"canary-in" in words or b"canary-env" in words]
    await detached.cancel(place.host, "secret")


def _argvs() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


async def test_an_id_runs_once_however_often_it_is_begun(place: Place, tmp_path: Path) -> None:
    note = tmp_path / "runs"
    argv = ["sh", "-c", f"echo run >>{note}; exit 4"]
    begun = await asyncio.gather(*(detached.start(place.host, "once", argv) for _ in range(5)))
    assert len({each.look.pid for each in begun}) == 1
    assert (await followed(place.host, "once"))[2].exit_status == 4
    assert (await detached.start(place.host, "once", argv)).look.state == "ended"
    assert note.read_text() == "run\n"
    assert not list(place.folder("once").glob("try.*"))


async def test_it_is_cancelled_with_all_of_its_group(place: Place, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    stubborn = (
        f"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >{note}; while :; do sleep 1; done' & wait; wait; sleep 100"
    )
    await detached.start(place.host, "gentle", ["sleep", "1000"])
    await detached.start(place.host, "stubborn", ["sh", "-c", stubborn])
    await until(lambda: note.exists() and note.read_text().strip())
    gentle = await detached.cancel(place.host, "gentle")
    assert (gentle.state, gentle.exit_status, gentle.signal, gentle.cancelled) == ("ended", 143, "TERM", True)
    with pytest.raises(StillRuns, match="stubborn is running on"):
        await detached.forget(place.host, "stubborn")
    killed = await detached.cancel(place.host, "stubborn")
    assert (killed.state, killed.signal) == ("ended", "KILL")
    assert not _runs(int(note.read_text()))
    assert await detached.cancel(place.host, "gentle") == gentle


async def test_one_that_ended_is_not_cancelled_and_one_that_was_cancelled_before_never_runs(
    place: Place, tmp_path: Path
) -> None:
    await detached.start(place.host, "quick", ["true"])
    await followed(place.host, "quick")
    assert not (await detached.cancel(place.host, "quick")).cancelled
    early = await detached.cancel(place.host, "early")
    assert (early.state, early.exit_status, early.cancelled) == ("ended", None, True)
    late = (await detached.start(place.host, "early", ["touch", str(tmp_path / "ran")])).look
    assert (late.state, late.cancelled) == ("ended", True)
    assert not (tmp_path / "ran").exists()


async def test_signals_reach_it_as_they_reach_a_command_of_a_login(place: Place, tmp_path: Path) -> None:
    """Where there is only BusyBox, INT and QUIT stay ignored, as in all that its sh has in the background."""
    await detached.start(place.host, "signals", ["sh", "-c", "grep SigIgn: /proc/self/status"], followed=True)
    out = (await followed(place.host, "signals"))[0]
    ignored = int(out.split()[1], 16)
    only_busybox = tmp_path / "bin" / "setsid"
    expected = 0b110 if only_busybox.exists() else 0
    assert ignored & 0b1_0000_0000_0110 == expected, "INT, QUIT, PIPE"


async def test_several_are_forgotten_at_once_but_for_those_that_run(place: Place) -> None:
    for job, argv in (("one", ["true"]), ("runs", ["sleep", "1000"]), ("two", ["true"])):
        await detached.start(place.host, job, argv, followed=True)
    with pytest.raises(StillRuns, match="runs is running on"):
        await detached.forget(place.host, "one", "runs", "none", "two")
    assert [each.id for each in await detached.listing(place.host)] == ["runs"]
    await detached.cancel(place.host, "runs")
    await detached.forget(place.host, "runs")


async def test_a_child_that_holds_the_output_does_not_hold_the_end(place: Place) -> None:
    await detached.start(place.host, "daemon", ["sh", "-c", "sleep 1000 & echo $!; exit 5"])
    out, _, end = await followed(place.host, "daemon")
    assert end.exit_status == 5
    os.kill(int(out), signal.SIGKILL)


async def test_one_whose_keeper_is_killed_runs_on_and_its_end_is_not_known(place: Place, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = f"trap '' HUP; while [ ! -e {gate} ]; do sleep 0.05; done; echo done"
    begun = await detached.start(place.host, "kept", ["sh", "-c", script])
    keeper = int((place.folder("kept") / "pid").read_text().split()[3])
    os.kill(keeper, signal.SIGKILL)
    assert (await detached.look(place.host, "kept")).state == "running"
    gate.touch()
    out, _, end = await followed(place.host, "kept")
    assert (out, end.state, end.exit_status, end.pid) == (b"done\n", "gone", None, begun.look.pid)
    assert [each.state for each in await detached.listing(place.host)] == ["gone"]
    await detached.forget(place.host, "kept")


async def test_a_killed_command_is_told_by_its_signal(place: Place) -> None:
    begun = await detached.start(place.host, "killed", ["sleep", "1000"])
    assert begun.look.pid is not None
    os.kill(begun.look.pid, signal.SIGKILL)
    end = (await followed(place.host, "killed"))[2]
    assert (end.state, end.exit_status, end.signal, end.cancelled) == ("ended", 137, "KILL", False)


@pytest.mark.parametrize("what", ["boot", "start"])
async def test_a_pid_of_before_the_boot_or_of_another_process_is_not_taken_for_it(place: Place, what: str) -> None:
    await detached.start(place.host, "old", ["sleep", "1000"])
    record = place.folder("old") / "pid"
    words = record.read_text().split()
    changed = words.copy()
    for index in {"boot": [5], "start": [2, 4]}[what]:
        changed[index] = "12345678"
    record.write_text(" ".join(changed) + "\n")
    assert (await detached.look(place.host, "old")).state == "gone"
    await detached.cancel(place.host, "old")
    assert _runs(int(words[1]))
    record.write_text(" ".join(words) + "\n")
    assert (await detached.cancel(place.host, "old")).state == "ended"


async def test_what_was_cut_before_it_ran_is_unbegun_and_can_be_begun_again(place: Place) -> None:
    attempt = place.folder("cut") / "try.abcdef"
    attempt.mkdir(parents=True)
    (attempt / "run").write_text("export X=canary")
    assert (await detached.look(place.host, "cut")).state == "unbegun"
    await detached.start(place.host, "cut", ["echo", "ran"])
    assert (await followed(place.host, "cut"))[0] == b"ran\n"
    assert not attempt.exists()


@pytest.mark.fault("S37")
async def test_those_that_ended_a_week_ago_are_forgotten_and_those_that_run_are_not(place: Place) -> None:
    for name in ("old", "new"):
        await detached.start(place.host, name, ["true"])
        await followed(place.host, name)
    await detached.start(place.host, "runs", ["sleep", "1000"])
    before = time.time() - WEEK_S - 2 * 24 * 3600
    for path in (place.folder("old") / "status", place.folder("runs"), place.folder("runs") / "pid"):
        os.utime(path, (before, before))
    (place.folder("torn")).mkdir()
    os.utime(place.folder("torn"), (before, before))
    await detached.start(place.host, "last", ["true"])
    await followed(place.host, "last")
    await detached.forget(place.host, "last")
    assert [each.id for each in await detached.listing(place.host)] == ["new", "runs"]
    await detached.cancel(place.host, "runs")


async def test_a_folder_that_cannot_be_made_says_so_and_nothing_runs(place: Place, tmp_path: Path) -> None:
    place.jobs.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(place.jobs, ignore_errors=True)
    place.jobs.write_text("in the way")
    with pytest.raises(NotBegun, match=r"none was not started on \w+: "):
        await detached.start(place.host, "none", ["touch", str(tmp_path / "ran")])
    assert not (tmp_path / "ran").exists()
    place.jobs.unlink()


@pytest.mark.parametrize("job", ["", "../x", "a b", "-n", ".x", "x" * 101, "a\n", "$(id)"])
async def test_no_other_word_is_an_id(place: Place, job: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(job))):
        await detached.look(place.host, job)


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    return False
