"""Which command of a fence finds what those before it left."""

from __future__ import annotations

from lilfox_tui.runbook.bash.launcher import FenceSession
from lilfox_tui.runbook.run.reducer import FenceCarryover, RunReducer
from lilfox_tui.runbook.run.state import Turn
from tests.unit.runbook.made import began, command, ended, opened, runbook


def test_a_command_finds_what_those_before_it_left_in_its_fence() -> None:
    fence = tuple(command(text, "change", fence=3) for text in ("cd /", "pwd", "echo two"))
    reducer = RunReducer(runbook((*fence, command("ls", fence=4), command("shown", "none", fence=4))))
    reducer.take([opened({"": ("web1",)})])
    reducer.first_run = "run"
    carrying = FenceCarryover(reducer)

    def place(number: int) -> FenceSession | None:
        return carrying.fence(Turn(0, number, ("web1",)), "web1")

    assert place(3) is None, "alone in its fence but for what is only shown"
    assert (place(0), place(1)) == (FenceSession("run", 3, "first", "web1"), FenceSession("run", 3, "first", "web1"))
    reducer.take([began("1", 0, 0, "web1"), ended("1", "failed")])
    assert place(1) == FenceSession("run", 3, "first", "web1"), "one that failed has left nothing"
    reducer.take([began("2", 0, 0, "web1"), ended("2")])
    assert (place(0), place(1)) == (FenceSession("run", 3, "first", "web1"), FenceSession("run", 3, "later", "web1"))
    reducer.take([began("3", 0, 2, "web1", undoes=("2",)), ended("3")])
    assert reducer.results(0, 0)["web1"].state == "undone"
    assert place(1) == FenceSession("run", 3, "later", "web1")
    reducer.read_again(runbook(fence[:1]))
    assert place(0) is None, "the file has another text now"
