"""Keys that came before a question was there are no answer to it, on the command line and on the screen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lilfox_tui
from tests.terminal.console import Console
from tests.terminal.runbook_home import open_pane, runbook_home
from tests.unit.jobs.running import jobs
from tests.waiting import wait_for

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
MARKS = "\n\n".join(
    f'{number}. Mark {number}\n\n   ```bash {{"risk":"change"}}\n   echo {number} >>$HOME/marks\n   ```'
    for number in range(1, 6)
)
RUNBOOK = f"""# Made

1. Waits

   ```bash {{"timeout":"60s"}}
   while [ ! -e $HOME/go ]; do sleep 0.05; done
   ```

{MARKS}
"""


@pytest.fixture
def home(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    with runbook_home(tmp_path, RUNBOOK) as made:
        yield made


def marks(home: Path) -> str:
    there = home / "marks"
    return there.read_text() if there.exists() else ""


@pytest.mark.fault("4.50")
def test_on_the_command_line_what_was_typed_before_a_question_is_dropped(home: Path) -> None:
    path = str(home / "runbooks/made.md")
    with Console(["runbook", "run", path], home=home, env={"PYTHONPATH": str(ROOT)}, rows=60, columns=200) as run:
        run.until("while [ ! -e $HOME/go ]")
        run.press("y\n" * 5 + "y")
        (home / "go").touch()
        run.until("run it? [y]es")
        run.press("\n")  # the y before it was begun before the question, too
        run.until(lambda text: text.count("run it? [y]es") == 2)
        assert marks(home) == ""
        run.press("y\ny\n")
        run.until("echo 2 >>$HOME/marks")
        wait_for(lambda: marks(home) == "1\n", what="what was asked is done")
        run.until(lambda text: text.count("run it? [y]es") == 3)
        run.press("a\n")
        assert run.ended_within() == 3
    assert marks(home) == "1\n"


@pytest.mark.fault("4.50")
def test_on_the_screen_keys_before_a_dialog_are_dropped(home: Path) -> None:
    (home / "go").touch()
    with Console(home=home, env={"PYTHONPATH": str(ROOT)}) as console:
        open_pane(console)
        console.press("\r" * 3)
        console.until("run without an incident")
        console.press("w")
        console.until("makes a change: enter to review")
        console.press("\r" * 5)  # in one burst: the first opens the dialog, the others came before it was painted
        console.until("run it")
        console.press("\x1b")
        console.until(lambda text: "esc leave it" not in text)
        assert marks(home) == ""
        console.press("q")


@pytest.mark.fault("4.50")
def test_nothing_else_reads_what_a_person_types() -> None:
    """The one place on the command line is ``cli/questions.py``: it drops what was typed before."""
    package = Path(lilfox_tui.__file__).parent
    found = []
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                words = ast.unparse(node.func)
                if words == "input" or words.startswith("sys.stdin.read"):
                    found.append(str(path.relative_to(package)))
    assert found == ["cli/output.py"]
