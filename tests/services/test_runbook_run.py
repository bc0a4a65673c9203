"""Runs of runbooks on real hosts."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.incident.incidents import entries, open_incident
from lilfox_tui.incident.model import Noted
from lilfox_tui.runbook.bash.launcher import FOLDER
from lilfox_tui.runbook.run.protocol import (
    ByHand,
    FinishRun,
    OrderRefused,
    RunAll,
    Skip,
    Stop,
    TerminalBegins,
    TerminalEnded,
    Undo,
    UseText,
)
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
CHANGE = '{"risk":"change"}'


@pytest.fixture(scope="module")
def servers() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        made.sshd()
        yield made


@pytest.fixture
def lab(tmp_path: Path, servers: SshdLab, jobs: Path, monkeypatch: pytest.MonkeyPatch) -> RunbookLab:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return RunbookLab(tmp_path, servers)


def test_all_of_it_runs_by_itself_on_each_of_its_hosts(lab: RunbookLab) -> None:
    lab.write(
        fence("echo from $HOME; echo to stderr >&2", '{"host":"web*"}'),
        fence("cd /usr; export A=one", '{"host":"web1"}').replace("\n```\n", '\npwd; echo "$A"; umask\n```\n'),
        fence('echo "$(hostname)-<who>" >>made', '{"risk":"change","host":"all"}'),
        fence("cat made", '{"host":"each","check":true,"expect":"/fox/"}'),
    )
    job = lab.begin(hosts="web*")
    with pytest.raises(OrderRefused, match="who: the value is refused"):  # before anything has run: inside quotes
        lab.run_all(job, values={"who": "a fox"})
    lab.order(job, FinishRun(abort=True))
    assert lab.ended(job).exit_code == 130
    lab.path.write_text(lab.path.read_text().replace('"$(hostname)-<who>"', "<who>"))
    done = lab.run_all(lab.begin(hosts="web*"), values={"who": "fox"})
    assert (done.state, done.exit_code) == ("ok", 0), done.message
    for name, result in lab.results(done.id).items():
        assert lab.printed(done.id, result) == f"from {lab.on_host(name)}\nto stderr\n"
    assert lab.printed(done.id, lab.results(done.id, 2, 2)["web1"]).startswith("/usr\none\n")
    assert list(lab.results(done.id, 3)) == ["here", "web1", "web2"]
    assert (lab.on_host("web2") / "made").read_text() == "fox\n"


def test_state_goes_through_one_fence_and_variables_beyond_it(lab: RunbookLab) -> None:
    lab.write(
        fence("cd /usr\nexport A='a b'\nB=2\nf() { echo f; }\npwd; echo \"$A$B\"; f", '{"host":"web1"}'),
        fence('pwd\necho "<${A-}${B-}>"; f 2>/dev/null || echo none', '{"host":"web1"}'),
    )
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    assert lab.printed(job.id, lab.results(job.id, 1, 5)["web1"]) == "/usr\na b2\nf\n"
    assert lab.printed(job.id, lab.results(job.id, 2, 1)["web1"]) == f"{lab.on_host('web1')}\n"
    assert lab.printed(job.id, lab.results(job.id, 2, 2)["web1"]) == "<a b2>\nnone\n"
    assert list((lab.on_host("web1") / FOLDER).glob("*")) == [], "nothing of the run stays on the host"
    assert list((lab.on_host("web1") / ".cache/lilfox/jobs").glob("*")) == []


def test_what_a_fence_leaves_is_its_hosts_own_also_where_hosts_have_one_home(lab: RunbookLab) -> None:
    """A home on NFS, or one host under two names: one must not go on with the variables of another."""
    names = [f"node{number}" for number in range(6)]
    lab.servers |= dict.fromkeys(names, lab.servers["web1"])
    lab.configure()
    lab.write(fence('mine=$RANDOM-$BASHPID\necho "$mine"\necho "$mine"', '{"host":"node*"}'))
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    first, second = (
        {name: lab.printed(job.id, each) for name, each in lab.results(job.id, 1, command).items()}
        for command in (2, 3)
    )
    assert first == second
    assert len(set(first.values())) == len(names)
    assert list((lab.on_host("web1") / FOLDER).glob("*")) == [], "nothing of the run stays on the host"


def test_a_change_stops_at_the_first_host_where_it_fails_and_the_rest_is_not_touched(lab: RunbookLab) -> None:
    (lab.on_host("web1") / "broken").touch()
    lab.write(fence("[ ! -e broken ] && touch changed", '{"risk":"change","host":"here, web*"}'), fence("echo no"))
    job = lab.run_all(lab.begin())
    results = lab.results(job.id)
    assert {name: each.state for name, each in results.items()} == {"here": "done", "web1": "failed"}
    assert (job.state, job.exit_code) == ("partly", 3)
    assert "web1" in job.message
    assert not (lab.on_host("web2") / "changed").exists()
    assert lab.results(job.id, 2) == {}
    (lab.on_host("web1") / "broken").unlink()


def test_ordered_step_by_step_what_failed_is_retried_skipped_and_undone(lab: RunbookLab) -> None:
    home = lab.on_host("web1")
    lab.write(
        fence("touch made", '{"name":"make","risk":"change","host":"web1"}')
        + "\n"
        + fence("rm made; echo back >>undone", '{"rollback-of":"make","host":"web1"}'),
        fence("touch second", '{"name":"second","risk":"change","host":"web1"}')
        + "\n"
        + fence("rm second; echo second >>undone", '{"rollback-of":"second","host":"web1"}'),
        fence("cat wanted", '{"host":"web1"}'),
        "Call somebody.",
        fence("htop", '{"host":"web1"}'),
    )
    job = lab.begin()
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    with pytest.raises(OrderRefused, match="already done on web1"):
        lab.run_one(job, 1)
    lab.run_one(job, 2)
    lab.until(job, "done", 2)
    lab.run_one(job, 3)
    failed = lab.until(job, "failed", 3)
    assert (failed.exit_status, failed.attempts) == (1, 1)
    (home / "wanted").write_text("now\n")
    lab.run_one(job, 3)
    assert lab.until(job, "done", 3).attempts == 2
    with pytest.raises(OrderRefused, match="give the reason"):
        lab.order(job, Skip(step=3, command=None, reason=" "))
    lab.order(job, ByHand(step=3))
    lab.order(job, TerminalBegins(step=4, command=0, host="web1", sha256=lab.sha256))
    with pytest.raises(OrderRefused, match=r"busy: .* is running"):
        lab.run_one(job, 3, again=True)
    lab.order(job, TerminalEnded(step=4, command=0, host="web1", exit_status=0))
    state = lab.state(job)
    assert state is not None
    assert state.waiting.what == "end"
    lab.order(job, Undo(sha256=lab.sha256))
    lab.until(job, "undone", 1)
    assert (home / "undone").read_text() == "second\nback\n"
    lab.order(job, FinishRun())
    done = lab.ended(job)
    assert "undone" in done.message
    for name in ("undone", "wanted"):
        (home / name).unlink()


def test_a_rollback_that_fails_stops_the_way_back(lab: RunbookLab) -> None:
    lab.write(
        fence("touch one", '{"name":"one","risk":"change"}') + "\n" + fence("rm one", '{"rollback-of":"one"}'),
        fence("true", '{"name":"two","risk":"change"}') + "\n" + fence("false", '{"rollback-of":"two"}'),
        fence("false", CHANGE),
    )
    job = lab.run_all(lab.begin(hosts="web1"), on_failure="undo")
    assert (job.state, job.exit_code) == ("partly", 3)
    state = lab.state(job.id)
    assert state is not None
    assert [each.state for each in state.steps[0].commands] == ["done", "ready"]
    assert len(state.changes) == 2
    (lab.on_host("web1") / "one").unlink()


def test_a_failure_is_taken_back_where_that_is_wanted(lab: RunbookLab) -> None:
    lab.write(
        fence("touch one", '{"name":"one","risk":"change"}') + "\n" + fence("rm one", '{"rollback-of":"one"}'),
        fence("false", CHANGE),
    )
    job = lab.run_all(lab.begin(hosts="web1"), on_failure="undo")
    assert (job.state, job.exit_code) == ("failed", 1)
    assert not (lab.on_host("web1") / "one").exists()


def test_what_is_expected_and_captured_decides(lab: RunbookLab) -> None:
    lab.write(
        fence("exit 3", '{"expect":3}'),
        fence("echo state=inactive; exit 4", '{"expect":"/^state=(in)?active$/"}'),
        fence("echo version 1.2.3", '{"capture":{"version":"version ([0-9.]+)"}}'),
        fence("echo got <version>"),
        fence("echo nothing", '{"capture":{"other":"id=(.*)"}}'),
    )
    job = lab.run_all(lab.begin(hosts="web1"))
    assert lab.printed(job.id, lab.results(job.id, 4)["web1"]) == "got 1.2.3\n"
    assert job.state == "failed"
    assert "has no value for <other>" in job.message


def test_what_takes_too_long_is_ended_on_the_host(lab: RunbookLab) -> None:
    lab.write(
        fence("echo $$ >pid; exec sleep 1000", '{"timeout":"2s","risk":"change"}'),
        fence("sleep 1000", '{"timeout":"1s"}'),
    )
    job = lab.begin(hosts="web1")
    lab.run_one(job, 1)
    result = lab.until(job, "failed", 1)
    assert "timed out after 2 s" in result.message
    assert result.stopped
    pid = int((lab.on_host("web1") / "pid").read_text())
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), what="the command is gone")
    lab.run_one(job, 2)
    assert "timed out after 1 s" in lab.until(job, "failed", 2).message
    (lab.on_host("web1") / "pid").unlink()


def test_what_follows_is_stopped_by_us_and_that_is_good(lab: RunbookLab) -> None:
    (lab.on_host("web1") / "app.log").write_text("first line\n")
    lab.write(
        fence("tail -f app.log", '{"host":"web1"}'), fence("touch runs; sleep 1000; touch never", '{"risk":"change"}')
    )
    job = lab.begin(hosts="web1")
    with pytest.raises(OrderRefused, match="nothing is running"):
        lab.order(job, Stop())
    lab.run_one(job, 1)
    running = lab.until(job, "running", 1)
    wait_for(lambda: lab.printed(job, running) == "first line\n", what="it is seen while it runs")
    lab.order(job, Stop())
    assert lab.until(job, "done", 1).stopped
    lab.run_one(job, 2)
    wait_for((lab.on_host("web1") / "runs").exists, what="it runs")
    lab.order(job, Stop())
    stopped = lab.until(job, "failed", 2)
    assert (stopped.stopped, stopped.exit_status) == (True, 143)


def test_a_protected_host_is_not_changed_and_is_read(lab: RunbookLab) -> None:
    lab.configure(web1={"protected": True})
    lab.write(fence("uptime"), fence("touch x", CHANGE))
    job = lab.begin(hosts="web1")
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    with pytest.raises(OrderRefused, match="web1 is protected"):
        lab.run_one(job, 2)
    with pytest.raises(OrderRefused, match="web1 is protected"):
        lab.order(job, RunAll(sha256=lab.sha256))
    lab.order(job, FinishRun(abort=True))
    lab.ended(job)
    lab.configure("read_only: true\n")
    job = lab.begin(hosts="web2")
    with pytest.raises(OrderRefused, match="read-only mode"):
        lab.run_one(job, 2)


@pytest.mark.fault("S29")
@pytest.mark.fault("S29")
def test_a_file_that_was_changed_is_read_again_only_when_that_was_seen(lab: RunbookLab) -> None:
    lab.write(fence("touch one", CHANGE), fence("echo two"))
    job = lab.begin(hosts="web1")
    before = lab.sha256
    lab.run_one(job, 1)
    lab.until(job, "done", 1)
    lab.path.write_text(lab.path.read_text().replace("echo two", "echo other"))
    with pytest.raises(OrderRefused, match="has changed since it was read"):
        lab.run_one(job, 2, sha256=before)
    assert lab.results(job, 2) == {}
    lab.run_one(job, 2)
    assert lab.printed(job, lab.until(job, "done", 2)) == "other\n"
    assert lab.results(job, 1)["web1"].state == "done"
    with pytest.raises(LilFoxError, match="job"):
        lab.begin(hosts="web1")
    lab.path.unlink()
    with pytest.raises(OrderRefused, match="can no longer be read"):
        lab.run_one(job, 2, sha256=before, again=True)
    (lab.on_host("web1") / "one").unlink()


@pytest.mark.fault("S29")
def test_a_run_goes_on_with_the_text_that_it_read_where_somebody_says_so(lab: RunbookLab) -> None:
    incident = open_incident("Made", "SEV-3", cause="test")
    lab.write(fence("echo one"), fence("echo two"), fence("echo three"))
    job = lab.begin(hosts="web1")
    before = lab.runbook(job).sha256
    lab.path.write_text(lab.path.read_text().replace("echo two", "echo other"))
    with pytest.raises(OrderRefused, match="has changed since it was read"):
        lab.run_one(job, 1, sha256=before)
    with pytest.raises(OrderRefused, match="has changed since it was read"):
        lab.order(job, UseText(sha256="0" * 64))
    lab.order(job, UseText(sha256=before))
    lab.path.unlink()
    for step in (1, 2):
        lab.run_one(job, step, sha256=before)
        lab.until(job, "done", step)
    assert lab.printed(job, lab.results(job, 2)["web1"]) == "two\n"
    assert lab.run_all(job, sha256=before).state == "ok"
    (noted,) = [entry.what for entry in entries(incident.id) if isinstance(entry.what, Noted)]
    assert f"its own copy of {lab.path} (sha256 {before[:12]}…)" in noted.text


@pytest.mark.fault("S29")
def test_what_a_file_says_now_is_taken_before_anything_of_it_runs(lab: RunbookLab) -> None:
    lab.write(fence("echo one"), fence("echo two"))
    job = lab.begin(hosts="web1")
    before = lab.runbook(job).sha256
    lab.order(job, UseText(sha256=before))
    lab.path.write_text(lab.path.read_text().replace("echo two", "echo other"))
    lab.order(job, UseText(sha256=lab.sha256))
    state = lab.state(job)
    assert state is not None
    assert (state.sha256, state.runbook.steps[1].commands[0].text) == (lab.sha256, "echo other")
    with pytest.raises(OrderRefused, match="has changed since it was read"):
        lab.run_one(job, 1, sha256=before)
    assert lab.run_all(job).state == "ok"


def test_a_secret_is_in_no_file_and_no_argv_and_reaches_its_command(lab: RunbookLab) -> None:
    canary = "hunter2-canary-8361"
    lab.write(
        fence('printf "%s" <pw> | sha256sum; tr "\\0" " " </proc/$$/cmdline; echo <pw>', CHANGE),
        fence("echo token <pw> $HOME/<pw>"),
        front="lilfox: {version: 1, id: made, title: Made}\nvars:\n  pw: {type: secret}",
    )
    job = lab.run_all(lab.begin(hosts="web1"), values={"pw": canary})
    assert job.state == "ok", job.message
    texts = [path.read_bytes() for path in lab.job_folder(job.id).rglob("*") if path.is_file()]
    texts += [path.read_bytes() for path in lab.on_host("web1").rglob("*") if path.is_file()]
    assert not any(canary.encode() in text for text in texts)
    assert "***" in lab.printed(job.id, lab.results(job.id, 2)["web1"])
    state = lab.state(job.id)
    assert state is not None
    assert (dict(state.values), set(state.secrets)) == ({}, {"pw"})


def test_much_output_is_kept_by_head_tail_and_counts(lab: RunbookLab) -> None:
    much = "{ echo first; seq 2000000; echo last; }"
    lab.write(fence(much, '{"host":"web1"}'), fence(much, '{"risk":"change","host":"web1"}'))
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    read = lab.results(job.id, 1)["web1"]
    changed = lab.results(job.id, 2)["web1"]
    assert (read.lines, read.uncounted, changed.uncounted) == (2_000_002, False, True)
    for result in (read, changed):
        text = lab.printed(job.id, result)
        assert text.startswith("first\n1\n")
        assert text.endswith("2000000\nlast\n")
        assert result.left_out_bytes > 0
    folder = lab.job_folder(job.id)
    assert sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".head", ".tail")) < 1 << 20


def test_what_a_command_leaves_in_the_background_does_not_hold_it(lab: RunbookLab) -> None:
    lab.write(
        fence("sleep 30 & echo $! >left", '{"risk":"change"}'), fence("sleep 1000 & echo $! >>left"),
        fence("sleep 1000", '{"background":true}'), fence("echo last"),
    )  # fmt: skip
    job = lab.run_all(lab.begin(hosts="web1"))
    assert job.state == "ok", job.message
    left = [int(pid) for pid in (lab.on_host("web1") / "left").read_text().split()]
    assert len(left) == 2
    for pid in left:
        assert Path(f"/proc/{pid}").exists(), "what a change leaves there stays"
        os.kill(pid, signal.SIGTERM)
    (lab.on_host("web1") / "left").unlink()


def test_a_host_that_is_not_there_is_told_before_anything_runs(lab: RunbookLab) -> None:
    lab.configure(web2={"port": 1})
    lab.write(fence("touch x", CHANGE), fence("uptime"))
    job = lab.run_all(lab.begin(hosts="web2"))
    assert job.state == "failed"
    assert "web2" in job.message
    result = lab.results(job.id)["web2"]
    assert (result.state, result.exit_status) == ("failed", None)
    with pytest.raises(LilFoxError, match="matches no configured host"):
        raise LilFoxError(lab.ended(lab.begin(hosts="nowhere*")).message)


@pytest.mark.fault("S38")
@pytest.mark.fault("S38")
def test_two_who_act_at_once_do_not_run_it_twice(lab: RunbookLab) -> None:
    lab.write(fence("echo once >>count; sleep 1.5", CHANGE))
    job = lab.begin(hosts="web1")
    lab.run_one(job, 1)
    with pytest.raises(OrderRefused, match=r"busy: .* is running"):
        lab.run_one(job, 1)
    lab.until(job, "done", 1)
    with pytest.raises(OrderRefused, match="already done on web1"):
        lab.run_one(job, 1)
    assert (lab.on_host("web1") / "count").read_text() == "once\n"
    (lab.on_host("web1") / "count").unlink()
