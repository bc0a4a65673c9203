"""Of which command and host an output is, wherever in it somebody reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lilfox_tui.app.panes.runbook.rows import Of, Outputs, RunbookStyle
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.run.output import StoredOutput
from lilfox_tui.runbook.run.state import CommandResult, State

NOW = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
STYLE = RunbookStyle(60, UNICODE, NOW)
OF = Of(1, Command(text="seq 9", kind="read", language="bash"), last=False)


def result(host: str, state: State = "done") -> CommandResult:
    return CommandResult(
        host=host, run=host, kind="read", state=state, shown="seq 9", by="ann", began=NOW,
        ended=NOW + timedelta(seconds=2), lines=9, size_bytes=18,
    )  # fmt: skip


def kept(host: str) -> StoredOutput:
    return StoredOutput(head="".join(f"{host} {number}\n" for number in range(1, 10)))


def said(row: Row) -> str:
    return "".join(piece.text for piece in row).rstrip()


def stays(hosts: dict[str, State], top: int | None, *, room: int = 8, of: Of = OF) -> list[str]:
    results = [(result(host, state), kept(host)) for host, state in hosts.items()]
    rows, sticky = Outputs().rows(of, results, STYLE, top, room)
    return [said(row).rstrip(" ─") for row in rows[:sticky]]


def test_of_one_host_its_step_command_and_end_stay() -> None:
    for top in (0, 4, None):
        assert stays({"web-1": "done"}, top) == ["── step 2: seq 9", " ✔ web-1  done  2 s · 9 lines, 18B"]


def test_of_a_command_that_is_not_the_one_above_that_is_said() -> None:
    assert stays({"web-1": "done"}, None, of=Of(0, OF.command, last=True))[0] == "── previous command: step 1: seq 9"


def test_of_several_hosts_the_one_whose_output_is_in_sight_stays() -> None:
    hosts: dict[str, State] = {"web-1": "done", "web-2": "failed"}
    assert stays(hosts, 0)[1] == " ✔ 1 done  ✖ 1 failed"
    assert stays(hosts, 2)[1] == " ✔ 1 done  ✖ 1 failed", "the host's own row is in sight"
    assert [stays(hosts, top)[1] for top in (3, 12)] == [" ✔ web-1  done"] * 2
    assert [stays(hosts, top)[1] for top in (13, 99, None)] == [" ✖ web-2  failed"] * 3


def test_of_a_long_command_in_little_room_the_output_is_still_seen() -> None:
    long = Of(0, Command(text="echo " + "x" * 200, kind="read", language="bash"), last=False)
    (row,) = stays({"web-1": "done"}, None, room=2, of=long)
    assert row.endswith("x…")
    assert len(row) <= 60
    assert len(stays({f"web-{number}": "done" for number in range(40)}, None, room=6)) == 2
