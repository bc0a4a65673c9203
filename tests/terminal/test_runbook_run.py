"""A run ordered at a terminal: what is asked, what the answers do, and what closing the terminal leaves."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lilfox_tui.incident.incidents import open_incident
from lilfox_tui.jobs.listing import list_jobs
from tests.services.lilfox_command import lilfox
from tests.terminal.console import Console, configure
from tests.unit.jobs.running import ended, jobs, kill
from tests.waiting import wait_for

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
CTRL_C = "\x03"
RUNBOOK = """# Made

1. Look

   ```bash
   echo looked <who>
   ```

2. Change

   ```bash {"name":"make","risk":"change"}
   echo made >>$HOME/made
   ```

   ```bash {"rollback-of":"make"}
   rm $HOME/made
   ```

3. By hand
4. Fails at first

   ```bash {"risk":"change"}
   [ -e $HOME/mended ] && echo mended
   ```

5. A terminal

   ```bash
   less made
   ```
"""


@pytest.fixture
def home(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    (tmp_path / "made.md").write_text(RUNBOOK)
    configure(tmp_path, f"runbooks: {{folders: [{tmp_path}/made.md]}}\n")
    return tmp_path


def console(home: Path, *arguments: str) -> Console:
    return Console(["runbook", "run", *arguments], home=home, env={"PYTHONPATH": str(ROOT)}, rows=60, columns=200)


def test_each_answer_does_what_it_says(home: Path) -> None:
    with console(home, str(home / "made.md")) as run:
        run.until("<who>?")
        run.press("fox\n")
        run.until("looked fox")
        run.until("run it? [y]es")
        assert "echo made >>$HOME/made" in run.text
        run.press("what\n")
        run.until(lambda text: text.count("run it? [y]es") == 2)
        run.press("y\n")
        run.until("Is it done? [y]es")
        run.press("y\n")
        run.until(lambda text: "run it? [y]es" in text.partition("[ -e $HOME/mended ]")[2])
        run.press("y\n")
        run.until("it failed: [r]etry")
        (home / "mended").touch()
        run.press("r\n")
        run.until("this command needs the terminal")
        run.press("s\n")
        run.until("reason for skipping (required):")
        run.press("not now\n")
        assert run.ended_within() == 3
        assert "skipped: " in run.text
    (job,) = list_jobs()
    assert (job.state, job.exit_code) == ("partly", 3)
    assert (home / "made").read_text() == "made\n"


def test_who_takes_an_incident_over_is_told_in_which_runs_another_goes_on_to_act(home: Path) -> None:
    incident = open_incident("db down", "SEV-2", "", "ann@a")

    def taken_over() -> str:
        done = lilfox("incident", "take-over")
        assert done.returncode == 0, done.stderr
        assert f"{incident.id}: entry " in done.stdout
        return done.stderr

    assert taken_over() == "", "there is no run"
    with console(home, str(home / "made.md"), "--var", "who=fox") as first:
        first.until("run it? [y]es")
        (job,) = list_jobs()
        told = taken_over()
        assert "is still in control of runbook Made; to take over this run too: " in told
        assert f"lilfox runbook run --resume {job.id}, then press t" in told
        with console(home, "--resume", job.id) as second:
            second.until("Press t and Enter to take over")
            second.press("t\n")
            second.until("run it? [y]es")
            first.until("Press t and Enter to take over")
            second.press("a\n")
            assert second.ended_within() == 130
        assert first.ended_within() == 130
    assert taken_over() == "", "it has ended"


def test_ctrl_c_at_a_question_leaves_the_run_where_it_waits(home: Path) -> None:
    with console(home, str(home / "made.md"), "--var", "who=fox") as run:
        run.until("run it? [y]es")
        run.press(CTRL_C)
        assert run.ended_within() == 130
        (job,) = list_jobs()
        assert f"the run is waiting; resume it: lilfox runbook run --resume {job.id}" in run.text
    assert job.state == "running"
    with console(home, "--resume", job.id) as again:
        again.until("run it? [y]es")
        again.press("a\n")
        assert again.ended_within() == 130


def test_of_a_run_whose_job_was_killed_only_what_is_left_is_asked(home: Path) -> None:
    with console(home, str(home / "made.md"), "--var", "who=fox") as run:
        run.until("run it? [y]es")
        run.press("y\n")
        run.until("Is it done? [y]es")
        (job,) = list_jobs()
        kill(job)
        run.ended_within()
    with console(home, "--resume", job.id) as again:
        again.until("Is it done? [y]es")
        assert "run it?" not in again.text
        again.press("y\n")
        again.until(lambda text: "run it? [y]es" in text.partition("[ -e $HOME/mended ]")[2])
        again.press("a\n")
        assert again.ended_within() == 3
    assert (home / "made").read_text() == "made\n"


def test_that_all_is_as_before_is_said_after_an_undo(home: Path) -> None:
    with console(home, str(home / "made.md"), "--var", "who=fox") as run:
        run.until("run it? [y]es")
        run.press("y\n")
        run.until("Is it done? [y]es")
        run.press("u\n")
        run.until(lambda text: "rm $HOME/made" in text and "this undoes the changes. Run it?" in text)
        run.press("y\n")
        run.until("the changes were undone")
        assert not (home / "made").exists()
        run.press("a\n")
        assert run.ended_within() == 130


def test_the_terminal_is_closed_and_the_run_goes_on_at_the_same_step(home: Path) -> None:
    with console(home, str(home / "made.md"), "--var", "who=fox") as first:
        first.until("run it? [y]es")
        first.hang_up()
        first.process.wait(60)
    (job,) = list_jobs()
    assert job.state == "running"
    with console(home, "--resume", job.id) as second:
        second.until("run it? [y]es")
        second.press("a\n")
        assert second.ended_within() == 130
    assert ended(job.id).state == "cancelled"
    assert not (home / "made").exists()


def test_ctrl_c_stops_the_command_and_not_the_run(home: Path) -> None:
    (home / "made.md").write_text("# Made\n\n1. Wait\n\n   ```bash\n   sleep 1000\n   ```\n")
    with console(home, str(home / "made.md")) as run:
        run.until("1. Wait: here: sleep 1000")
        wait_for(lambda: list_jobs() and list_jobs()[0].state == "running")
        run.press(CTRL_C)
        run.until("it failed: [r]etry")
        run.press("a\n")
        assert run.ended_within() == 1


def test_a_killed_terminal_is_nothing_to_a_run_that_goes_on_alone(home: Path) -> None:
    (home / "made.md").write_text(
        "# Made\n\n1. Wait\n\n   ```bash\n"
        "   while [ ! -e $HOME/go ]; do sleep 0.1; done; echo went >$HOME/went\n   ```\n"
    )
    with console(home, str(home / "made.md"), "--yes") as run:
        run.until("1. Wait: here:")
        run.process.send_signal(signal.SIGKILL)
        run.process.wait(60)
    (home / "go").touch()
    assert ended(list_jobs()[0].id).state == "ok"
    assert (home / "went").exists()


def test_the_mark_of_a_command_fits_how_it_ended(home: Path) -> None:
    (home / "made.md").write_text(
        "# Made\n\n1. Change\n\n   ```bash\n   touch $HOME/one\n   rmdir $HOME/none\n   ```\n"
    )
    with console(home, str(home / "made.md"), "--yes") as run:
        assert run.ended_within() == 3
    (job,) = list_jobs()
    with Console(["attach", job.id], home=home, env={"PYTHONPATH": str(ROOT)}, rows=60) as attached:
        assert attached.ended_within() == 3
        assert "✓ here: done (0)" in attached.text
        assert "x here: failed (1)" in attached.text
        assert attached.text.count("✓") == 1


OFFERS = """---
lilfox: {version: 1, id: offers, title: Offers}
vars:
  unit: {type: unit, from: printf 'a.service\\twell\\nb.service\\tfailed\\n'}
  count: {type: int, from: echo 3; echo 7}
