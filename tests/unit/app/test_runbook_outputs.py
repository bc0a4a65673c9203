"""What a command printed: whose output it is, wherever in it somebody reads, how it is wrapped, and errors first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.runbook.outputs import (
    OutputOf,
    Outputs,
    OutputView,
    earlier_outputs,
    is_error,
    output_lines,
    wrap,
)
from lilfox_tui.app.panes.runbook.rows import RunbookStyle, command_label, exit_text, text_rows
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.core.text import cell_width
from lilfox_tui.runbook.model import Attributes, Command, Step, Variable
from lilfox_tui.runbook.run.output import StoredOutput
from lilfox_tui.runbook.run.state import CommandResult, State
from tests.app.runs_made import failed, run

NOW = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
STYLE = RunbookStyle(60, UNICODE, NOW)
COMMAND = Command(text="seq 9", kind="read", language="bash")


def result(host: str, state: State = "done", exit_status: int | None = None) -> CommandResult:
    return CommandResult(
        host=host, run=host, kind="read", state=state, shown="seq 9", by="ann", began=NOW,
        ended=NOW + timedelta(seconds=2), lines=9, size_bytes=18, exit_status=exit_status,
    )  # fmt: skip


def kept(host: str, last: str = "") -> StoredOutput:
    return StoredOutput(head="".join(f"{host} {number}\n" for number in range(1, 10)) + last)


def said(row: Row) -> str:
    return "".join(piece.text for piece in row).rstrip()


def view(hosts: dict[str, State], top: int | None, *, room: int = 8) -> OutputView:
    return Outputs().view([(result(host, state), kept(host)) for host, state in hosts.items()], STYLE, top, room)


def stays(hosts: dict[str, State], top: int | None, *, room: int = 8) -> list[str]:
    return [said(row) for row in view(hosts, top, room=room).head]


def seen(hosts: dict[str, State], top: int | None, *, room: int = 8) -> list[str]:
    found = view(hosts, top, room=room)
    return [said(row) for row in found.rows[found.top : found.top + room - len(found.head)]]


def test_of_one_host_its_end_stays() -> None:
    for top in (0, 4, None):
        assert stays({"web-1": "done"}, top) == [" ✔ web-1  done  2 s · 9 lines, 18B"]


def test_the_title_says_which_command_it_is_of_and_whether_it_is_the_one_above() -> None:
    step = Step(title="Count", commands=(COMMAND,))
    assert OutputOf(1, step, COMMAND, last=False).title == "step 2: Count"
    assert OutputOf(0, step, COMMAND, last=True).title == "previous: step 1: Count"
    assert OutputOf(0, Step(title="", commands=(COMMAND,)), COMMAND, last=False).title == "step 1: seq 9"
    two = Step(title="Count", commands=(COMMAND, replace(COMMAND, text="seq 3")))
    assert OutputOf(0, two, two.commands[1], last=False).title == "step 1: seq 3"


def test_a_check_and_an_undo_are_told_as_such() -> None:
    check = replace(COMMAND, attributes=Attributes(name="healthy", check=True))
    undo = replace(COMMAND, attributes=Attributes(name="undo-heal", rollback_of="heal"))
    step = Step(title="Clear the fault", commands=(COMMAND, check, undo))
    assert OutputOf(2, step, COMMAND, last=False).title == "step 3: Clear the fault"
    assert OutputOf(2, step, check, last=False).title == "check of step 3: Clear the fault"
    assert OutputOf(2, step, undo, last=False).title == "undo of step 3: Clear the fault"
    assert command_label(check) == ("check", "healthy")
    assert command_label(undo) == ("rollback", "undo-heal")


def test_what_an_output_leaves_free_has_those_before_it_as_far_as_they_fit() -> None:
    before = [("step 2: Look", [(result("web-1"), kept("web-1"))]), ("step 1: Count", [(result("db-1"), kept("db-1"))])]
    assert Outputs().earlier(before, STYLE, 3) == []
    for room in range(4, 40):
        rows = [said(row) for row in Outputs().earlier(before, STYLE, room)]
        assert len(rows) <= room
        assert rows[1] == " step 2: Look"
        assert rows[2].startswith(" ✔ web-1  done")
        assert "web-1 9" in rows[-1] or " step 1: Count" in rows, "its end"
    assert rows.index(" step 1: Count") > rows.index(" web-1 9")
    assert rows[-1] == " db-1 9"


def test_the_outputs_before_one_are_those_that_began_before_it_the_latest_first(tmp_path: Path) -> None:
    log = run(tmp_path, failed(tmp_path))
    assert log.state is not None
    assert log.reducer is not None
    results = [command.results for step in log.state.steps for command in step.commands if command.results]
    begun = sorted(results, key=lambda each: each[-1].began)
    assert len(begun) > 2
    for number, shown in enumerate(begun):
        before = earlier_outputs(shown, log, log.reducer)
        assert [[each for each, _kept in outputs] for _title, outputs in before] == [
            list(each) for each in reversed(begun[:number])
        ]


def test_of_several_hosts_the_one_whose_output_is_in_sight_stays() -> None:
    hosts: dict[str, State] = {"web-1": "done", "web-2": "done"}
    assert stays(hosts, 0) == [" ✔ 2 done"]
    assert stays(hosts, 2) == [" ✔ 2 done"], "the host's own row is in sight"
    assert {stays(hosts, top)[0].split("  ")[0] for top in (3, 12)} == {" ✔ web-1"}
    assert {stays(hosts, top)[0].split("  ")[0] for top in (13, 99, None)} == {" ✔ web-2"}


def test_where_all_fits_each_host_stands_over_its_output_once() -> None:
    rows = seen({"web-1": "done", "web-2": "done"}, None, room=30)
    assert [row for row in rows if "✔" in row] == [" ✔ web-1  done  2 s · 9 lines, 18B",
                                                   " ✔ web-2  done  2 s · 9 lines, 18B"]  # fmt: skip
    assert rows[1:10] == [f" web-1 {number}" for number in range(1, 10)]


def test_the_errors_of_the_host_that_failed_are_in_sight_first() -> None:
    hosts: dict[str, State] = {"web-1": "done", "web-2": "failed", "web-3": "done"}
    assert seen(hosts, None)[-1] == " web-2 9"
    assert "web-2" in stays(hosts, None)[0]
    assert view(hosts, None).last > view(hosts, None).top, "the others are below it"
    while_it_runs: dict[str, State] = {"web-1": "failed", "web-2": "running"}
    assert seen(while_it_runs, None)[-1] == " web-2 9", "what is printed now"


def test_of_what_failed_the_lines_that_report_an_error_stand_out() -> None:
    output = kept("web-1", "bash: line 3: nosuch: command not found\n")
    for state, role in (("failed", "failing"), ("done", "text")):
        found = Outputs().view([(result("web-1", state), output)], STYLE, None, 8)  # type: ignore[arg-type]
        assert {piece.role for piece in found.rows[9] if "line 3" in piece.text} == {role}
        assert "failing" not in {piece.role for piece in found.rows[0]}


def test_an_error_that_has_scrolled_away_stands_above_the_end_of_what_failed() -> None:
    text = "start\nFATAL: disk full\n" + "".join(f"cleaning {number}\n" for number in range(30))
    for state, told in (("failed", True), ("done", False)):
        found = Outputs().view([(result("web-1", state), StoredOutput(head=text))], STYLE, None, 10)  # type: ignore[arg-type]
        assert ("   line 2  FATAL: disk full" in map(said, found.head)) is told
        assert said(found.rows[found.rest + 10 - len(found.head) - 1]) == " cleaning 29"
    near = StoredOutput(head=text + "FATAL: gave up\n")
    found = Outputs().view([(result("web-1", "failed"), near)], STYLE, None, 10)
    assert len(found.head) == 1, "the error is in sight"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("rm: cannot remove 'x': No such file or directory", True),
        ("FATAL:  password authentication failed for user", True),
        ("curl: (7) Failed to connect: Connection refused", True),
        ("./x: line 12: y: unbound variable", True),
        ("nginx.service is active", False),
        ("0 rows", False),
    ],
)
def test_a_line_that_reports_an_error_is_told_by_its_words(line: str, error: bool) -> None:
    assert is_error(line) is error


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (3, "exit status 3"),
        (127, "exit status 127: command not found"),
        (137, "exit status 137: killed by SIGKILL, often by the OOM killer"),
        (143, "exit status 143: killed by SIGTERM"),
    ],
)
def test_an_exit_status_is_told_in_words(status: int, text: str) -> None:
    assert exit_text(status) == text


@pytest.mark.parametrize("width", [8, 33, 60])
@pytest.mark.parametrize("text", ["one two three " * 9, "x" * 300, "告警" * 60, "", "a\tb " * 40, "e\u0301" * 80])
def test_long_lines_are_wrapped_without_a_loss(text: str, width: int) -> None:
    lines = output_lines(StoredOutput(head=f"{text}\nend\n"))
    rows = [lines[line][start:end] for line, start, end in wrap(lines, width)]
    assert all(cell_width(row) < width for row in rows)
    assert "".join(rows).replace(" ", "") == "".join(lines).replace(" ", "")


def test_in_little_room_the_output_is_still_seen() -> None:
    assert len(seen({"web-1": "done"}, None, room=2)) == 1
    assert len(seen({f"web-{number}": "done" for number in range(40)}, None, room=6)) == 5


def test_a_long_command_is_folded_at_one_indent_and_keeps_its_colours() -> None:
    text = "tail -n 5 /var/log/a-very-long-folder/of-a-service/<unit>.log | awk -F '\"' '{print substr($4, 12, 8), $8}'"
    command = Command(text=text, kind="read", language="bash")
    rows = text_rows(command, {"unit": "nginx.service"}, (Variable(name="unit"),), RunbookStyle(40, UNICODE, NOW))
    assert len(rows) > 2
    assert all(cell_width(said(row)) < 40 for row in rows)
    assert [len(said(row)) - len(said(row).lstrip()) for row in rows] == [3, *[5] * (len(rows) - 1)]
    whole = "".join(said(row).strip() for row in rows).replace(" ", "")
    assert whole == text.replace("<unit>", "‹nginx.service›").replace(" ", "")
    assert {piece.role for row in rows for piece in row if "nginx" in piece.text} == {"accent"}
