"""Real jobs in real processes."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.i18n import set_language
from lilfox_tui.jobs.listing import find_job, list_jobs
from lilfox_tui.jobs.model import (
    Began,
    Ended,
    Intent,
    JobError,
    JobRequest,
    KeyHeld,
    MessageLogged,
    ProgressMade,
    StepDone,
)
from lilfox_tui.jobs.start import start
from tests.unit.jobs import effects
from tests.unit.jobs.effects import SECRET, begin
from tests.unit.jobs.running import all_events, ended, kill, lines, said
from tests.waiting import wait_for

ROOT = Path(__file__).parents[3]


def test_a_job_tells_all_that_its_effect_says(jobs: Path) -> None:
    job = ended(begin("copies", title="copy one", more=[1, None]))
    assert (job.state, job.message, job.exit_code, job.title) == ("ok", "copied", 0, "copy one")
    assert job.result == {"written": 1, "more": [1, None]}
    assert job.progress[0].done_bytes == 100
    kinds = [type(event) for event in all_events(job.id)]
    assert kinds[:3] == [Began, MessageLogged, Intent]
    assert kinds[-1] is Ended
    assert kinds.index(Intent) < kinds.index(ProgressMade) < kinds.index(StepDone)
    assert not (Path(job.folder) / "reserve").exists()


def test_its_process_has_nothing_of_the_one_that_began_it(jobs: Path, own_folders: Path) -> None:
    before = os.umask(0)
    try:
        job = ended(begin("tells_surroundings", env={**os.environ, "MARK": "x"}))
    finally:
        os.umask(before)
    told = job.result
    assert told["umask"] == 0o077
    assert not told["terminal"]
    assert told["standard"][0] == "/dev/null"
    assert all(each.startswith("pipe:") for each in told["standard"][1:])
    assert told["session"] == told["pid"] == job.pid
    assert told["cwd"] == "/"
    assert told["env"]["MARK"] == "x"
    assert str(jobs) not in told["child_fds"]  # neither the lock nor the events go to its programs
    for path in [jobs, *jobs.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_it_begins_quickly_and_imports_only_what_it_needs(jobs: Path) -> None:
    job = ended(begin("tells_surroundings"))
    for name in ("textual", "asyncssh", "httpx", "yaml", "psutil", "numpy", "lilfox_tui.config", "lilfox_tui.hosts"):
        assert name not in job.result["modules"], name


@pytest.mark.parametrize(
    ("how", "message", "exit_code"),
    [
        ("expected", "no room on /backup", 1),
        ("config", "two problems", 2),
        ("group", "no room on /backup", 1),
        ("cancelled", "internal error in LilFox: CancelledError", 1),
        ("exit", "internal error in LilFox: SystemExit", 1),
        ("bug", "internal error in LilFox: RuntimeError", 1),
    ],
)
def test_whatever_an_effect_raises_is_told(jobs: Path, how: str, message: str, exit_code: int) -> None:
    job = ended(begin("fails", how=how))
    assert (job.state, job.exit_code) == ("failed", exit_code)
    assert job.message.startswith(message)
    if how == "config":
        assert said(job.id) == ["a:1: one", "a:2: two"]
    assert SECRET not in "".join(path.read_text() for path in jobs.parent.rglob("*") if path.is_file())


@pytest.mark.parametrize("entry", ["os:system", "lilfox_tuix.a:b", "lilfox_tui.jobs.nothing:x", "lilfox_tui:main", ""])
def test_only_effects_of_lilfox_are_made(jobs: Path, entry: str) -> None:
    job = ended(start(JobRequest(entry=entry, kind="x", title="x", key="x", arguments={})))
    assert job.state == "failed"
    assert "not part of LilFox" in job.message or "ModuleNotFoundError" in job.message


def test_of_two_with_the_same_key_one_runs_and_the_other_leaves_nothing(jobs: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    first = begin("waits", key="backup lilfox", until=str(go))
    with pytest.raises(KeyHeld) as caught:
        begin("copies", key="backup lilfox")
    holder = caught.value.holder
    assert holder is not None
    assert (holder.id, holder.user) == (first, pwd.getpwuid(os.geteuid()).pw_name)
    assert abs(find_job(first).started - holder.since) < timedelta(seconds=10)
    assert [job.id for job in list_jobs()] == [first]
    assert len([each for each in jobs.iterdir() if not each.name.startswith(".")]) == 1
    other = begin("waits", key="another", until=str(go))
    go.touch()
    ended(first)
    ended(other)
    ended(begin("copies", key="backup lilfox"))


def test_as_soon_as_it_is_told_to_have_ended_the_next_may_begin(jobs: Path) -> None:
    for _ in range(5):
        job_id = begin("copies", key="k")
        wait_for(lambda job_id=job_id: b'"event":"ended"' in lines(job_id), what="it says so")  # type: ignore[misc]
    ended(job_id)


def test_no_secret_is_on_the_disk(jobs: Path) -> None:
    job = ended(begin("leaks", title=f"postgresql://u:{SECRET}@db", key=f"password={SECRET}"))
    text = {path.name: path.read_text() for path in jobs.rglob("*") if path.is_file()}
    assert {"events.jsonl", "output.log", "request.json"} <= text.keys()
    assert {name for name, each in text.items() if SECRET in each} == set()
    assert "connecting to postgresql://lilfox:***@db" in text["output.log"]
    assert "token=***" in text["output.log"]
    assert job.state == "ok"


def test_with_the_empty_environment_of_cron(jobs: Path, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        "from tests.unit.jobs.effects import begin; from tests.unit.jobs.running import ended; "
        "print(ended(begin('tells_surroundings')).result['env'])"
    )
    done = subprocess.run(
        ["/usr/bin/env", "-i", f"STATE_DIRECTORY={tmp_path}", sys.executable, "-c", program],
        capture_output=True, text=True, cwd="/", check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "'PATH': '/usr/local/sbin:" in done.stdout
    assert len(list((tmp_path / "jobs").glob("*/events.jsonl"))) == 1


def test_it_tells_in_the_language_of_the_one_who_began_it(jobs: Path) -> None:
    set_language("zh_CN")
    job = ended(start(JobRequest(entry="os:system", kind="x", title="x", key="x", arguments={})))
    assert not job.message.isascii()


def test_one_that_cannot_begin_leaves_nothing_and_says_why(jobs: Path) -> None:
    request = effects.request("copies")
    with pytest.raises(JobError, match=r"could not start.*No module named 'tests\.nothing'"):
        start(request, module="tests.nothing")
    assert list_jobs() == []
    assert [each.name for each in jobs.iterdir()] == [".locks"]


def test_one_that_is_killed_is_unknown_and_its_key_is_free(jobs: Path) -> None:
    job = ended(begin("dies", key="k"))
    assert (job.state, job.exit_code) == ("unknown", 1)
    assert "it was about to: rename lilfox" in job.message
    ended(begin("copies", key="k"))


def test_when_the_one_that_began_it_is_killed_it_goes_on(jobs: Path, tmp_path: Path) -> None:
    go = tmp_path / "go"
    program = (
        "import os, signal; from tests.unit.jobs.effects import begin; "
        f"print(begin('waits', until={str(go)!r}), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert starter.returncode == -signal.SIGKILL
    job = find_job(starter.stdout.strip())
    assert job.state == "running"
    go.touch()
    assert ended(job.id).state == "ok"


def test_it_leaves_no_zombie_to_the_one_that_began_it(jobs: Path) -> None:
    job = find_job(begin("copies"))
    assert job.pid is not None
    ended(job.id)
    wait_for(lambda: not Path(f"/proc/{job.pid}").exists(), what="it was waited for")
    kill(job)


def test_whoever_gives_up_while_it_begins_leaves_no_job_that_runs(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lilfox_tui.jobs.start.select.select", interrupted)
        with pytest.raises(KeyboardInterrupt):
            begin("waits", until="/nonexistent")
    (job,) = list_jobs()
    assert ended(job.id).state in ("cancelled", "failed")
    assert "make a folder" not in said(job.id) or said(job.id)[-1] == "cleaned up"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to a group")
def test_the_group_that_may_read_the_systems_jobs_may_read_all_of_them(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    system = tmp_path / "jobs"
    system.mkdir()
    os.chown(system, 0, 4)
    system.chmod(0o2750)
    folder = Path(ended(begin("leaks")).folder)
    assert folder.parent == system
    assert (folder.stat().st_gid, stat.S_IMODE(folder.stat().st_mode)) == (4, 0o2750)
    files = {path.name: (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}
    assert files == dict.fromkeys(("request.json", "events.jsonl", "output.log"), (4, 0o640))
