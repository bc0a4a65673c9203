"""Variables and captured values of runs on real hosts: each is known where it is used, or nothing runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
def test_a_variable_of_another_fence_stops_the_run_before_it_begins(lab: RunbookLab) -> None:
    lab.write(fence("DIR=/data", WEB1), fence("touch begun", WEB1), fence("touch $DIR/*.tmp ran", WEB1))
    job = lab.begin()
    with pytest.raises(OrderRefused, match=r"line 18: \$DIR is set in another fence \(line 6\)"):
        lab.run_all(job)
    with pytest.raises(OrderRefused, match=r"\$DIR is set in another fence"):
        lab.run_one(job, 3)
    lab.order(job, FinishRun(abort=True))
    shown = lilfox("--config", lab.config, "runbook", "run", lab.path, "--dry-run")
    assert shown.returncode == 1
    assert "! line 18: $DIR is set in another fence" in shown.stdout
    assert [(each.line, each.code) for each in lint(read(lab.path)) if each.severity == "error"] == [
        (18, "variable-of-another-fence")
    ]
    assert not {"begun", "ran"} & {each.name for each in lab.on_host("web1").iterdir()}


@pytest.mark.fault("4.48")
def test_a_variable_that_the_host_does_not_set_stops_the_command_before_it_begins(lab: RunbookLab) -> None:
    (lab.on_host("web1") / "env.sh").write_text("MADE=made\n")
    lab.write(
        fence(". ./env.sh\n[ -n $MADE ]\ntouch $HOME/$MADE", WEB1),
        fence("touch $NOSUCH/*.tmp ran", '{"risk":"change","host":"web1","expect":125}'),
    )
    job = lab.run_all(lab.begin())
    result = lab.results(job.id, 2)["web1"]
    assert (job.state, result.state, result.exit_status) == ("partly", "failed", None)
    assert "neither an earlier command in this fence nor the host's environment sets $NOSUCH" in result.message
    assert "may have changed something" not in job.hint
    home = lab.on_host("web1")
    assert ((home / "made").exists(), (home / "ran").exists()) == (True, False)
    assert "variable-unset" in [each.code for each in lint(read(lab.path))]
    (home / "made").unlink()


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
