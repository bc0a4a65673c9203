"""What a power cut may leave of a command's end on its host's disk: that end is never made up of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from tests.waiting import pause, until

LOGS = '#!/bin/sh\necho "{0} $*" >>{1}\nPATH=/usr/bin:/bin exec {0} "$@"\n'


@pytest.fixture
async def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Host]:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    made = open_host("here", HostConfig(local=True), SshConfig())
    yield made
    await made.close()


async def ended(host: Host, *argv: str) -> None:
    await detached.start(host, "one", argv)

    async def there() -> bool:
        return (await detached.look(host, "one")).state == "ended"

    while not await there():
        await pause()


@pytest.mark.parametrize("left", ["", f"{0:063d}\n", "1 0", "1 0 17000"], ids=["empty", "room", "torn", "torn later"])
async def test_an_end_that_the_disk_has_lost_is_unknown(host: Host, tmp_path: Path, left: str) -> None:
    """Its name may be on the disk before what stands in it: then there is nothing, or the room that was taken."""
    await ended(host, "sh", "-c", "exit 7")
    assert (await detached.look(host, "one")).exit_status == 7
    (tmp_path / ".cache/lilfox/jobs/one/status").write_text(left)
    look = await detached.look(host, "one")
    assert (look.state, look.exit_status) == ("gone", None)
    assert (await detached.start(host, "one", ["false"])).look.state == "gone", "it never runs again"


async def test_what_stands_in_an_end_is_on_the_disk_before_its_name_is(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for program in ("sync", "mv"):
        wrapped = tmp_path / "bin" / program
        wrapped.write_text(LOGS.format(program, log))
        wrapped.chmod(0o755)
    await ended(host, "true")
    await until(lambda: log.read_text().rstrip().endswith("/one"))
    lines = log.read_text().splitlines()
    (named,) = (at for at, line in enumerate(lines) if line.startswith("mv") and line.endswith("/one/status"))
    part = lines[named].split()[-2]
    assert f"sync {part}" in lines[:named]
    assert any(
        line.startswith("sync") and line.endswith("/one/status " + str(Path(part).parent)) for line in lines[named:]
    )


async def test_a_pid_that_the_disk_has_lost_is_unknown_and_does_not_run_again(host: Host, tmp_path: Path) -> None:
    """Its name may be on the disk before what stands in it: only then is it run, but nobody can tell any more."""
    await ended(host, "true")
    folder = tmp_path / ".cache/lilfox/jobs/one"
    (folder / "status").unlink()
    (folder / "pid").write_text("")
    assert (await detached.look(host, "one")).state == "gone"
    begun = await detached.start(host, "one", ["touch", str(tmp_path / "ran")])
    assert (begun.look.state, begun.look.pid) == ("gone", None)
    assert [each.state for each in await detached.listing(host)] == ["gone"]
    assert not (tmp_path / "ran").exists()
    await detached.forget(host, "one")
    assert (await detached.look(host, "one")).state == "absent"


async def test_the_pid_is_on_the_disk_before_the_command_runs(host: Host, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for program in ("sync", "ln", "touch"):
        wrapped = tmp_path / "bin" / program
        wrapped.write_text(LOGS.format(program, log))
        wrapped.chmod(0o755)
    await ended(host, "touch", str(tmp_path / "ran"))
    folder = tmp_path / ".cache/lilfox/jobs/one"
    linked, synced, ran, *_ = log.read_text().splitlines()
    assert (linked.split()[0], linked.split()[-1]) == ("ln", f"{folder}/pid")
    assert synced == f"sync {folder}/pid {folder}"
    assert ran == f"touch {tmp_path / 'ran'}"
