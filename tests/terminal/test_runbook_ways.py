"""Commands of a run at a terminal that are not just run: what wants the terminal, what runs beside others, what failed
on its way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.terminal.console import Console, configure
from tests.unit.jobs.running import jobs

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
HALF = """# Made

1. Change

   ```bash {"name":"make","risk":"change"}
   touch $HOME/half && touch $HOME/gone/whole
   ```

   ```bash {"rollback-of":"make"}
   rm -f $HOME/half
   ```
"""
BACKGROUND = """# Made

1. Beside it

   ```bash {"background":true,"risk":"read"}
   sleep 1000
   ```

   ```bash
   echo looked
   ```
"""
IN_ONE_FENCE = """# Made

1. The terminal first

   ```bash
   less made.md
   echo after it in $PWD
   ```

2. In the middle

   ```bash
   cd sub
   less word
   echo then in $PWD
   ```

3. All of it

   ```bash {"interactive":true}
   cd sub; export WHO=fox
   read -rp "who? " X; echo "$X, $WHO, $PWD"
   ```
"""


@pytest.fixture
def home(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    configure(tmp_path, f"runbooks: {{folders: [{tmp_path}/made.md]}}\n")
    return tmp_path


def console(home: Path, text: str) -> Console:
    """A run of ``text``."""
    (home / "made.md").write_text(text)
    return Console(
        ["runbook", "run", str(home / "made.md")], home=home, env={"PYTHONPATH": str(ROOT)}, rows=60, columns=200
    )


def test_what_wants_a_terminal_takes_part_in_its_fence(home: Path) -> None:
    """Folder and variables go through it both ways, as through any other command."""
    (home / "sub").mkdir()
    (home / "sub" / "word").write_text("a word in a file\n")

    asked: Counter[str] = Counter()

    def answer(run: Console, what: str, keys: str) -> None:
        """Answers what is asked anew."""
        asked[what] += 1
        run.until(lambda _text: run.raw.count(what.encode()) >= asked[what])
        run.press(keys)

    with console(home, IN_ONE_FENCE) as run:
        answer(run, "this command needs the terminal", "y\n")
        answer(run, "# Made", "q")
        answer(run, "Did it work?", "y\n")
        run.until(f"after it in {home}")
        answer(run, "this command needs the terminal", "y\n")
        answer(run, "a word in a file", "q")
        answer(run, "Did it work?", "y\n")
        run.until(f"then in {home}/sub")
        answer(run, "this command needs the terminal", "y\n")
        answer(run, "Did it work?", "y\n")
        answer(run, "this command needs the terminal", "y\n")
        answer(run, "\nwho? ", "me\n")
        run.until(f"me, fox, {home}/sub")
        answer(run, "Did it work?", "y\n")
        assert run.ended_within() == 0
    assert not list((home / ".cache" / "lilfox" / "runs").iterdir()), "taken away at the end"


def test_what_the_end_of_a_run_ends_is_no_question(home: Path) -> None:
    with console(home, BACKGROUND) as run:
        run.until("ok: all 2 commands are done")
        assert run.ended_within() == 0
        assert "the run has ended" in run.text
        assert "it failed: [r]etry" not in run.text


def test_what_failed_on_its_way_is_taken_back_by_what_is_written_for_the_whole(home: Path) -> None:
    """Undo passes over it, as nobody knows how far it came: it is a choice of its own, shown before it runs."""
    with console(home, HALF) as run:
        run.until("run it? [y]es")
        run.press("y\n")
        run.until("roll [b]ack any partial change")
        assert (home / "half").exists()
        run.press("b\n")
        run.until("this rollback was written for the completed change. Run it? [y]es, [n]o")
        assert "rm -f $HOME/half" in run.text
        run.press("n\n")
        run.until(lambda _text: run.raw.count(b"it failed: [r]etry, roll [b]ack") == 2)
        assert (home / "half").exists()
        run.press("b\n")
        run.until(lambda _text: run.raw.count(b"this rollback was written for the completed change") == 2)
        run.press("y\n")
        run.until("it failed: [r]etry, [s]kip")
        assert not (home / "half").exists()
        run.press("a\n")
        assert run.ended_within() == 1
        assert "may have changed something" not in run.text
