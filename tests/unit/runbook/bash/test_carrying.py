"""Which command finds what those before it left, in its fence and in earlier ones."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.redact import MASK
from lilfox_tui.runbook.bash.carrying import (
    KeptShellVariables,
    ShellVariables,
    environment_of,
    may_pass,
    read_kept,
)
from lilfox_tui.runbook.bash.launcher import ARGV, FOLDER, FenceSession, KeptVariables, NeededVariables, given
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.parse.document import parse
from lilfox_tui.runbook.run.gate import kind_as_run
from lilfox_tui.runbook.run.reducer import FenceCarryover, RunReducer
from lilfox_tui.runbook.run.state import Turn
from lilfox_tui.runbook.run.variables import fill, marked
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


# ---- from one fence to the next --------------------------------------------------------------------------------------


HOSTILE = "a'b\"$(touch canary)`touch canary`\\ é\t*\nLF_x; touch canary"


def on_a_host(home: Path, script: str, keeps: str = "", values: dict[str, str] | None = None) -> tuple[int, str]:
    """What a command's bash prints, with variables that come from earlier fences."""
    kept = KeptVariables(tuple(keeps.split()), "r/kept")
    stdin = given(script, environment_of(values or {}), keeps=kept, needed=NeededVariables(("N",), strict=True))
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "N": ""}
    done = subprocess.run(ARGV, input=stdin, capture_output=True, check=False, env=environ)
    assert done.stderr == b""
    return done.returncode, done.stdout.decode()


def left(home: Path) -> KeptShellVariables:
    """What the host has kept."""
    return read_kept((home / FOLDER / "r/kept").read_bytes())


def test_variables_pass_as_data(tmp_path: Path) -> None:
    """Kept and handed over byte for byte, exported where they were, and run nowhere."""
    sets = 'P=$(cat hostile; echo .); P=${P%.}; export X="$P"; L=(1 2); declare -x NONE; U=1; unset U'
    (tmp_path / "hostile").write_text(HOSTILE)
    assert on_a_host(tmp_path, sets, "P X L NONE U") == (0, "")
    found = left(tmp_path)
    assert found.values == {"$P": HOSTILE, "export $X": HOSTILE}
    assert {"$L", "export $L", "$NONE", "$U"} <= set(found.gone), "an array, and what is not set"
    shows = 'printf %s "$P"; env -0 | grep -zc ^X=; env -0 | grep -zc -e ^P= -e ^LF_; echo "${P@a}${X@a}"'
    assert on_a_host(tmp_path, shows, values=found.values) == (0, HOSTILE + "1\n0\nx\n")
    assert on_a_host(tmp_path, "P=2; unset X", "P X") == (0, "")
    assert left(tmp_path).values == {"$P": "2"}
    assert on_a_host(tmp_path, "P=3; false", "P")[0] == 1
    assert left(tmp_path).values == {"$P": "2"}, "what failed passes nothing on"
    assert not (tmp_path / "canary").exists()
    assert stat.S_IMODE((tmp_path / FOLDER / "r/kept").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "plain", "exported"),
    [("NAMESPACE", True, True), ("KUBECONFIG", True, True), ("PATH", False, False), ("LD_PRELOAD", True, False),
     ("BASH_ENV", False, False), ("PAGER", True, False), ("GIT_SSH", True, False), ("GIT_SHA", True, False),
     ("IFS", False, False), ("HOME", False, False), ("PS4", False, False), ("LF__MARK", False, False),
     ("PYTHONPATH", True, False), ("MANPAGER", True, False), ("a b", False, False), ("a[0]", False, False)],
)  # fmt: skip
def test_what_makes_a_program_run_something_else_does_not_pass(name: str, plain: bool, exported: bool) -> None:
    assert (may_pass(name, exported=False), may_pass(name, exported=True)) == (plain, exported)
    found = read_kept(f"{name}\0-\0one\0{name}\0x\0two\0".encode())
    assert found.values == ({f"export ${name}": "two"} if exported else {})
    assert read_kept(f"{name}\0-\0one\0{name}\0x".encode()).values == ({f"${name}": "one"} if plain else {})


