"""Variables and captured values of runs on real hosts: each is known where it is used, or nothing runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import find_job
from lilfox_tui.runbook.lint import lint
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.run.protocol import FinishRun, OrderRefused
from tests.services.lilfox_command import lilfox
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
WEB1 = '{"risk":"change","host":"web1"}'


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


@pytest.mark.fault("4.48")
def test_a_variable_of_a_later_fence_stops_the_run_before_it_begins(lab: RunbookLab) -> None:
    lab.write(fence("touch begun", WEB1), fence("touch $DIR/*.tmp ran", WEB1), fence("DIR=/data", WEB1))
    job = lab.begin()
    with pytest.raises(OrderRefused, match=r"line 12: \$DIR is set in another fence \(line 18\)"):
        lab.run_all(job)
    with pytest.raises(OrderRefused, match=r"\$DIR is set in another fence"):
        lab.run_one(job, 2)
    lab.order(job, FinishRun(abort=True))
    shown = lilfox("--config", lab.config, "runbook", "run", lab.path, "--dry-run")
    assert shown.returncode == 1
    assert "! line 12: $DIR is set in another fence" in shown.stdout
    assert [(each.line, each.code) for each in lint(read(lab.path)) if each.severity == "error"] == [
        (12, "variable-of-another-fence")
    ]
    assert not {"begun", "ran"} & {each.name for each in lab.on_host("web1").iterdir()}


WEBS = '{"risk":"change","host":"web*"}'
PASSES = 'Y="a\'b \\"\\$(touch canary)\n*"'


def test_a_variable_passes_to_the_next_fences_of_its_host(lab: RunbookLab) -> None:
    """Byte for byte, as each host has set it, exported where it was, and gone with the run."""
    for name in ("web1", "web2"):
        (lab.on_host(name) / "id").write_text(f"{name}\n")
    lab.write(
        fence(f"export NAME=$(cat id)\n{PASSES}", WEBS),
        fence('printf %s "$Y" >passed', WEBS),
        fence('sh -c "touch ran-\\$NAME"\nNAME=other', WEBS),
        fence("cat id $NAME", '{"host":"web*","expect":1}') + "\n" + fence('[ "$NAME" = other ]', WEB1),
    )
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    for name in ("web1", "web2"):
        home = lab.on_host(name)
        assert (home / "passed").read_text() == "a'b \"$(touch canary)\n*"
        assert (home / f"ran-{name}").exists()
        assert not (home / "canary").exists()
        assert not (home / ".cache/lilfox/runs" / job.id).exists(), "gone with the run"
    assert lab.results(job.id, 3)["web2"].shown.startswith("export NAME=web2\nsh -c")
    assert lab.results(job.id, 4)["web1"].shown == "export NAME=other\ncat id $NAME"


def test_a_variable_is_not_there_where_its_fence_did_not_set_it(lab: RunbookLab) -> None:
    """On another host, after a failure, or as nothing; the command that needs it does not run."""
    lab.write(
        fence("DIR=$(cat made)", WEB1),
        fence("rm -rf $DIR/*.tmp; touch ran", '{"risk":"change","host":"web2"}'),
        fence("rm -rf $DIR/*.tmp; touch ran", WEB1),
    )
    (lab.on_host("web1") / "made").write_text("\n")
    job = lab.begin()
    lab.run_one(job, 1)
    lab.until(job, "done")
    with pytest.raises(OrderRefused, match=r"line 12: \$DIR has no value on web2: the command on line 6"):
        lab.run_one(job, 2)
    with pytest.raises(OrderRefused, match=r"\$DIR, which line 6 has set on web1, is empty; nothing was run"):
        lab.run_one(job, 3)
    (lab.on_host("web1") / "made").unlink()
    lab.run_one(job, 1, again=True)
    lab.until(job, "failed")
    lab.order(job, FinishRun(abort=True))
    assert not any((lab.on_host(name) / "ran").exists() for name in ("web1", "web2"))


def test_a_secret_passes_and_is_shown_nowhere(lab: RunbookLab) -> None:
    """Not after the job was ended and its run goes on, either: then its host is asked for it."""
    (lab.on_host("web1") / "word").write_text("correct horse battery\n")
    lab.write(
        fence("export DB_PASSWORD=$(cat word)\nDIR=there", WEB1),
        fence('mkdir -p "$DIR"; printf %s "$DB_PASSWORD" >"$DIR/got"; echo "$DB_PASSWORD"', WEB1),
    )
    first = lab.begin()
    for number in (1, 2):
        lab.run_one(first, 1, number)
        lab.until(first, "done", 1, number)
    pid = find_job(first).pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    lab.ended(first)
    job = lab.run_all(lab.begin(resumes=first))
    assert job.state == "ok", job.message
    assert (lab.on_host("web1") / "there/got").read_text() == "correct horse battery"
    result = lab.results(job.id, 2)["web1"]
    assert result.shown.startswith("export DB_PASSWORD=***\nDIR=there\n")
    assert lab.printed(job.id, result) == "***\n"
    kept = [each for each in lab.job_folder(job.id).rglob("*") if each.is_file()]
    assert not [each for each in kept if b"correct horse" in each.read_bytes()]


@pytest.mark.fault("4.48")
def test_a_variable_that_the_host_does_not_set_stops_the_command_before_it_begins(lab: RunbookLab) -> None:
    (lab.on_host("web1") / "env.sh").write_text("MADE=made\n")
    lab.write(
        fence(". ./env.sh\n[ -n $MADE ]\ntouch $HOME/$MADE", WEB1),
        fence("touch $XDG_NOSUCH/*.tmp ran", '{"risk":"change","host":"web1","expect":125}'),
    )
    job = lab.run_all(lab.begin())
    result = lab.results(job.id, 2)["web1"]
    assert (job.state, result.state, result.exit_status) == ("partly", "failed", None)
    assert "neither an earlier command in this fence nor the host's environment sets $XDG_NOSUCH" in result.message
    assert "may have changed something" not in job.hint
    home = lab.on_host("web1")
    assert ((home / "made").exists(), (home / "ran").exists()) == (True, False)
    assert "variable-unset" in [each.code for each in lint(read(lab.path))]
    (home / "made").unlink()


def test_a_variable_that_nothing_sets_is_asked_for_and_never_missing(lab: RunbookLab) -> None:
    """It reaches the shell under its own name, and not without a value that is safe where it stands."""
    lab.write(fence('touch "$NAMED" ran-$NAMESPACE', WEB1), fence("rm -rf $DIR/*.tmp; touch <other file>", WEB1))
    job = lab.begin()
    with pytest.raises(OrderRefused, match="line 6: <NAMED> has no value; nothing was run"):
        lab.run_all(job)
    given = {"NAMED": "a $(touch canary)", "NAMESPACE": "shop", "other-file": "b"}
    with pytest.raises(OrderRefused, match=r"line 12: <DIR> has no value"):
        lab.run_all(job, values=given)
    with pytest.raises(OrderRefused, match=r"\$DIR on line 12 cannot be used: it is not in quotes here"):
        lab.run_all(job, values=given | {"DIR": "/tmp *"})
    assert lab.run_all(job, values={"DIR": str(lab.folder)}).state == "ok"
    assert {"a $(touch canary)", "ran-shop", "b"} <= {each.name for each in lab.on_host("web1").iterdir()}
    assert not (lab.on_host("web1") / "canary").exists()
    assert lab.results(job, 2)["web1"].shown.startswith(f"DIR={lab.folder}\nrm -rf $DIR")


@pytest.mark.fault("4.48")
@pytest.mark.parametrize("way", ["if [ -e no ]; then DIR=/x; fi", "echo /x | read -r DIR", "[ ! -e no ] || DIR=/x"])
def test_a_variable_that_is_set_in_one_branch_alone_ends_the_command(lab: RunbookLab, way: str) -> None:
    lab.write(fence(f"{way}; touch $DIR/*.tmp ran", WEB1))
    job = lab.run_all(lab.begin())
    assert job.state == "failed"
    assert "DIR: unbound variable" in lab.printed(job.id, lab.results(job.id)["web1"])
    assert not (lab.on_host("web1") / "ran").exists()


@pytest.mark.fault("4.52")
@pytest.mark.parametrize(
    ("ends", "signal"),
    [("kill $$", "SIGTERM"), ("kill -KILL $$", "SIGKILL"), ("kill 0", "SIGTERM"), ("kill $PPID; exit 3", "")],
)
def test_what_ends_its_own_shell_is_told_as_ended_by_a_signal(lab: RunbookLab, ends: str, signal: str) -> None:
    lab.write(fence(f"echo before; {ends}; touch after", WEB1))
    job = lab.run_all(lab.begin())
    result = lab.results(job.id)["web1"]
    assert (result.state, lab.printed(job.id, result)) == ("failed", "before\n")
    assert f"by signal {signal}" in result.message if signal else result.exit_status == 3
    assert not (lab.on_host("web1") / "after").exists()


@pytest.mark.fault("4.49")
def test_what_is_captured_on_several_hosts_is_used_on_each_as_its_own(lab: RunbookLab) -> None:
    for name in ("web1", "web2"):
        (lab.on_host(name) / "id").write_text(f"id={name}\n")
    lab.write(
        fence("cat id", '{"host":"web*","capture":{"mine":"^id=(\\\\S+)"}}'),
        fence("echo <mine> >got", '{"risk":"change","host":"web*","name":"got"}')
        + "\n"
        + fence("echo <mine> >back", '{"host":"web*","rollback-of":"got"}'),
        fence("[ -e no ]", WEB1),
    )
    job = lab.run_all(lab.begin(), on_failure="undo")
    for name in ("web1", "web2"):
        assert (lab.on_host(name) / "got").read_text() == (lab.on_host(name) / "back").read_text() == f"{name}\n"
    assert lab.results(job.id, 2)["web2"].shown == "echo web2 >got"


@pytest.mark.fault("4.49")
def test_what_is_captured_on_several_hosts_is_not_used_on_another(lab: RunbookLab) -> None:
    lab.write(
        fence("echo id=$HOME", '{"host":"web*","capture":{"mine":"^id=(\\\\S+)"}}'),
        fence("echo <mine> >got", '{"risk":"change","host":"here"}'),
    )
    job = lab.run_all(lab.begin())
    assert (job.state, job.exit_code) == ("failed", 1)
    refused = (
        "<mine> has no value on here: a value captured on several hosts applies only to the host it was captured on"
    )
    assert refused in job.message
    assert "capture-of-another-host" in [each.code for each in lint(read(lab.path))]


@pytest.mark.fault("4.54")
def test_a_value_that_names_no_host_is_refused_before_the_first_step(lab: RunbookLab) -> None:
    lab.write(fence("touch first", WEB1), fence("touch second", '{"risk":"change","host":"<where>"}'))
    refused = lilfox("--config", lab.config, "runbook", "run", lab.path, "--yes", "--var", "where=web9")
    assert refused.returncode == 2
    assert "<where>: there is no host web9 in the configuration" in refused.stderr
    assert "available hosts: here, web1, web2" in refused.stderr
    job = lab.begin()
    with pytest.raises(OrderRefused, match="<where>: there is no host web9"):
        lab.run_all(job, values={"where": "web9"})
    lab.order(job, FinishRun(abort=True))
    assert not (lab.on_host("web1") / "first").exists()


def test_a_setting_of_programs_passes_and_makes_readers_changes(lab: RunbookLab) -> None:
    """Not without it: the program would read from somewhere else. With ``--yes`` it was to be seen before."""
    lab.write(fence("export KUBECONFIG=/data/config", WEB1), fence("env | grep KUBE", '{"host":"web1"}'))
    job = lab.run_all(lab.begin())
    result = lab.results(job.id, 2)["web1"]
    assert (job.state, result.kind, lab.printed(job.id, result)) == ("ok", "change", "KUBECONFIG=/data/config\n")
    assert result.shown == "export KUBECONFIG=/data/config\nenv | grep KUBE"
