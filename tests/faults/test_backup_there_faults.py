"""What is dumped on the store's own host, when the link goes and when the run is killed: FAULTS 14, 15."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyrage
import pytest

from lilfox_tui.backup import effects
from lilfox_tui.backup.postgresql.content import DatabaseSnapshot
from lilfox_tui.backup.remote_dump import PIPELINE
from lilfox_tui.backup.store import BackupError
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.jobs.model import Level, Outcome
from tests.faults.linked_backup import Watched
from tests.faults.near_backup import Near, near
from tests.services.postgres import Postgres
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs, kill, said
from tests.waiting import until, wait_for

__all__ = ["jobs"]
pytestmark = pytest.mark.root
MB = 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres() as made:
        yield made


@pytest.fixture(scope="module")
def ssh() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture
async def lab(tmp_path: Path, server: Postgres, ssh: SshdLab) -> AsyncIterator[Near]:
    async with near(tmp_path, server, ssh, ssh.servers[0]) as made:
        yield made


class There(Watched):
    """Closes the gate, does ``act`` once 1 MB is stored there, and opens it when told that the link was lost."""

    def __init__(self, lab: Near, act: Callable[[], object], then: Callable[[], object] = lambda: None) -> None:
        super().__init__(lambda kind, text, size: kind == "moved" and size >= MB, act)
        lab.gate.unlink()
        self._lab, self._then = lab, then
        self.pids: list[list[int]] = []

    def say(self, text: str, level: Level = "note") -> None:
        """See ``Run.say``."""
        super().say(text, level)
        if "was lost, reconnecting" in text:
            self.pids.append(self._lab.running())
            self._then()
            self._lab.gate.touch()

    def made_there(self) -> int:
        """So many parts were begun on the host."""
        return sum("is being created on near itself" in text for text in self.told("note"))


def plain() -> Watched:
    return Watched(lambda kind, text, size: False, lambda: None)


def whole(lab: Near, run: Watched, outcome: Outcome, parts: int) -> None:
    """One whole set, and nothing else there."""
    assert outcome.state == "ok", (outcome, run.said)
    assert outcome.result["status"] == "intact"
    (manifest,) = lab.manifests(lab.far)
    assert len(manifest.parts) == parts
    assert not manifest.missing
    assert lab.left(lab.far) == []
    assert {stat.S_IMODE(path.stat().st_mode) for path in lab.far.iterdir()} == {0o600}
    assert not list(lab.jobs.glob("*"))


async def test_what_is_on_the_host_of_the_store_does_not_pass_here_to_be_stored(lab: Near) -> None:
    before = lab.wire.carried_bytes
    run = plain()
    outcome = await effects.backup(run, lab.request("both"))
    whole(lab, run, outcome, 3)
    assert sum("is being created on near itself" in text for text in run.told("note")) == 2
    (manifest,) = lab.manifests(lab.far)
    stored = sum(part.size_bytes for part in manifest.parts)
    files = next(part for part in manifest.parts if part.kind == "files")
    assert lab.wire.carried_bytes - before < stored + files.size_bytes + 2 * MB, "only what is read back passes"
    assert files.detail["files"] == 3
    database = next(part for part in manifest.parts if part.kind == "postgresql-custom")
    assert database.detail["content"]["tables"]["public.words"]["rows"] == 110_000
    assert database.detail["schema_sha256"]
    outcome = await effects.drill(plain(), lab.request("both"))
    assert outcome.state == "ok", outcome


async def test_the_manuals_format_is_made_there(lab: Near) -> None:
    lab.change("both", format="manual")
    run = plain()
    outcome = await effects.backup(run, lab.request("both"))
    whole_parts = {part.name.partition("_")[0]: part.packing for part in lab.manifests(lab.far)[0].parts}
    assert outcome.state == "ok", run.said
    assert set(whole_parts.values()) == {"gzip"}
    assert sum("is being created on near itself" in text for text in run.told("note")) == 2


@pytest.mark.fault("1.14")
@pytest.mark.parametrize(("plan", "parts"), [("files", 1), ("database", 2)])
async def test_14_a_link_that_is_killed_leaves_the_dump_running_and_it_is_taken_in(
    lab: Near, plan: str, parts: int
) -> None:
    at_first: list[int] = []

    def kill() -> None:
        at_first.extend(lab.running())
        lab.kill_link()

    run = There(lab, kill)
    outcome = await effects.backup(run, lab.request(plan))
    assert run.acted
    whole(lab, run, outcome, parts)
    assert len(at_first) == 1
    assert run.pids[0] == at_first, "the same process goes on"
    assert (run.made_there(), run.tries) == (1, [])


@pytest.mark.fault("1.15")
@pytest.mark.parametrize(("plan", "parts"), [("files", 1), ("database", 2)])
async def test_15_a_silent_link_is_waited_for_and_the_dump_taken_in(lab: Near, plan: str, parts: int) -> None:
    run = There(lab, lab.wire.cut, lab.wire.mend)
    outcome = await effects.backup(run, lab.request(plan))
    assert run.acted
    whole(lab, run, outcome, parts)
    assert (run.made_there(), run.tries) == (1, [])


async def test_rows_that_could_not_be_counted_for_the_link_are_said(lab: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot's session goes with the link; the dump has its own by then."""
    heard = asyncio.Event()
    count = DatabaseSnapshot.count

    async def late(self: DatabaseSnapshot, *words: Any, **more: Any) -> Any:
        await heard.wait()
        return await count(self, *words, **more)

    monkeypatch.setattr(DatabaseSnapshot, "count", late)
    run = There(lab, lab.kill_link, heard.set)
    outcome = await effects.backup(run, lab.request("database"))
    whole(lab, run, outcome, 2)
    (manifest,) = lab.manifests(lab.far)
    assert manifest.parts[1].detail["content"] is None
    assert any("the rows of near were not counted, so a restore cannot be compared" in note for note in manifest.notes)


