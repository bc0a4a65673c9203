"""Which run knows all, and what it wrote down: of folders that nobody's job holds any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.jobs.model import Event, JobFact, JobRequest
from lilfox_tui.jobs.reader import REQUEST
from lilfox_tui.runbook.run.persistence import (
    copy_outputs,
    facts_of,
    mark_resumed,
    newest_run,
    request_of_run,
    runbook_of,
    save_snapshot,
)
from lilfox_tui.runbook.run.protocol import (
    RUN_KIND,
    ClientActs,
    RunClient,
    RunFact,
    RunRequest,
    RunResumed,
    decode_facts,
    encode_fact,
)
from tests.unit.jobs.made import OK, make
from tests.unit.jobs.made import began as job_began
from tests.unit.jobs.running import jobs
from tests.unit.runbook.made import AT, command, opened, runbook

__all__ = ["jobs"]
TEXT = "---\nlilfox: {version: 1, id: made, title: Made}\n---\n# Made\n\n1. Look\n\n   ```bash\n   uptime\n   ```\n"


def run(jobs: Path, number: int, *facts: RunFact, file: Path = Path("/made.md"), ends: Sequence[Event] = (OK,)) -> Path:
    """The folder of a run of the runbook in ``file``."""
    folder = make(jobs, number, [job_began(), *(JobFact(AT, *encode_fact(fact)) for fact in facts), *ends])
    arguments = msgspec.to_builtins(RunRequest(path=str(file), runbook="made", sha256="0" * 64))
    request = JobRequest(entry="lilfox_tui.x:y", kind=RUN_KIND, title="made", key="runbook made", arguments=arguments)
    (folder / REQUEST).write_bytes(msgspec.json.encode(request))
    return folder


def test_the_last_one_that_went_on_with_it_knows_all(jobs: Path) -> None:
    first, second, third = (run(jobs, number) for number in (1, 2, 3))
    assert newest_run(first.name) == first.name
    mark_resumed(first.name, second.name)
    mark_resumed(second.name, third.name)
    assert newest_run(first.name) == newest_run(third.name) == third.name
    mark_resumed(third.name, first.name)
    with pytest.raises(LilFoxError, match="the chain of resumed runs is circular"):
        newest_run(second.name)


@pytest.mark.parametrize("written", [b"", b"../../etc", b"20231230-020000-000", b"\xff\xfe"])
def test_who_went_on_is_a_run_or_nobody(jobs: Path, written: bytes) -> None:
    first = run(jobs, 1)
    (first / "resumed").write_bytes(written)
    assert newest_run(first.name) == first.name


def test_what_is_no_run_of_a_runbook_is_not_gone_on_with(jobs: Path) -> None:
    backup = make(jobs, 1, [job_began(), OK])
    for ask in (newest_run, request_of_run):
        with pytest.raises(LilFoxError, match="is not a runbook run: job 1"):
            ask(backup.name)


@pytest.mark.fault("4.47")
def test_one_that_was_killed_while_it_took_over_knows_what_the_one_before_did(jobs: Path) -> None:
    before = run(jobs, 1, opened({}, run="1"))
    killed = run(jobs, 2, opened({}, run="2", resumes=before.name), ends=())
    assert facts_of(killed.name) == facts_of(before.name) == [opened({}, run="1")]
    took = opened({}, run="3", resumes=before.name), RunResumed(at=AT, run=before.name, hosts={})
    assert facts_of(run(jobs, 3, *took).name) == list(took)


@pytest.mark.fault("4.47")
def test_of_one_that_was_killed_before_it_took_over_the_other_one_is_gone_on_with(jobs: Path) -> None:
    """Two went on with the first, one after the other; the second was killed before it had said so, and did nothing."""
    before, killed, other = (run(jobs, number) for number in (1, 2, 3))
    for each in (killed, other):
        request = msgspec.json.decode((each / REQUEST).read_bytes(), type=JobRequest)
        request.arguments["resumes"] = before.name
        (each / REQUEST).write_bytes(msgspec.json.encode(request))
    assert newest_run(killed.name) == before.name, "nobody has gone on with it yet"
    mark_resumed(before.name, other.name)
    assert newest_run(killed.name) == newest_run(before.name) == newest_run(other.name) == other.name


def test_what_is_copied_of_an_earlier_takeover_is_none_of_its_own(jobs: Path) -> None:
    first = run(jobs, 1, opened({}, run="1"))
    second = run(jobs, 2, opened({}, run="2", resumes=first.name), RunResumed(at=AT, run=first.name, hosts={}))
    third = run(jobs, 3, opened({}, run="3", resumes=second.name), RunResumed(at=AT, run=first.name, hosts={}), ends=())
    assert facts_of(third.name) == facts_of(second.name)


def test_its_runbook_is_what_it_kept_else_what_its_file_has(jobs: Path, tmp_path: Path) -> None:
    file = tmp_path / "made.md"
    file.write_text(TEXT)
    folder = run(jobs, 1, file=file)
    assert request_of_run(folder.name).path == str(file)
    assert [each.text for each in runbook_of(folder.name).steps[0].commands] == ["uptime"]
    save_snapshot(folder, runbook((command("df -h"),)))
    assert [each.text for each in runbook_of(folder.name).steps[0].commands] == ["df -h"]


def test_what_its_commands_printed_is_there_for_the_next_one_and_nothing_else(jobs: Path) -> None:
    before, after = run(jobs, 1), run(jobs, 2)
    for name in ("1.head", "1.tail", "2.tail", "other"):
        (before / name).write_text(name)
    (after / "1.tail").write_text("its own")
    copy_outputs(before.name, after)
    assert ((after / "1.head").read_text(), (after / "1.tail").read_text()) == ("1.head", "its own")
    assert (after / "2.tail").read_text() == "2.tail"
    assert not (after / "other").exists()


CLIENT = {"name": "fox@console", "terminal": "pts/3", "pid": 4711, "started": 123456, "boot": "b"}
STORED = {
    "entry": "lilfox_tui.runbook.run.job:run", "kind": RUN_KIND, "title": "runbook Made",
    "key": "runbook /made.md#made",
    "wanted": {
        "path": "/made.md", "runbook": "made", "sha256": "0" * 64, "config": "/etc/lilfox/config.yaml",
        "read_only": False, "hosts": "web*", "values": {"unit": "nginx"}, "resumes": "20260329-031200-3f9a",
        "face": CLIENT,
    },
}  # fmt: skip
"""What ``request.json`` of a run has, as an earlier version wrote it."""


def test_a_stored_request_is_read_and_written_as_it_was(jobs: Path) -> None:
    folder = run(jobs, 1)
    (folder / REQUEST).write_bytes(msgspec.json.encode(STORED))
    request = request_of_run(folder.name)
    assert request == RunRequest(
        path="/made.md",
        runbook="made",
        sha256="0" * 64,
        config="/etc/lilfox/config.yaml",
        hosts="web*",
        values={"unit": "nginx"},
        resumes="20260329-031200-3f9a",
        client=msgspec.convert(CLIENT, RunClient),
    )
    assert msgspec.to_builtins(request) == STORED["wanted"]
    assert msgspec.to_builtins(msgspec.convert(STORED, JobRequest)) == STORED


def test_who_is_in_control_is_told_as_before() -> None:
    fact = ClientActs(at=AT, client=msgspec.convert(CLIENT, RunClient), before="fox@other")
    name, value = encode_fact(fact)
    assert (name, value["face"]) == ("acts", CLIENT)
    assert list(decode_facts([JobFact(AT, name, value)])) == [fact]
