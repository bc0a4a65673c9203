from __future__ import annotations

import fcntl
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from lilfox_tui.__main__ import main
from lilfox_tui.cli.job_output import JobPrinter, follow_job, progress_text
from lilfox_tui.cli.schemas import schema
from lilfox_tui.jobs.model import Ended, Event, Intent, MessageLogged, Progress, ProgressMade, StepDone, state_text
from lilfox_tui.jobs.reader import CHECKED, EVENTS
from lilfox_tui.metrics.model import Level
from tests.unit.jobs.made import AT, OK, began, make
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
FAILED = Ended(AT, "failed", "no room on /backup", "make room", 3, {"n": 1})


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(argv)
    return code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    code, out = printed(capsys, *argv)
    return code, json.loads(out)


def test_the_table_says_what_where_and_how_far(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "jobs") == (0, "no jobs\n")
    make(jobs, 1, [began(), OK])
    make(jobs, 2, [began(AT + timedelta(seconds=1)), FAILED])
    folder = make(
        jobs, 3, [began(AT + timedelta(seconds=2)), ProgressMade(AT, Progress("db", 1 << 20, 4 << 20, 1024, 3.0))]
    )
    with (folder / EVENTS).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, out = printed(capsys, "jobs")
    lines = out.splitlines()
    assert code == 0
    assert lines[1].split()[:5] == ["○", folder.name, "job", "3", "running"]
    assert lines[1].endswith("db 1.0M of 4.0M 25%  1.0K/s  3 s left")
    assert lines[2].endswith("no room on /backup")
    assert lines[3].endswith("good")