async def test_the_stores_lock_is_kept_fresh_by_what_runs_there(lab: Near, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.backup.remote_dump.PIPELINE", PIPELINE.replace("sleep 20", "sleep 0.1"))
    lock = lab.far / ".lilfox.lock"

    def stale() -> None:
        lab.kill_link()
        os.utime(lock, (0, 0))

    run = There(lab, stale, lambda: wait_for(lambda: lock.stat().st_mtime > 0))
    whole(lab, run, await effects.backup(run, lab.request("files")), 1)


async def test_a_cancelled_run_ends_what_it_has_begun_there(lab: Near) -> None:
    task = asyncio.ensure_future(effects.backup(run := There(lab, lambda: task.cancel()), lab.request("both")))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert run.acted
    await until(lambda: not lab.running())
    assert lab.left(lab.far) == []
    assert not list(lab.jobs.glob("*"))


@pytest.mark.fault("1.1")
async def test_a_pg_dump_that_is_killed_there_is_no_dump(lab: Near) -> None:
    def kill() -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = process.read_bytes()
                if b"bin/pg_dump\0" in words and str(lab.server.port if lab.server else "").encode() in words:
                    os.kill(int(process.parent.name), signal.SIGKILL)
        lab.gate.touch()

    run = There(lab, kill)
    with pytest.raises(BackupError, match="pg_dump was killed by signal KILL"):
        await effects.backup(run, lab.request("database"))
    assert lab.left(lab.far) == []
    assert not list(lab.jobs.glob("*"))


async def test_what_cannot_be_made_there_passes_here_and_that_is_said(lab: Near) -> None:
    lab.without("sha256sum")
    run = plain()
    whole(lab, run, await effects.backup(run, lab.request("files")), 1)
    (said,) = [text for text in run.told("note") if "pass through this machine" in text]
    assert said.endswith("sha256sum is missing")


async def test_a_host_where_nothing_can_be_kept_has_its_dump_pass_here(lab: Near) -> None:
    shutil.rmtree(lab.jobs, ignore_errors=True)
    lab.jobs.parent.mkdir(parents=True, exist_ok=True)
    lab.jobs.touch()
    run = plain()
    whole(lab, run, await effects.backup(run, lab.request("both")), 3)
    lab.jobs.unlink()
    (said,) = [text for text in run.told("note") if "pass through this machine" in text]
    assert "was not started on near" in said


async def test_devices_are_left_out_as_ever(lab: Near) -> None:
    os.mkfifo(lab.uploads / "pipe")
    run = plain()
    whole(lab, run, await effects.backup(run, lab.request("files")), 1)
    assert not any("is being created on near itself" in text for text in run.told("note"))
    assert any("pipe" in note for note in lab.manifests(lab.far)[0].notes)


async def test_what_is_to_be_encrypted_passes_here(lab: Near) -> None:
    key = pyrage.x25519.Identity.generate()
    lab.change("files", encrypt={"recipients": [str(key.to_public())]})
    run = plain()
    outcome = await effects.backup(run, lab.request("files"))
    assert outcome.state == "ok"
    assert lab.manifests(lab.far)[0].parts[0].encrypted
    assert not any("is being created on near itself" in text for text in run.told("note"))


@pytest.mark.fault("1.14")
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.usefixtures("jobs")
async def test_what_a_killed_run_has_left_there_is_found_and_never_two_run_at_once(lab: Near, ended: bool) -> None:
    lab.gate.unlink()
    beginning = asyncio.create_task(asyncio.to_thread(lab.lilfox, "backup", "run", "files"))
    await until(lambda: any(path.stat().st_size >= MB for path in lab.far.glob("*.part")), timeout_s=60)
    kill(list_jobs()[0])
    assert (await beginning).returncode == 1
    (pid,) = lab.running()
    refused = await asyncio.to_thread(lab.run, "files", code=1)
    assert "has been in use by backup files" in refused.stderr
    assert lab.running() == [pid]
    if ended:
        lab.gate.touch()
        await until(lambda: list(lab.jobs.glob("*/status")))
    (lab.far / ".lilfox.lock").unlink()  # as if it were five minutes later
    running = asyncio.create_task(asyncio.to_thread(lab.run, "files"))
    await until(lambda: not Path(f"/proc/{pid}").exists(), timeout_s=60)
    lab.gate.touch()
    await running
    told = [text for text in said(list_jobs()[0].id) if "an earlier run" in text]
    assert len(told) == 1
    assert ("it belongs to no set" if ended else f"(pid {pid}, since ") in told[0]
    assert not lab.running()
    assert len(lab.manifests(lab.far)) == 1
    assert lab.left(lab.far) == []