def shell_variables(*fences: str) -> tuple[ShellVariables, list[Command]]:
    """Those of a runbook with these fences."""
    lines = [
        command(line, "change" if "rm" in line else "read", fence=number)
        for number, text in enumerate(fences)
        for line in text.split("\n")
    ]
    commands = [replace(each, line=number) for number, each in enumerate(lines, 1)]
    return ShellVariables(runbook(tuple(commands)).steps), commands


def test_a_variable_comes_from_an_earlier_fence_alone() -> None:
    made, commands = shell_variables("A=1\nexport PATH=/x LATER=2", "rm $A $LATER $B $PATH", "B=2\nC=1", "rm ${C:-x}")
    assert [made.keeps(each) for each in commands] == [("A",), ("LATER",), (), ("B",), ("C",), ()]
    assert list(made.comes(commands[2])) == [("A", 1), ("LATER", 2)]
    assert list(made.elsewhere(commands[2])) == [("B", 4)]
    with pytest.raises(LilFoxError, match=r"line 3: \$B is set in another fence \(line 4\) and does not come"):
        made.refuse(commands[2])
    with pytest.raises(LilFoxError, match=r"line 3: \$A has no value on web1: the command on line 1, which sets it"):
        made.refuse_lacking(commands[2], "web1", {"export $LATER": "2"})
    with pytest.raises(LilFoxError, match=r"\$A, which line 1 has set on web1, is empty; nothing was run"):
        made.refuse_lacking(commands[2], "web1", {"$A": "", "export $LATER": "2"})
    made.refuse_lacking(commands[2], "web1", {"$A": "1", "export $LATER": "2"})
    made.refuse_lacking(commands[5], "web1", {})


def test_what_a_fence_has_set_itself_does_not_come_from_elsewhere() -> None:
    made, commands = shell_variables("A=1", "A=2\nrm $A $B", ". ./x\nrm $A", "B=1")
    values = {"$A": "1", "export $B": "2"}
    assert made.passed(commands[1], values) == values
    assert made.passed(commands[2], values) == {"export $B": "2"}
    assert made.passed(commands[4], values) == {}, "a file may have set any"
    assert (list(made.comes(commands[2])), list(made.elsewhere(commands[2]))) == ([], [("B", 6)])


def test_what_a_program_may_take_from_a_variable_makes_readers_of_later_fences_changes() -> None:
    fences = "\n1. a\n```sh\nexport {}=/x\nkubectl get pods\n```\n2. b\n```sh\nkubectl get pods\n```\n"
    text = f"# R\n{fences}"
    kinds = {}
    for name in ("KUBECONFIG", "NAMESPACE"):
        steps = parse(text.format(name).encode(), "/x.md").runbooks[0].steps
        kinds[name] = [each.kind for step in steps for each in step.commands]
    assert kinds == {"KUBECONFIG": ["change", "read", "change"], "NAMESPACE": ["read", "read", "read"]}


def test_it_is_judged_and_shown_with_what_it_finds() -> None:
    """A value that turns a reader into a change, one that keeps it, and a secret."""
    read = command('journalctl -u "$UNIT" $HOW', "read")
    for how, kind in {"--no-pager": "read", "--vacuum-size=1": "change"}.items():
        filled = fill(read, {"$UNIT": "a.service", "$HOW": how, "$OTHER": "x"}, [])
        assert kind_as_run(read, filled, runbook()) == kind
        assert marked(filled.shown) == f'HOW=‹{how}›\nUNIT=‹a.service›\njournalctl -u "$UNIT" $HOW'
        assert filled.env == {"LF__P_UNIT": "a.service", "LF__P_HOW": how, "LF__P_OTHER": "x"}
    filled = fill(command("echo $DB_PASSWORD"), {"export $DB_PASSWORD": "hunter2", "export $KUBECONFIG": "/x"}, [])
    assert filled.plain == f"export DB_PASSWORD={MASK}\nexport KUBECONFIG=/x\necho $DB_PASSWORD"
    assert kind_as_run(command("echo"), filled, runbook()) == "change", "programs may take from it what they run"
