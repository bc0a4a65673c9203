"""What is measured around changing commands while an incident is open."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.incident.export import export_markdown, verify
from lilfox_tui.incident.incidents import entries, open_incident, read_incident
from lilfox_tui.incident.model import Changed, EvidenceKept, StepBegan, find
from lilfox_tui.jobs.model import MessageLogged
from lilfox_tui.jobs.reader import EventReader
from lilfox_tui.runbook.run.protocol import FinishRun
from tests.pages import served
from tests.ports import free_port
from tests.services.runbook_lab import RunbookLab, fence
from tests.services.sshd import SshdLab, sshd_lab
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]


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
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)
    return RunbookLab(tmp_path, servers)


def measured(incident: str) -> list[tuple[EvidenceKept, dict[str, Any]]]:
    """The evidence of that kind, with what is in the files."""
    folder = find(incident) / "evidence"
    kept = [
        each.what
        for each in entries(incident)
        if isinstance(each.what, EvidenceKept) and each.what.file.endswith(".json")
    ]
    return [(each, json.loads((folder / each.file).read_text())) for each in kept]


def test_before_and_after_each_changing_command_and_of_nothing_that_only_reads(lab: RunbookLab) -> None:
    incident = open_incident("errors").id
    lab.configure(f"services: {{backend: {{url: 'http://127.0.0.1:{free_port()}'}}}}\n")
    lab.write(
        fence("uptime", '{"host":"web1"}'),
        fence("touch made", '{"risk":"change","host":"web*"}'),
    )
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    (before, was), (after, then) = measured(incident)
    assert [was["moment"], then["moment"]] == ["before", "after"]
    assert (was["step"], was["title"]) == (2, "Step 2")
    for found in (was, then):
        assert list(found["hosts"]) == ["web1", "web2"]
        for host in found["hosts"].values():
            assert sum(host["cpu_percent"].values()) == pytest.approx(100, abs=1)
            assert 0 < host["memory_percent"] <= 100
            assert len(host["load"]) == 3
            assert host["filesystems"][0]["used_percent"] >= host["filesystems"][-1]["used_percent"]
        assert found["services"]["backend"].get("health", "error") == "error"  # else it has not answered in time
        assert found["services"]["backend"]["error"]
    order = [each.what for each in entries(incident)]
    began = [at for at, what in enumerate(order) if isinstance(what, StepBegan) and what.step == 2]
    assert order.index(before) < began[0]
    assert order.index(after) > began[-1]
    lines = before.text.split("\n")
    assert lines[0] == "before step 2, Step 2"
    assert [each.partition(":")[0] for each in lines[1:]] == ["web1", "web2", "backend"]
    assert "CPU " in lines[1]
    assert "no answer" in lines[3]
    assert verify(incident).problems == ()
    assert "before step 2, Step 2" in export_markdown(incident, "en")


def test_while_a_change_waits_to_be_ordered_it_is_read_beside(lab: RunbookLab) -> None:
    incident, asked = open_incident("errors").id, []

    def healthy() -> tuple[int, bytes]:
        asked.append(time.monotonic())
        return 200, b"ok"

    with served([healthy]) as (address,):
        lab.configure(f"services: {{backend: {{url: 'http://{address}'}}}}\n")
        lab.write(fence("uptime", '{"host":"web1"}'), fence("touch made", '{"risk":"change","host":"web1"}'))
        job = lab.begin()
        lab.run_one(job, 1)
        lab.until(job, "done", 1)
        wait_for(lambda: len(asked) >= 2, timeout_s=60, what="it is read, and read again")
        assert measured(incident) == []
        lab.run_one(job, 2)
        lab.until(job, "done", 2)
        lab.order(job, FinishRun())
        lab.ended(job)
    (_before, was), (_after, then) = measured(incident)
    assert (was["moment"], then["moment"]) == ("before", "after")
    assert list(was["hosts"]) == ["web1"]


def test_how_a_change_is_taken_back_is_told_with_its_values(lab: RunbookLab) -> None:
    incident = open_incident("errors").id
    lab.write(
        fence("touch <made>", '{"name":"make","risk":"change","host":"web1"}')
        + fence("rm <made>", '{"rollback-of":"make","risk":"change","host":"web1"}'),
        front="lilfox: {version: 1, id: made, title: Made}\nvars:\n  made: {type: unit}",
    )
    job = lab.run_all(lab.begin(), values={"made": "fox.service"})
    assert job.state == "ok", job.message
    (changed,) = (each.what for each in entries(incident) if isinstance(each.what, Changed))
    assert (changed.text, changed.undo) == ("web1: touch fox.service", "rm fox.service")


def test_a_command_that_says_that_it_changed_nothing_is_no_change_in_force(lab: RunbookLab) -> None:
    incident = open_incident("errors")
    lab.write(
        fence("echo fox was there", '{"name":"make","risk":"change","host":"web1","unchanged":"/was there/"}')
        + fence("rm fox", '{"rollback-of":"make","risk":"change","host":"web1"}')
    )
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    assert not [each.what for each in entries(incident.id) if isinstance(each.what, Changed)]
    assert not read_incident(find(incident.id)).in_force
    assert job.result["changes_in_force"] == 0


def test_without_an_incident_nothing_is_measured(lab: RunbookLab) -> None:
    lab.write(fence("touch made", '{"risk":"change","host":"web1"}'))
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    incident = open_incident("later").id
    assert measured(incident) == []


def test_a_host_that_is_down_and_a_service_that_hangs_hold_nothing_up(lab: RunbookLab) -> None:
    incident = open_incident("errors").id
    lab.servers["web2"].kill()
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            lab.configure(f"services: {{backend: {{url: '{url}', timeout: 60s}}}}\n")
            lab.write(fence("touch made", '{"risk":"change","host":"web*"}'))
            start = time.monotonic()
            done = lab.run_all(lab.begin())
            took = time.monotonic() - start
    finally:
        lab.servers["web2"].start()
    assert {name: each.state for name, each in lab.results(done.id).items()} == {"web1": "done", "web2": "failed"}
    (_before, was), (_after, then) = measured(incident)
    for found in (was, then):
        assert "no answer within" in found["services"]["backend"]["error"]
        assert found["hosts"]["web1"]["cpu_percent"]
        assert found["hosts"]["web2"]["error"]
    assert took < 30, "the service's own time is not waited for"


def test_what_cannot_be_kept_is_said_and_the_command_runs(lab: RunbookLab) -> None:
    incident = open_incident("errors")
    (Path(incident.folder) / "evidence").write_text("in the way")
    lab.write(fence("touch made", '{"risk":"change","host":"web1"}'))
    job = lab.run_all(lab.begin())
    assert job.state == "ok", job.message
    assert (lab.on_host("web1") / "made").exists()
    said = [each.text for each in EventReader(lab.job_folder(job.id)).read() if isinstance(each, MessageLogged)]
    assert sum("no metrics were saved as evidence" in each for each in said) == 2
