"""The document of a runbook before it runs: the alert that fires for it, the values, the steps and the rollbacks."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.app.panes.runbook.preview import Preview, alert_rows, contents_text, head_rows, steps_rows
from lilfox_tui.app.panes.runbook.rows import RunbookStyle, command_row, rollback_rows
from lilfox_tui.app.panes.runbook.state import LIST, RunbookState
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Row
from lilfox_tui.core.aio import Ready
from lilfox_tui.monitor.model import RunbooksView
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.parse.document import parse
from tests.app.alerts_made import ERRORS, some
from tests.app.overviews import NOW, mixed
from tests.app.runs_made import documents

STYLE = RunbookStyle(80, UNICODE, NOW)
SERVICE = """---
lilfox: {version: 1, id: svc, on_alert: [HighErrorRate], hosts: "web*"}
vars:
  service: {type: enum, choices: [gateway, backend]}
  port: port
  keep: {type: int, default: 14}
---
# A service fails

Use it when one service answers with errors and the others do not.

1. **Show the fault**

   ```bash {"risk": "read", "capture": {"port": "port (\\\\d+)"}}
   cat /states/<service> <port> <keep>
   ```
"""


def texts(rows: list[Row]) -> list[str]:
    return ["".join(piece.text for piece in row).rstrip() for row in rows]


def runbook(text: str = "") -> Runbook:
    return parse(text.encode(), "/srv/svc.md").runbooks[0] if text else documents()[0].runbooks[0]


def firing(job: str, name: str = "HighErrorRate", value: float = 0.94) -> Alert:
    labels = (("alertname", name), ("job", job), ("severity", "critical"))
    said = (("summary", f"{job}: 94% of requests fail"),)
    at = NOW - timedelta(minutes=1)
    return Alert(labels, said, AlertState.FIRING, at, value, fired_at=at, rule="rules;0")


def drawn(found: Runbook, *alerts: Alert, of_alert: dict[str, str] | None = None) -> list[str]:
    shown = Preview(found, [(each, ERRORS) for each in alerts], {"keep": "14", **(of_alert or {})}, of_alert or {})
    return texts([*head_rows(shown, STYLE), *steps_rows(shown, lambda _step, _command: ("web-1",), STYLE).rows])


def test_the_paragraphs_before_the_first_step_tell_when_it_is_used() -> None:
    about = ("Use it when one service answers with errors and the others do not.",)
    assert runbook(SERVICE).about == about
    assert f" {about[0]}" in drawn(runbook(SERVICE))


def test_a_firing_alert_stands_above_with_its_value_its_limit_since_when_and_where() -> None:
    rows = texts(alert_rows(firing("backend"), ERRORS, STYLE))
    assert rows[0].startswith(" ▲ HighErrorRate  94")
    assert "> 5" in rows[0]
    assert rows[0].endswith("firing 1 min on backend")
    assert rows[1] == "   backend: 94% of requests fail"
    assert drawn(runbook(SERVICE), firing("backend"))[:2] == rows
    quiet = alert_rows(replace(firing("backend"), silenced_by=("5f0c",)), ERRORS, STYLE)[0]
    assert quiet[-1].text == "  silenced"
    assert {piece.role for piece in quiet} <= {"muted", "strong", "text"}
    bare = texts(alert_rows(replace(firing("backend"), annotations=()), "", STYLE))
    assert len(bare) == 1
    assert ">" not in bare[0]


def test_it_says_where_each_value_is_from() -> None:
    rows = drawn(runbook(SERVICE), firing("backend"), of_alert={"service": "backend"})
    assert " runs with  service  backend  from the alert" in rows
    assert "            port     read by step 1" in rows
    assert "            keep     14  default" in rows
    assert " runs with  service  asked for during the run: gateway, backend" in drawn(runbook(SERVICE))


def test_it_counts_what_its_commands_do_and_their_rollbacks_apart() -> None:
    assert contents_text(runbook()) == ("4 steps, 2 commands are read-only, 2 make changes, 1 manual step, 1 rollback")


def test_a_rollback_has_a_heading_its_own_indent_and_none_of_the_colours_of_what_runs() -> None:
    found = runbook()
    step = found.steps[1]
    rows = rollback_rows(step.commands[2], found, ("web-1",), {}, STYLE)
    assert texts(rows)[0] == "    ↩ Rollback of step 2, runs only when you press u"
    assert texts(rows)[2].strip() == "systemctl stop <unit>"
    assert not {piece.role for row in rows[2:] for piece in row if piece.text.strip()} & {"keyword", "text", "number"}
    all_of_it = drawn(found)
    at = all_of_it.index("       ↩ Rollback of step 2, runs only when you press u")
    assert all_of_it.index("      systemctl restart <unit>") < at
    listed = [texts([command_row(each, "ready", STYLE, here=False, marked=False)])[0] for each in step.commands]
    assert listed[2].index("↩") > listed[0].index("restart") - 1
    assert listed[2].split() == ["↩", "rollback", "systemctl", "stop", "<unit>"]
    assert "Rollback" in texts(rollback_rows(step.commands[2], found, (), {}, RunbookStyle(24, ASCII, NOW)))[0]


def stated(*alerts: Alert) -> RunbookState:
    seen = replace(mixed(), alerts=Ready(replace(some(), alerts=alerts)))
    state = RunbookState({}, lambda: seen)
    state.take_runbooks(RunbooksView((parse(SERVICE.encode(), "/srv/svc.md"),), ()))
    return state


def test_values_come_from_the_alert_that_fires_unless_several_disagree() -> None:
    found = runbook(SERVICE)
    assert stated(firing("backend")).values_of_cause(found) == {"service": "backend"}
    assert stated(firing("backend"), firing("backend", value=0.5)).values_of_cause(found) == {"service": "backend"}
    assert stated(firing("backend"), firing("gateway")).values_of_cause(found) == {}
    assert stated(firing("backend"), firing("gateway")).alerts.values(found) == {"service": ["backend", "gateway"]}
    shown = Preview(found, (), {}, {}, {"service": ["backend", "gateway"]})
    rows = texts(head_rows(shown, STYLE))
    assert " runs with  service  asked for during the run; the alerts say backend, gateway" in rows
    silenced = replace(firing("gateway"), silenced_by=("5f0c",))
    assert stated(silenced, firing("backend")).values_of_cause(found) == {"service": "backend"}
    assert stated(silenced, firing("backend")).alerts.of(found)[-1] == silenced
    assert stated(firing("backend", "Other")).values_of_cause(found) == {}
    assert stated().values_of_cause(found) == {}


def test_the_document_stands_beside_the_list_from_100_columns_on_while_nothing_runs() -> None:
    state = stated()
    assert not state.shows_document(99)
    assert state.shows_document(100)
    state.command_top = 5
    state.go_column(LIST + 1)
    assert not state.shows_document(200)
    assert state.command_top == 0, "the command is not scrolled as the document was"


def test_headings_are_groups_and_what_the_file_shows_of_a_command_stands_below_it() -> None:
    text = (
        "# Pods\n\n## Diagnosis\n\nRead [more](Other.md).\n\n```bash\n$ uptime\n up 3 days\n```\n\n"
        "## Mitigation\n\n```bash\nreboot )\n```\n"
    )
    found = drawn(runbook(text))

    assert any("see also" in line and "more" in line for line in found)
    assert [line for line in found if line in (" Diagnosis", " Mitigation")] == [" Diagnosis", " Mitigation"]
    at = next(number for number, line in enumerate(found) if line.endswith("expected output:"))
    assert found[at - 1].endswith("uptime")
    assert found[at + 1].endswith("up 3 days")
    assert any("bash cannot parse this" in line for line in found)
