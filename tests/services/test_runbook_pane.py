"""The Runbook pane by its keys, over real jobs on this machine: begun, ordered, found again, told to an incident."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from textual.widgets import Input

from lilfox_tui.app.evidence import Cause
from lilfox_tui.app.panes.runbook.state import COMMAND
from lilfox_tui.incident import incidents
from lilfox_tui.incident.incidents import current, open_incident
from lilfox_tui.incident.model import Closed, Decided, EvidenceKept, Noted, StepEnded, StepSkipped, What
from lilfox_tui.jobs.listing import list_jobs
from tests.app.runbook_console import console, end_runs, home, still_running, told
from tests.waiting import until

__all__ = ["home"]


async def test_a_run_from_its_first_key_to_its_end(home: Path) -> None:
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("open an incident (SEV-2) and run")
        await shown.keys("enter")
        await shown.until("looked at 42")
        await shown.until_waits("value", 2)
        assert "INC-1 SEV-2" in shown.text.splitlines()[1]
        assert "run 2/5" in shown.text.splitlines()[1]
        await shown.keys("enter")
        await shown.until("one of one, two")
        await shown.keys(*"three", "enter")
        await shown.until("the value is refused")
        await shown.keys("down", "enter")
        text = await shown.until("run it")
        assert "u undoes it" in text
        assert "changed-‹two›" in text
        assert not (home / "changed-two").exists()
        await shown.keys("enter")
        await shown.until_waits("hand", 3)
        assert (home / "changed-two").exists()
        await shown.keys("H")
        await shown.until("it is done")
        await shown.keys("enter")
        await shown.until_waits("order", 4)
        await shown.keys("enter")
        await shown.until_waits("decision", 4)
        assert "failed" in await shown.until("exit status 1")
        (home / "mended").touch()
        await shown.keys("R")
        await shown.until_waits("confirm", 5)
        await shown.keys("minus")
        await shown.keys(*"too hot", "enter")
        await shown.until_waits("end", 0)
        await shown.keys("u")
        text = await shown.until("undo it")
        assert f"rm {home}/changed-‹two›" in text.replace("\n", "")
        await shown.keys("enter")
        await until(lambda: not (home / "changed-two").exists(), what="it is undone")
        await shown.until_waits("end", 0)
        await shown.keys("enter")
        await shown.until("last run, by")
    assert [each.reason for each in told(StepSkipped)] == ["too hot"]
    assert {each.state for each in told(StepEnded)} == {"done", "failed"}


@pytest.mark.fault("4.7")
@pytest.mark.parametrize(("risk", "typed"), [("", ""), (', "risk": "destroy", "confirm": "none"', "here")])
async def test_what_failed_on_its_way_is_taken_back_once_it_was_shown(home: Path, risk: str, typed: str) -> None:
    (home / "runbooks/made.md").write_text(f"""# Made

1. **Change it**

   ```bash {{"name": "change"}}
   touch {home}/half && touch {home}/gone/whole
   ```

   ```bash {{"rollback-of": "change"{risk}}}
   rm {home}/half
   ```
