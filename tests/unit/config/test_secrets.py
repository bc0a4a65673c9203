from __future__ import annotations

import asyncio
import os
import sys
import traceback
from pathlib import Path

import pytest

from lilfox_tui.config import secrets
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import LilFoxError
from tests.waiting import until

SECRET = "s3cr3t value"


async def refusal(ref: str) -> str:
    with pytest.raises(LilFoxError) as caught:
        await secrets.resolve(SecretRef(ref))
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown + repr(caught.value) + str(caught.value.hint)
    return str(caught.value)


@pytest.mark.fault("S28")
async def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST", SECRET)
    assert await secrets.resolve(SecretRef("env:LILFOX_TEST")) == SECRET
    monkeypatch.delenv("LILFOX_TEST")
    assert "env:LILFOX_TEST" in await refusal("env:LILFOX_TEST")


@pytest.mark.fault("S28")
@pytest.mark.parametrize(
    ("written", "secret"), [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a ")]
)
async def test_from_a_file_without_one_newline(tmp_path: Path, written: str, secret: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(written.encode())
    path.chmod(0o600)
    assert await secrets.resolve(SecretRef(f"file:{path}")) == secret


@pytest.mark.fault("S28")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
async def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(mode)
    said = "because others can change it" if mode & 0o002 else "not used, because other users can access it"
    assert said in await refusal(f"file:{path}")


async def test_files_that_hold_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    assert "cannot be read" in await refusal(f"file:{path}")
    assert "not a regular file" in await refusal(f"file:{tmp_path}")
    for raw, says in ((b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "64 KiB")):
        path.write_bytes(raw)
        path.chmod(0o600)
        assert says in await refusal(f"file:{path}")


@pytest.mark.fault("S6", "S28")
async def test_from_a_command_without_a_shell() -> None:
    assert await secrets.resolve(SecretRef("cmd:printf '%s\n' 's3cr3t value'")) == SECRET
    assert await secrets.resolve(SecretRef("cmd:echo $HOME; id")) == "$HOME; id"


async def test_a_command_reads_nothing() -> None:
    assert await secrets.resolve(SecretRef("cmd:sh -c 'read x || echo nothing'")) == "nothing"


@pytest.mark.fault("S28")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("sh -c 'echo s3cr3t value; echo s3cr3t value >&2; exit 3'", "status 3"),
        ("/nowhere/pass", "cannot be started"),
        ("echo 'open", "unclosed quote"),
        (" ", "no command given"),
        ("true", "empty"),
    ],
)
async def test_a_command_that_fails_says_how_and_not_what_it_printed(command: str, says: str) -> None:
    ref = SecretRef(f"cmd:{command}")
    with pytest.raises(LilFoxError) as caught:
        await secrets.resolve(ref)
    assert says in str(caught.value)


async def test_endless_output_is_cut_off() -> None:
    assert "64 KiB" in await refusal("cmd:yes")


async def test_a_silent_command_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "COMMAND_TIMEOUT_S", 1.0)
    pids = tmp_path / "pids"
    code = f"import os,signal; os.fork(); open({str(pids)!r}, 'a').write(str(os.getpid()) + chr(10)); signal.pause()"
    assert "no answer within 1 s" in await refusal(f'cmd:{sys.executable} -c "{code}"')
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    await until(lambda: not any(_lives(pid) for pid in started), what="both processes have ended")


async def test_a_cancelled_command_is_ended(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    task = asyncio.create_task(secrets.resolve(SecretRef(f"cmd:sh -c 'echo $$ >{mark}; exec tail -f /dev/null'")))
    await until(lambda: mark.exists() and mark.read_text().strip())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _lives(int(mark.read_text()))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_proc_is_there_to_look_at() -> None:
    assert _lives(os.getpid())