def test_an_unknown_one_exits_1_until_somebody_looked(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make(jobs, 1, [began(), Intent(AT, "rename lilfox")])
    code, out = printed(capsys, "jobs")
    assert code == 1
    assert "it was about to: rename lilfox" in out
    assert f"lilfox jobs checked {folder.name}" in out
    assert printed(capsys, "--read-only", "jobs", "checked", "0001")[0] == 1
    assert not (folder / CHECKED).exists()
    code, out = printed(capsys, "jobs", "checked", "0001")
    assert (code, out) == (0, f"job {folder.name} is marked as checked: job 1\n")
    assert printed(capsys, "jobs")[0] == 0


def test_json_is_as_its_schema_says(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(jobs, 1, [began(), ProgressMade(AT, Progress("db", 1)), FAILED])
    make(jobs, 2, [])
    make(jobs, 3, [began()])
    code, told = document(capsys, "jobs", "--json")
    assert code == 1
    jsonschema.validate(told, schema("jobs"))
    assert {each["state"] for each in told["jobs"]} == {"failed", "unknown"}
    first = next(each for each in told["jobs"] if each["id"].endswith("0001"))
    assert (first["exit_code"], first["result"], first["progress"][0]["done_bytes"]) == (3, {"n": 1}, 1)
    for name in ("jobs", "attach"):
        assert document(capsys, name, "--json-schema")[1] == schema(name)


def test_few_are_shown_unless_all_are_asked_for(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(30):
        make(jobs, number, [began(AT + timedelta(seconds=number)), OK])
    out = printed(capsys, "jobs")[1]
    assert len(out.splitlines()) == 1 + 20 + 1
    assert "10 older jobs not shown; list all: lilfox jobs --all" in out
    assert len(printed(capsys, "jobs", "--all")[1].splitlines()) == 31


def test_attach_prints_all_from_the_first_event_and_ends_as_the_job(
    jobs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[Event] = [
        Intent(AT, "one"),
        StepDone(AT, "two\nlines"),
        MessageLogged(AT, "so", "warning"),
        ProgressMade(AT, Progress("p", 1)),
    ]
    make(jobs, 1, [began(), *said, FAILED])
    code, out = printed(capsys, "attach", "0001")
    assert code == 3
    shown = [line[9:] for line in out.splitlines() if line[2:3] == ":"]
    assert shown[1:] == ["→ one", "✓ two", "✓ lines", "! so", "  p 1B", "x failed: no room on /backup"]
    assert "hint: make room" in out
    code, out = printed(capsys, "attach", "0001", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 3
    assert [line["event"] for line in lines] == ["began", "intent", "done", "said", "moved", "ended"]
    for line in lines:
        jsonschema.validate(line, schema("attach"))


def test_of_one_that_is_gone_the_last_line_says_so(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(jobs, 1, [began()])
    code, out = printed(capsys, "attach", "0001", "--json")
    assert code == 1
    last = json.loads(out.splitlines()[-1])
    jsonschema.validate(last, schema("attach"))
    assert (last["event"], last["state"]) == ("ended", "unknown")


@pytest.mark.fault("S1")
def test_hostile_text_is_nothing_to_a_terminal(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]52;c;eA==\x07\x9b31m\u202e\r\nb"
    said: list[Event] = [
        replace(began(), user=evil, host=evil),
        MessageLogged(AT, evil),
        ProgressMade(AT, Progress(evil, 1)),
    ]
    make(jobs, 1, [*said, replace(FAILED, message=evil)])
    for argv in (("attach", "0001"), ("jobs",), ("attach", "0001", "--json"), ("jobs", "--json")):
        out = printed(capsys, *argv)[1]
        assert not set("\x1b\x07\x9b\u202e\r") & set(out)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("attach", "ffff"), "no such job"),
        (("attach",), "no job is running"),
        (("jobs", "cancel", "ffff"), "no such job"),
        (("jobs", "checked", "../x"), "no such job"),
    ],
)
def test_what_is_not_there_is_said(
    jobs: Path, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], message: str
) -> None:
    assert main(argv) == 2
    assert message in capsys.readouterr().err


def test_a_config_that_cannot_be_used_hides_no_job(
    jobs: Path, own_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(jobs, 1, [began(), OK])
    config = own_folders / "config" / "lilfox" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("hosts: 1\n")
    code, out = printed(capsys, "jobs")
    assert code == 0
    assert "job 1" in out


def test_quiet_says_nothing_of_what_went_well(jobs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(jobs, 1, [began(), MessageLogged(AT, "so"), OK])
    make(jobs, 2, [began(), MessageLogged(AT, "so"), MessageLogged(AT, "look", "warning"), FAILED])
    assert follow_job("0001", quiet=True) == 0
    assert capsys.readouterr().err == ""
    assert follow_job("0002", quiet=True) == 3
    err = capsys.readouterr().err.splitlines()
    assert [line[9:] for line in err[:2]] == ["! look", "x failed: no room on /backup"]


def test_check_knows_unknown_jobs(
    jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("hosts:\n  here: {local: true}\n")
    config.chmod(0o600)
    monkeypatch.setattr("lilfox_tui.cli.commands.check.worst", lambda _overview: Level.GOOD)  # however busy it is here
    make(jobs, 1, [began(), OK])
    assert printed(capsys, "--config", str(config), "check")[0] == 0
    make(jobs, 2, [began(AT + timedelta(days=1)), Intent(AT, "rename lilfox")])
    code, out = printed(capsys, "--config", str(config), "check")
    assert code == 1
    assert "✖  job" in out
    assert "rename lilfox" in out
    code, told = document(capsys, "--config", str(config), "check", "--json")
    jsonschema.validate(told, schema("check"))
    assert (code, told["level"], [each["title"] for each in told["jobs"]]) == (1, "failing", ["job 2"])


def test_progress_says_only_what_is_known() -> None:
    assert progress_text(Progress("db", 0)) == "db 0B"
    assert progress_text(Progress("db", 10, 0)) == "db 10B"
    assert progress_text(Progress("db", 30, 20)) == "db 30B of 20B 100%"


def test_the_last_progress_of_a_part_comes_before_what_is_told_of_it() -> None:
    at, lines = AT, list[str]()
    printer = JobPrinter(lines.append)
    for event in (
        ProgressMade(at, Progress("a", 10, 20, 5.0, 2.0)),
        MessageLogged(at, "reading"),
        ProgressMade(at, Progress("a", 20, 20, 0.0, 0.0)),
        ProgressMade(at, Progress("b", 5, None, 5.0)),
        MessageLogged(at, "a is intact", "good"),
        Ended(at, "ok", "all is intact"),
    ):
        printer.event(event)
    assert [line[9:].strip() for line in lines] == [
        "reading",
        "a 20B of 20B 100%",
        "+ a is intact",
        "b 5B",
        f"+ {state_text('ok')}: all is intact",
    ]