""")
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until_waits("confirm", 1)
        await shown.keys("enter")
        await shown.until("run it")
        await shown.keys("enter")
        await shown.until_waits("decision", 1)
        await shown.keys("enter")
        await shown.until("b undo what it may have done")
        await shown.keys("b")
        text = await shown.until("The rollback commands assume that the whole change was made.")
        assert f"rm {home}/half" in text.replace("\n", "")
        assert (home / "half").exists()
        if typed:
            await shown.keys("enter")
            await shown.until("nothing was done: type here in full")
        await shown.keys(*typed, "enter")
        await until(lambda: not (home / "half").exists(), what="it is undone")
        await shown.until_waits("decision", 1)
        await shown.keys("enter")
        await shown.until("retry")
        assert "may have done" not in shown.text
        await shown.keys("escape", "X")


async def test_what_destroys_wants_its_host_typed(home: Path) -> None:
    (home / "precious").mkdir()
    (home / "mended").touch()
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until_waits("value", 2)
        await shown.keys("minus", *"not now", "enter")
        await shown.until_waits("hand", 3)
        await shown.keys("enter", "enter")
        await shown.until_waits("order", 4)
        await shown.keys("enter")
        await shown.until_waits("confirm", 5)
        await shown.keys("enter")
        await shown.until("type here and press enter")
        await shown.keys(*"there", "enter")
        await shown.until("nothing was done: type here in full, or press esc to cancel")
        await shown.keys("backspace")
        await shown.until(lambda text: "nothing was done" not in text)
        assert (home / "precious").exists()
        await shown.keys("escape")
        await shown.until_waits("confirm", 5)
        await shown.keys("enter")
        await shown.until("makes destructive changes")
        await shown.keys(*"here", "enter")
        await until(lambda: not (home / "precious").exists(), what="it is destroyed")
        await shown.until_waits("end", 0)
        assert current() is None, "it was begun without an incident"
        await shown.keys("X")
        await shown.until("1 change stays in force")
        await shown.keys("enter")
        await shown.until("last run, by")


async def test_the_incident_is_written_by_keys_and_closed_with_what_is_in_force(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir("/")
    async with console(home) as shown:
        await shown.keys("i")
        await shown.until("no incident is open")
        await shown.keys("I")
        await shown.until("Open an incident")
        await shown.keys(*"it burns", "up", "enter")
        await shown.until("INC-1 SEV-1")
        await shown.keys("i", *"smoke in the rack", "enter")
        await shown.until("smoke in the rack")
        await shown.keys("colon", *"decide", "enter", *"cut the power", "enter")
        await shown.until("decision: cut the power")
        await shown.keys("4", "enter", "enter")
        await shown.until("looked at 42")
        await shown.until_waits("value", 2)
        await shown.keys("enter")
        await shown.until("one of one, two")
        await shown.keys("down", "down", "enter")
        await shown.until("run it")
        await shown.keys("enter")
        await shown.until_waits("hand", 3)
        await shown.keys("g", "e")
        await shown.until("Save as evidence")
        await shown.keys("enter")
        await shown.until("saved as evidence")
        await shown.keys("colon", *"hand-over", "enter")
        await shown.until("changes in force:")
        await shown.keys("y")
        assert "changes in force:" in shown.app.clipboard
        await shown.keys("escape", "colon", *"close", "enter")
        await shown.until("INC-1: still running")
        await shown.keys(*"close", "enter")
        text = await shown.until("1 change is still in force:")
        assert "to undo it: rm" in text
        assert "close it anyway" in text
        await shown.keys(*"it was the fan", "down", "enter")  # other services fail
        await shown.until("is closed")
        await shown.keys("colon", *"export", "enter")
        await shown.until("export INC-1 into the new folder:")
        assert str(home) in shown.app.query_one("#line", Input).value
        await shown.keys("enter")
        path = (await shown.until("exported:")).partition("exported: ")[2].split()[0]
    closed = told(Closed)
    assert [each.summary for each in closed] == ["it was the fan"]
    assert "touch" in closed[0].in_force[0]
    assert [each.text for each in told(Noted)] == ["smoke in the rack"]
    assert [each.text for each in told(Decided)] == ["cut the power"]
    assert any(each.file.endswith(".txt") for each in told(EvidenceKept))
    assert "it was the fan" in await asyncio.to_thread(Path(path).read_text)


def notes(incident: str) -> list[What]:
    return [each.what for each in incidents.entries(incident) if isinstance(each.what, Noted)]


async def test_which_incident_is_the_current_one_is_said_when_that_changes(home: Path) -> None:
    """Closed from here or from elsewhere; what was begun for one is written into that one."""
    older = await asyncio.to_thread(incidents.open_incident, "the older")
    newer = await asyncio.to_thread(incidents.open_incident, "the newer")
    async with console(home) as shown:
        await shown.until("INC-2 SEV-3  the newer")
        await shown.keys("i")
        await shown.until("note for INC-2")
        await asyncio.to_thread(incidents.close, Path(newer.folder), "")
        await shown.until("INC-1 SEV-3  the older")
        await shown.keys(*"of the newer", "enter")
        await until(lambda: notes("INC-2"), what="the note")
        assert notes("INC-2") == [Noted(text="of the newer")]
        await asyncio.to_thread(incidents.reopen, Path(newer.folder), "")
        await shown.until("INC-2 is now the current incident: the newer")
        await asyncio.to_thread(incidents.close, Path(newer.folder), "")
        await shown.until("INC-1 is now the current incident: the older")
        await shown.until("INC-1 SEV-3  the older")
        await asyncio.to_thread(incidents.reopen, Path(newer.folder), "")
        await shown.until("INC-2 SEV-3  the newer")
        await shown.keys("colon", *"close", "enter")
        await shown.until("Close INC-2")
        await shown.keys("down", "enter")
        await shown.until(
            "INC-2 is closed; 3 failures are left; INC-1 is now the current incident; press a in pane 4 to export it"
        )
        await shown.until("INC-1 SEV-3  the older")
        await shown.keys("colon", *"export", "enter")
        text = await shown.until("Export which incident?")
        assert text.index("INC-2", text.index("Export which incident?")) < text.index(
            "INC-1", text.index("Export which incident?")
        )
        await shown.keys("escape")
    assert not notes(older.id)


async def test_a_run_that_goes_on_is_found_again_with_its_step_and_all_that_it_printed(home: Path) -> None:
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until_waits("value", 2)
    async with console(home) as again:
        await again.until("2/5")
        await again.until_waits("value", 2)
        await again.keys("tab")
        await again.until("looked at 42")
        assert "run 2/5" in again.text.splitlines()[1]


async def test_a_run_whose_job_was_killed_goes_on_where_it_was(home: Path) -> None:
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        run = await shown.until_waits("value", 2)
        pid = next(job.pid for job in list_jobs() if job.id == run.job_id)
        assert pid is not None
        os.killpg(pid, signal.SIGKILL)
        await until(lambda: run.ended is not None, what="the end is seen")
    async with console(home) as again:
        await again.until("interrupted")
        await again.keys("enter", "enter")
        await again.until("resume where it stopped")
        await again.keys("enter")
        await again.until_waits("value", 2)
        await again.until("looked at 42")


async def test_read_only_runs_nothing_and_says_why(home: Path) -> None:
    async with console(home, read_only=True) as shown:
        await shown.keys("enter", "enter")
        await shown.until("nothing can be run or written from here in read_only mode")
        await shown.keys("I")
        await shown.until("nothing can be run or written from here in read_only mode")
    assert not list_jobs()


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (100, 30), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_size_leads_to_the_command_and_back(home: Path, size: tuple[int, int]) -> None:
    async with console(home, size=size) as shown:
        await shown.keys("enter")
        while "echo" not in shown.text:
            assert shown.state.column < 2
            await shown.keys("enter")
        await shown.keys("escape", "escape")
        await shown.until("Made")
        assert shown.state.column == 0


async def test_an_alert_gives_its_runbook_its_values(home: Path) -> None:
    async with console(home) as shown:
        shown.app.go_to_runbook(Cause("HighErrorRate", {"word": "one", "token": "x"}, "SEV-1"))
        assert shown.state.values == {"word": "one"}
        await shown.until("runbook for alert HighErrorRate")
        await shown.keys("enter")
        text = await shown.until("cause")
        assert "HighErrorRate" in text


async def test_an_output_of_100_mb_leaves_the_keys_alone(home: Path) -> None:
    path = home / "runbooks/made.md"
    loud = "seq 10000000 21111111"
    path.write_text(f'# Made\n\n1. Look at it\n\n   ```bash {{"risk": "read"}}\n   {loud}\n   ```\n')
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        slowest, loop = 0.0, asyncio.get_running_loop()
        while shown.state.run is None or shown.state.run.state is None or shown.state.run.state.waiting.what != "end":
            began = loop.time()
            await shown.pilot.press("j")
            slowest = max(slowest, loop.time() - began)
        (result,) = shown.state.results()
        kept = shown.state.run.kept(result)
        assert result.size_bytes == 9 * 11_111_112
        assert result.size_bytes - kept.left_out_bytes == len(kept.text)
        assert slowest < 1.0, "on a machine that does other things, too"


async def test_a_secret_is_typed_unseen_and_written_nowhere(home: Path) -> None:
    canary = "kanarienvogel-4711"
    (home / "runbooks/made.md").write_text(
        "---\nlilfox: {version: 1, id: made, title: Made}\nvars: {token: secret}\n---\n# Made\n\n1. Look at it\n\n"
        '   ```bash {"risk": "read"}\n   printf %s <token> | wc -c\n   ```\n'
    )
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("open an incident")
        await shown.keys("enter")
        await shown.until_waits("value", 1)
        await shown.keys("enter")
        await shown.until("a secret")
        await shown.keys(*canary)
        assert canary not in shown.text
        await shown.keys("enter")
        run = await shown.until_waits("end", 0)
        (result,) = shown.state.results()
        assert run.kept(result).head.strip() == str(len(canary))
        assert canary not in shown.text
    for path in (home / "state").rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path


async def test_what_is_offered_is_chosen_and_what_follows_is_stopped(home: Path) -> None:
    (home / "app.log").write_text("first line\n")
    (home / "runbooks/made.md").write_text(
        "---\nlilfox: {version: 1, id: made, title: Made}\nvars:\n"
        f"  file: {{type: path, from: 'ls {home}/app.log'}}\n---\n# Made\n\n1. Look at it\n\n"
        "   ```bash\n   tail -f <file>\n   ```\n"
    )
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until_waits("value", 1)
        await shown.keys("enter")
        await shown.until("an absolute path")
        await shown.keys("enter")
        await shown.until("first line")
        await shown.until("C stops it")
        await shown.keys("C")
        await shown.until_waits("end", 0)
        (result,) = shown.state.results()
        assert result.stopped
        assert result.state == "done"


@pytest.mark.fault("4.56")
async def test_what_ended_a_run_does_not_begin_another_one(home: Path) -> None:
    (home / "mended").touch()
    open_incident("it burns", "SEV-3", "", "ann")
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until_waits("value", 2)
        await shown.keys("X")
        await shown.until("end the run")
        await shown.keys("enter")
        await shown.until("last run, by")
        run = shown.state.seen
        assert run is not None
        command, results = shown.state.command, shown.state.results()
        assert command is not None
        assert run.reducer is not None
        assert tuple(run.reducer.results(command[0], command[1]).values()) == results
        for _time in range(3):
            await shown.keys("enter")
            assert shown.state.column == COMMAND, "its result"
            assert len(shown.app.screen_stack) == 1
        assert len(list_jobs()) == 1
        shown.app.do(next(each for each in shown.app.all_actions if each.id == "run-again"))
        await shown.until("start a new run")
        await shown.keys("enter", "enter")
        assert len(list_jobs()) == 1, "only n starts one"
        await shown.keys("n")
        await shown.until_waits("value", 2)
        assert len(list_jobs()) == 2


async def test_the_result_of_an_earlier_run_is_opened_before_another_one_is_started(home: Path) -> None:
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until_waits("value", 2)
        await shown.keys("X")
        await shown.until("End this run")
        await shown.keys("enter")
        await shown.until("last run, by")
    async with console(home) as again:
        await again.keys("enter")
        await again.until("enter opens its result")
        await again.keys("enter")
        await again.until("looked at 42")
        await again.keys("enter")
        assert len(list_jobs()) == 1


async def test_from_an_alert_to_the_first_command_in_three_keys(home: Path) -> None:
    for size in ((120, 40), (80, 24), (40, 10)):
        async with console(home, size=size) as shown:
            shown.app.go_to_runbook(Cause("HighErrorRate", {}, "SEV-2"))  # the first: r on the alert
            await shown.pilot.pause()
            await shown.keys("enter")
            await shown.until("run without an incident" if size[0] >= 80 else "an incident")
            await shown.keys("w")  # or enter
            await shown.until_waits("value", 2)
            await shown.keys("X")
            await shown.until("nd the run")
            await shown.keys("enter")
            await until(lambda: all(job.state != "running" for job in list_jobs()), what="it has ended")


async def test_ctrl_c_stops_the_running_command_and_leaves_when_pressed_again(home: Path) -> None:
    (home / "app.log").write_text("first line\n")
    follow = f'# Made\n\n1. Look at it\n\n   ```bash {{"risk": "read"}}\n   tail -f {home}/app.log\n   ```\n'
    (home / "runbooks/made.md").write_text(follow)
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until("first line")
        await shown.keys("ctrl+c")
        await shown.until_waits("end", 0)
        (result,) = shown.state.results()
        assert result.stopped
        assert not shown.app.leaving
        await shown.keys("ctrl+c")
        await until(lambda: shown.app.leaving, what="it leaves")
    assert any(job.state == "running" for job in list_jobs()), "the run itself goes on"


async def test_ctrl_c_asks_before_it_stops_a_change_and_quits_in_other_panes(home: Path) -> None:
    (home / "runbooks/made.md").write_text(
        f'# Made\n\n1. Change it\n\n   ```bash {{"risk": "change"}}\n   touch {home}/begun && sleep 300\n   ```\n'
    )
    async with console(home) as shown:
        await shown.keys("enter", "enter")
        await shown.until("run without an incident")
        await shown.keys("w")
        await shown.until_waits("confirm", 1)
        await shown.keys("enter")
        await shown.until("run it")
        await shown.keys("enter")
        await until(lambda: (home / "begun").exists(), what="it runs")
        await shown.until("is running on")
        await shown.keys("ctrl+c")
        await shown.until("Stop the running command")
        await shown.keys("escape", "1", "ctrl+c")
        await until(lambda: shown.app.leaving, what="in another pane it quits")
    assert still_running(home), "the command goes on without the console"
    end_runs(home)
    assert not still_running(home), "nothing stays on the machine after a test"