---
# Offers

1. Look

   ```bash
   echo "of "<unit> <count>
   ```
"""


def test_what_a_variable_offers_is_chosen_by_its_number(home: Path) -> None:
    (home / "made.md").write_text(OFFERS)
    with console(home, str(home / "made.md")) as run:
        run.until("<unit>?")
        assert "1  a.service  well" in run.text
        assert "2  b.service  failed" in run.text
        run.press("2\n")
        run.until("<count>?")
        assert "#2  7" in run.text
        run.press("#2\n")
        assert run.ended_within() == 0
        assert "of b.service 7" in run.text


def test_a_number_is_itself_where_the_value_is_one_and_what_is_not_offered_can_be_typed(home: Path) -> None:
    (home / "made.md").write_text(OFFERS)
    with console(home, str(home / "made.md")) as run:
        run.until("<unit>?")
        run.press("c.service\n")
        run.until("<count>?")
        run.press("2\n")
        assert run.ended_within() == 0
        assert "of c.service 2" in run.text


@pytest.mark.fault("S30")
def test_the_first_run_of_a_file_that_nobody_chose_is_asked_once(home: Path) -> None:
    configure(home)
    (home / "made.md").write_text("# Made\n\n1. Look\n\n   ```bash\n   echo looked\n   ```\n")
    path = str(home / "made.md")
    with console(home, path) as run:
        run.until("allow it? [y]es")
        assert "first run of" in run.text
        assert "its commands: 1 read-only" in run.text
        run.press("\n")
        assert run.ended_within() == 2
        assert "nothing was run" in run.text
    assert list_jobs() == []
    with console(home, path) as run:
        run.until("allow it? [y]es")
        run.press("y\n")
        assert run.ended_within() == 0
    with console(home, path) as run:
        assert run.ended_within() == 0
        assert "allow it?" not in run.text
    (home / "made.md").write_text("# Made\n\n1. Look\n\n   ```bash\n   echo otherwise\n   ```\n")
    with console(home, path) as run:
        run.until("has changed since it")
        run.press("n\n")
        assert run.ended_within() == 2
    assert len(list_jobs()) == 2


@pytest.mark.fault("S30")
def test_what_a_variable_would_offer_is_not_asked_before_its_file_is_allowed(home: Path) -> None:
    configure(home)
    (home / "made.md").write_text(OFFERS.replace("echo 3", "date >$HOME/ran; echo 3"))
    with console(home, str(home / "made.md")) as run:
        run.until("allow it? [y]es")
        run.press("n\n")
        assert run.ended_within() == 2
    assert not (home / "ran").exists()


TWO = "# Made\n\n1. Change\n\n   ```bash\n   touch $HOME/one\n   ```\n\n2. Look\n\n   ```bash\n   echo of old\n   ```\n"


def _waits_with_another_text(home: Path, run: Console) -> None:
    """The run waits at its first step, and its file says something else by now."""
    run.until("run it? [y]es")
    (home / "made.md").write_text(TWO.replace("of old", "of new"))
    run.press("y\n")
    run.until("has changed since it was read")
    run.until("continue with the file as it is [n]ow")
    assert "unchanged commands: 1 of 2" in run.text
    assert not (home / "one").exists()


@pytest.mark.fault("S29")
def test_a_file_that_is_changed_in_mid_run_is_gone_on_with_as_it_says_now(home: Path) -> None:
    (home / "made.md").write_text(TWO)
    with console(home, str(home / "made.md")) as run:
        _waits_with_another_text(home, run)
        run.press("n\n")
        run.until("has changed and was reloaded")
        run.until(lambda text: text.count("run it? [y]es") == 2)
        run.press("y\n")
        assert run.ended_within(30) == 0
        assert "of new" in run.text


@pytest.mark.fault("S29")
def test_what_only_reads_is_asked_too_where_it_is_of_another_text(home: Path) -> None:
    (home / "made.md").write_text(TWO)
    with console(home, str(home / "made.md")) as run:
        _waits_with_another_text(home, run)
        (home / "made.md").write_text("# Made\n\n1. Look\n\n   ```bash\n   cat $HOME/none\n   ```\n")
        run.press("n\n")
        run.until("unchanged commands: 0 of 1")
        run.press("n\n")
        run.until("reads")
        run.until(lambda text: text.count("run it? [y]es") == 2)
        run.press("a\n")
        assert run.ended_within(30) == 130


@pytest.mark.fault("S29")
def test_a_file_that_is_changed_in_mid_run_is_gone_on_with_as_it_was(home: Path) -> None:
    (home / "made.md").write_text(TWO)
    with console(home, str(home / "made.md")) as run:
        _waits_with_another_text(home, run)
        run.press("a\n")
        run.until("the run continues with")
        (home / "made.md").unlink()
        run.until(lambda text: text.count("run it? [y]es") == 2)
        run.press("y\n")
        assert run.ended_within(30) == 0
        assert "of old" in run.text


@pytest.mark.fault("S29")
def test_a_run_whose_file_is_gone_can_be_ended(home: Path) -> None:
    (home / "made.md").write_text(TWO)
    with console(home, str(home / "made.md")) as run:
        run.until("run it? [y]es")
        (home / "made.md").unlink()
        run.press("y\n")
        run.until("continue with the version [a]lready loaded")
        run.press("n\n")
        run.until(lambda text: text.count("continue with the version [a]lready loaded") == 2)
        run.press("e\n")
        assert run.ended_within(30) == 130
    assert not (home / "one").exists()


@pytest.mark.fault("S29")
def test_a_run_that_goes_on_alone_stops_at_another_text_and_is_gone_on_with_as_recorded(home: Path) -> None:
    waits = TWO.replace("touch $HOME/one", "touch $HOME/one; while [ ! -e $HOME/go ]; do sleep 0.1; done")
    (home / "made.md").write_text(waits)
    with console(home, str(home / "made.md"), "--yes") as run:
        wait_for(lambda: (home / "one").exists(), timeout_s=60, what="the first command runs")
        (home / "made.md").write_text(waits.replace("of old", "of new"))
        (home / "go").touch()
        assert run.ended_within(30) == 3
        assert "has changed since it was read" in run.text
        assert "of new" not in run.text
    (job,) = list_jobs()
    with console(home, "--resume", job.id, "--yes") as again:
        assert again.ended_within(30) == 1
        assert "has changed since it was read" in again.text
    with console(home, "--resume", job.id, "--yes", "--recorded") as recorded:
        assert recorded.ended_within(30) == 0
        assert "of old" in recorded.text


def test_with_read_only_nothing_is_ordered_of_a_run_that_may_change_something(home: Path) -> None:
    with console(home, str(home / "made.md"), "--var", "who=fox") as first:
        first.until("run it? [y]es")
        (job,) = list_jobs()
        words = ["--read-only", "runbook", "run", "--resume", job.id]
        with Console(words, home=home, env={"PYTHONPATH": str(ROOT)}, rows=60) as second:
            assert second.ended_within(30) == 2
            assert "a run that may make changes cannot be controlled in read_only mode" in second.text
        first.press("a\n")
        assert first.ended_within(30) == 130
