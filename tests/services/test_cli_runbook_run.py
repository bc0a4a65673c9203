"""``lilfox runbook run`` for scripts: exit codes, JSON, what is refused, and the incident that it is part of."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from lilfox_tui.cli.runbook_console import RunConsole
from lilfox_tui.cli.schemas import schema
from lilfox_tui.incident.incidents import open_incident, read_timeline
from lilfox_tui.incident.model import Changed, Reverted, StepBegan, StepEnded
from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.run.protocol import RunAll
from tests.services.lilfox_command import lilfox
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
CHANGE = '{"risk":"change"}'
MAKE = fence("touch made", '{"name":"make","risk":"change"}') + "\n" + fence("rm made", '{"rollback-of":"make"}')


@pytest.fixture(scope="module")
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        yield made


@pytest.fixture
def lab(tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> RunbookLab:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return RunbookLab(tmp_path, servers)


def run(lab: RunbookLab, *words: str) -> subprocess.CompletedProcess[str]:
    """``lilfox runbook run`` on its file, on web1, without a terminal."""
    return lilfox("--config", lab.config, "runbook", "run", lab.path, "--host", "web1", *words, timeout_s=60)


def test_all_is_done_and_its_output_is_printed(lab: RunbookLab) -> None:
    lab.write(fence("echo hello <who>"), fence("touch made", CHANGE))
    done = run(lab, "--yes", "--var", "who=fox")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello fox\n"
    assert "ok: all 2 commands are done" in done.stderr
    (lab.on_host("web1") / "made").unlink()


def test_a_failure_is_1_or_3_where_something_is_changed_and_undone_it_is_1(lab: RunbookLab) -> None:
    lab.write(MAKE, fence("false", CHANGE))
    done = run(lab, "--yes", "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("runbook-run"))
    assert document["exit_code"] == 3
    assert [step["state"] for step in document["steps"]] == ["done", "failed"]
    assert document["changes_in_force"] == ["web1: touch made"]
    assert document["steps"][1]["commands"][0]["hosts"][0]["exit_status"] == 1
    undone = run(lab, "--yes", "--on-failure", "undo", "--json")
    assert undone.returncode == 1
    assert json.loads(undone.stdout)["steps"][0]["state"] == "undone"
    assert not (lab.on_host("web1") / "made").exists()
    again = run(lab, "--yes", "--resume", json.loads(undone.stdout)["run"])
    assert again.returncode == 1
    assert "the commands after them are not run without confirmation" in again.stderr
    assert "start a new run, or continue this one step by step" in again.stderr
    assert not (lab.on_host("web1") / "made").exists()
    lab.write(fence("false"))
    assert run(lab, "--yes").returncode == 1


@pytest.mark.fault("S30")
def test_what_cannot_be_asked_is_2_and_no_job_is_begun(lab: RunbookLab) -> None:
    lab.write(fence("echo <who>"), fence("touch made", CHANGE))
    for words, message in (
        (("--yes",), "values are missing: who"),
        (("--var", "who=x"), "first run of"),
        (("--yes", "--var", "who=x", "--var", "other=y"), "no variable other"),
        (("--yes", "--var", "who=a\tb"), "control characters"),
        (("--yes", "--var", "who=x", "--runbook", "other"), "no runbook other"),
        (("--yes", "--var", "who"), "NAME=VALUE"),
    ):
        done = run(lab, *words)
        assert (done.returncode, message in done.stderr) == (2, True), (words, done.stderr)
    lab.configure(web1={"protected": True})
    assert run(lab, "--yes", "--var", "who=x").returncode == 2
    lab.write(fence("echo 'quoted <who>'"))
    assert "who: the value is refused" in run(lab, "--yes", "--var", "who=x y").stderr
    assert lilfox("runbook", "run", "/nonexistent.md").returncode != 0
    assert list_jobs() == []


@pytest.mark.fault("S30")
def test_the_first_run_of_a_file_that_nobody_chose_is_2_until_somebody_says_yes(lab: RunbookLab) -> None:
    lab.write(fence("echo read only"))
    refused = run(lab)
    assert refused.returncode == 2
    assert f"first run of {lab.path} here (sha256 {lab.sha256[:12]}…); its commands: 1 read-only" in refused.stderr
    assert "then add --yes" in refused.stderr
    assert list_jobs() == []
    assert run(lab, "--yes").returncode == 0
    assert run(lab).stdout == "read only\n", "it is remembered"
    lab.write(fence("echo read only, but otherwise"))
    changed = run(lab)
    assert (changed.returncode, "has changed since it was approved" in changed.stderr) == (2, True)
    lab.configure(more=f"runbooks: {{folders: [{lab.path}]}}\n")
    assert run(lab).returncode == 0, "the configuration names it"


def test_what_is_refused_is_not_said_to_need_a_yes_alone(lab: RunbookLab) -> None:
    lab.write(fence("touch made", CHANGE))
    words = ("--config", lab.config, "--read-only", "runbook", "run", lab.path, "--host", "web1")
    refused = lilfox(*words)
    assert refused.returncode == 2
    assert "read-only mode: changes on web1 are not allowed" in refused.stderr
    assert "--yes" not in refused.stderr
    lab.configure(web1={"protected": True})
    protected = run(lab)
    assert protected.returncode == 2
    assert "web1 is protected" in protected.stderr
    assert "--yes" not in protected.stderr


@pytest.mark.fault("S30")
def test_a_dry_run_shows_everything_and_runs_nothing(lab: RunbookLab) -> None:
    lab.write(
        fence("touch <who>", '{"name":"make","risk":"change","host":"web1"}')
        + "\n"
        + fence("rm <who>", '{"rollback-of":"make","host":"here"}'),
        "Call somebody.",
        "```python\nprint(1)\n```",
    )
    done = run(lab, "--dry-run", "--var", "who=me")
    assert done.returncode == 0, done.stderr
    for words in (
        "web1: makes changes",
        "touch ‹me›",
        "here: makes changes, rollback of make",
        "manual step",
        "display only",
    ):
        assert words in done.stdout
    unfilled = run(lab, "--dry-run", "--json")
    assert unfilled.returncode == 1
    assert "no value" in json.loads(unfilled.stdout)["steps"][0]["commands"][0]["problem"]
    assert list_jobs() == []
    assert not (lab.on_host("web1") / "me").exists()


@pytest.mark.fault("S28")
def test_a_secret_whose_place_is_empty_is_2(lab: RunbookLab) -> None:
    lab.write(fence("echo <tok>", CHANGE), front="vars: {tok: secret}")
    done = run(lab, "--yes", "--var", "tok=env:LILFOX_TEST_NOT_SET")
    assert done.returncode == 2
    assert "env:LILFOX_TEST_NOT_SET: the environment variable is not set" in done.stderr
    assert list_jobs() == []


def test_a_secret_comes_by_reference_alone(lab: RunbookLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.write(
        fence("printf '%s' <pw> | wc -c; env | grep -c canary"),
        front="lilfox: {version: 1, id: made, title: Made}\nvars:\n  pw: secret",
    )
    refused = run(lab, "--yes", "--var", "pw=hunter2canary")
    assert refused.returncode == 2
    assert "all users of this machine can read command lines" in refused.stderr
    monkeypatch.setenv("DB_PW", "hunter2canary")
    done = run(lab, "--yes", "--var", "pw=env:DB_PW")
    assert done.stdout.splitlines() == ["13", "1"], "the command's own variable alone has it"
    for job in list_jobs():
        for path in Path(job.folder).iterdir():
            assert b"hunter2canary" not in path.read_bytes(), path


def test_what_it_does_is_in_the_incident(lab: RunbookLab) -> None:
    incident = open_incident("App is down", "SEV-2", cause="test")
    lab.write(MAKE, fence("seq 5000"), fence("false"))
    done = run(lab, "--yes", "--on-failure", "undo", "--incident", incident.id, "--json")
    assert json.loads(done.stdout)["incident"] == incident.id
    whats = [entry.what for entry in read_timeline(Path(incident.folder)).entries]
    began = [what for what in whats if isinstance(what, StepBegan)]
    ended = [what for what in whats if isinstance(what, StepEnded)]
    assert [what.command for what in began] == ["touch made", "seq 5000", "false", "rm made"]
    assert [(what.run, what.state) for what in ended] == [
        (what.run, state) for what, state in zip(began, ("done", "done", "failed", "done"), strict=True)
    ]
    assert (ended[1].output_lines, ended[1].output.startswith("1\n2\n")) == (5000, True)
    assert (Path(incident.folder) / "evidence" / ended[1].evidence).read_text().endswith("5000\n")
    (changed,) = [what for what in whats if isinstance(what, Changed)]
    (reverted,) = [what for what in whats if isinstance(what, Reverted)]
    assert (changed.change, changed.undo) == (reverted.change, "rm made") == (began[0].run, "rm made")


def test_what_reads_beside_a_change_is_no_change_of_the_incident(lab: RunbookLab) -> None:
    incident = open_incident("App is down", "SEV-2", cause="test")
    lab.write(fence("echo before\ntouch made", '{"name":"make"}') + "\n" + fence("rm made", '{"rollback-of":"make"}'))
    assert run(lab, "--yes", "--incident", incident.id).returncode == 0
    whats = [entry.what for entry in read_timeline(Path(incident.folder)).entries]
    assert [what.text for what in whats if isinstance(what, Changed)] == ["web1: touch made"]
    (lab.on_host("web1") / "made").unlink()


def test_a_run_that_goes_on_already_is_named_and_how_to_go_on_with_it(lab: RunbookLab) -> None:
    lab.write(fence("true"))
    job = lab.begin()
    done = run(lab, "--yes")
    assert done.returncode == 1
    assert f"job {job} has been working on it since" in done.stderr
    assert f"resume it: lilfox runbook run --resume {job}" in done.stderr
    assert lilfox("--config", lab.config, "runbook", "run", "--resume", job, "--yes").returncode == 0


def test_a_file_that_is_not_there_is_2(lab: RunbookLab) -> None:
    gone = lab.path.with_name("gone.md")
    done = lilfox("--config", lab.config, "runbook", "run", gone, "--yes")
    assert done.returncode == 2
    assert f"{gone}: cannot be read: No such file or directory" in done.stderr


def test_a_job_that_ends_before_it_listens_tells_its_own_reason(
    lab: RunbookLab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.write(fence("true"))
    (seen,) = read(lab.path).runbooks
    lab.write(fence("false"))
    job = lab.begin(runbook=seen)
    lab.ended(job)

    async def attend() -> int:
        attending = RunConsole(job)
        await attending.order(RunAll(sha256=seen.sha256))
        return await attending.until_end(None)

    assert asyncio.run(attend()) == 1
    told = capsys.readouterr().err
    assert "has changed since it was read; nothing was run" in told
    assert "cannot reach run" not in told
