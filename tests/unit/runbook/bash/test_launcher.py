"""A command's bash: what reaches it, what it leaves to the next one, what it never does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Literal

import pytest

from lilfox_tui.runbook.bash.launcher import ARGV, FOLDER, FenceSession, NeededVariables, given, in_terminal

MARK = "0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The host's home."""
    return tmp_path


class Shell:
    """Runs commands of one fence."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(
        self,
        script: str,
        place: Literal["first", "later"] | None = None,
        env: dict[str, str] | None = None,
        **more: Any,
    ) -> tuple[int, str]:
        fence = None if place is None else FenceSession("r", 0, place)
        return self.with_stdin(given(script, env or {}, fence=fence, **more))

    def with_stdin(self, stdin: bytes) -> tuple[int, str]:
        done = subprocess.run(
            ARGV,
            input=stdin,
            capture_output=True,
            check=False,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
        )
        assert done.stderr == b""
        return done.returncode, done.stdout.decode()


@pytest.fixture
def shell(home: Path) -> Shell:
    return Shell(home)


def test_it_gets_its_values_and_no_stdin_and_prints_as_in_a_terminal(shell: Shell) -> None:
    value = "a'b\"$(touch canary)`id`\\ é\t*"
    code, out = shell('echo out; echo err >&2; cat; printf "%s" "$LF_x"; exit 3', env={"LF_x": value})
    assert (code, out) == (3, "out\nerr\n" + value)
    assert not (shell.home / "canary").exists()


def test_what_it_leaves_is_found_by_the_next_one(shell: Shell) -> None:
    leaves = (
        "cd /usr; A=1; export B='x\ny é'; f() { echo \"f $1\"; }; shopt -s nullglob; umask 027; "
        "arr=(1 '2 3'); declare -A m=([k]='v w'); readonly R=5; set -u; IFS=,"
    )
    assert shell(leaves, "first", {"LF_pw": "hunter2"}) == (0, "")
    code, out = shell(
        'pwd; echo $A; echo "$B"; f 2; umask; echo "${arr[1]}" "${m[k]}" $R; shopt -q nullglob && echo glob; '
        'printf "%q" "$IFS"; echo; echo "${LF_pw-gone}"; (echo "$undefined")',
        "later",
    )
    assert out.splitlines()[:-1] == ["/usr", "1", "x", "y é", "f 2", "0027", "2 3 v w 5", "glob", "\\,", "gone"]
    assert code == 1
    assert "undefined: unbound variable" in out


def test_what_failed_leaves_nothing_and_what_was_expected_does(shell: Shell) -> None:
    shell("cd /usr", "first")
    assert shell("cd /tmp; false", "later")[0] == 1
    assert shell("pwd", "later") == (0, "/usr\n")
    shell("cd /tmp; (exit 3)", "later", fine=3)
    assert shell("pwd", "later") == (0, "/tmp\n")
    shell("cd /; exit 0", "later")
    assert shell("pwd", "later") == (0, "/tmp\n")


def test_a_values_own_name_never_stays_on_the_host(shell: Shell) -> None:
    shell("true", "first", {"LF_pw": "hunter2"})
    kept = [path for path in (shell.home / FOLDER).rglob("*") if path.is_file()]
    assert kept
    assert not any(b"hunter2" in path.read_bytes() for path in kept)
    assert (shell.home / FOLDER / "r").stat().st_mode & 0o077 == 0


def test_without_what_was_before_it_does_not_run(shell: Shell) -> None:
    code, out = shell("touch canary", "later")
    assert (code, list(shell.home.glob("**/canary"))) == (125, [])
    assert "is gone" in out


def test_a_folder_that_is_not_there_keeps_it_from_running(shell: Shell) -> None:
    code, out = shell("touch canary", cwd="/nonexistent")
    assert (code, list(shell.home.glob("**/canary"))) == (125, [])
    assert "nothing was run" in out


@pytest.mark.fault("S6")
def test_what_is_cut_at_any_byte_does_not_run(shell: Shell) -> None:
    whole = given("touch canary", {"LF_x": "y"}, mark=MARK)
    for length in range(len(whole)):
        code, _out = shell.with_stdin(whole[:length])
        assert code == 125
    assert not (shell.home / "canary").exists()


def test_its_end_is_told_behind_a_mark_that_it_does_not_see(shell: Shell) -> None:
    look = 'declare -p; tr "\\0" "\\n" </proc/$$/cmdline; tr "\\0" "\\n" </proc/self/environ'
    code, out = shell(look, mark=MARK)
    assert code == 0
    assert out.endswith(f"\0{MARK} 0\n")
    assert out.count(MARK) == 1
    assert shell("kill -9 $BASHPID", mark=MARK) == (137, f"\0{MARK} 137\n")
    assert shell("exec true", mark=MARK)[1] == f"\0{MARK} 0\n"


def test_scripts_of_others_are_read_by_them(shell: Shell) -> None:
    assert shell("import sys; print(sys.argv[1:], 6 * 7)", interpreter="python3 -I") == (0, "[] 42\n")
    assert shell("#!/bin/sh -e\nfalse\necho no") == (1, "")
    assert shell("#!/usr/bin/env python3\nraise SystemExit(4)") == (4, "")


@pytest.mark.fault("S37")
def test_an_old_run_is_forgotten(shell: Shell) -> None:
    old = shell.home / FOLDER / "old" / "0"
    old.mkdir(parents=True)
    os.utime(old.parent, (0, 0))
    shell("true", "first")
    assert not old.parent.exists()


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        given("true", {"LF_x": "a\0b"})


def test_lines_of_errors_are_those_of_the_command(shell: Shell) -> None:
    code, out = shell('nosuch1\necho "at $LINENO"\nfor i in 1; do\n  nosuch4\ndone\necho "${unset?five}"\n')
    assert code != 0
    assert out.splitlines() == [
        "bash: line 1: nosuch1: command not found",
        "at 2",
        "bash: line 4: nosuch4: command not found",
        "bash: line 6: unset: five",
    ]
    assert "line 2: syntax error" in shell("echo fine\nif then\nfi")[1]


def test_lines_are_those_of_the_later_command_too_and_it_has_no_arguments(shell: Shell) -> None:
    shell("cd /; set -o pipefail", "first")
    assert shell('echo "$#"\nnosuch2', "later") == (127, "0\nbash: line 2: nosuch2: command not found\n")


def test_what_runs_in_a_terminal_takes_part_in_its_fence(home: Path) -> None:
    """Its stdin is the person's, its stdout and stderr stay two; its terminal is its own."""
    shell = Shell(home)
    (home / "app").mkdir()

    def at_terminal(script: str, place: Literal["first", "later"] | None, **more: Any) -> tuple[int, str, str]:
        done = subprocess.run(
            in_terminal(script, fence=None if place is None else FenceSession("r", 0, place), **more),
            input="typed\n",
            capture_output=True,
            check=False,
            text=True,
            cwd="/",
            env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "vt220"},
        )
        return done.returncode, done.stdout, done.stderr

    assert at_terminal("read -r X; echo $X $TERM $PWD; echo warns >&2", None) == (
        0, f"typed vt220 {home}\n", "warns\n"
    )  # fmt: skip
    assert at_terminal("echo $PWD", None, cwd="app") == (0, f"{home}/app\n", "")
    assert at_terminal("import sys; print(sys.argv[0])", None, interpreter="python3") == (0, "/dev/fd/3\n", "")
    assert at_terminal("cd app; export WHO='a fox'; exit 3", "first")[0] == 3
    assert at_terminal("cd app; export WHO='a fox'; (exit 3)", "first")[0] == 3
    assert shell("echo $PWD $WHO; export AGE=5", "later") == (0, f"{home}/app a fox\n")
    assert at_terminal("echo $PWD $WHO $AGE $TERM $X", "later") == (0, f"{home}/app a fox 5 vt220\n", "")
    (home / FOLDER / FenceSession("r", 0, "later").folder / "vars").unlink()
    code, said, _more = at_terminal("echo ran", "later")
    assert code == 125
    assert "nothing was run" in said


def needs(*names: str, strict: bool = False) -> dict[str, Any]:
    return {"needed": NeededVariables(names, strict)}


@pytest.mark.fault("4.48")
@pytest.mark.parametrize(
    ("before", "there"),
    [
        ("DIR=x", True), ("export DIR=", True), ("DIR=()", True), ("declare -A DIR=([a]=b)", True),
        ("DIR=$'a\\nb'", True), ("read -r DIR <<<x", True), ("readonly DIR=1", True), ("export DIR", False),
        ("(DIR=x)", False), ("DIR=x true", False), ("echo x | read -r DIR", False), ("f() { local DIR=x; }; f", False),
        ("f() { DIR=x; }; f", True), ("DIR=x; unset DIR", False), ("true", False),
    ],
)  # fmt: skip
def test_without_a_variable_that_it_needs_nothing_runs(shell: Shell, before: str, there: bool) -> None:
    shell(before, "first")
    code, out = shell("touch ran", "later", **needs("DIR", "HOME"))
    assert (shell.home / "ran").exists() is there
    assert (code, out) == ((0, "") if there else (125, "lilfox: $DIR is not set; nothing was run\n"))
    assert shell("echo a variable; true", **needs("DIR"))[0] == 125, "alone in its fence"
    assert shell("echo $LF_DIR", env={"LF_DIR": "x"}, **needs("LF_DIR")) == (0, "x\n")


@pytest.mark.fault("4.48")
@pytest.mark.parametrize("interpreter", ["", "bash", "sh", "#!"])
def test_what_is_set_in_one_branch_alone_is_missed_where_it_is_used(shell: Shell, interpreter: str) -> None:
    script = "if [ -e no ]; then DIR=/x; fi\ntouch before\ntouch ran $DIR/*.tmp"
    script = f"#!/bin/bash\n{script}" if interpreter == "#!" else script
    program = interpreter.strip("#!")
    code, out = shell(script, interpreter=program, **needs(strict=True))
    assert code != 0
    assert "DIR" in out
    assert ((shell.home / "before").exists(), (shell.home / "ran").exists()) == (True, False)
    shell(script, interpreter=program)
    assert (shell.home / "ran").exists(), "so it was"


def test_a_strict_command_leaves_the_next_one_as_it_was(shell: Shell) -> None:
    assert shell("A=1", "first", **needs(strict=True)) == (0, "")
    assert shell('echo "$A<$B>"', "later") == (0, "1<>\n")
    assert shell("set -u", "later", **needs()) == (0, "")
    assert shell("true", "later", **needs(strict=True)) == (0, "")
    assert shell("echo $B", "later")[0] != 0, "its own word holds"


@pytest.mark.fault("4.52")
@pytest.mark.parametrize(("ends", "status"), [("kill $$", 143), ("kill -9 $$", 137), ("kill -INT $$; sleep 60", 130)])
def test_what_ends_its_own_shell_ends_the_command_alone(shell: Shell, ends: str, status: int) -> None:
    stdin = given(f"echo before; {ends}; touch after", {}, mark=MARK)
    assert shell.with_stdin(stdin) == (status, f"before\n\0{MARK} {status}\n")
    assert not (shell.home / "after").exists()
    assert shell("A=1", "first") == (0, "")
    assert shell(f"B=2; {ends}", "later")[0] == status
    assert shell('echo "$A<${B-}>"', "later") == (0, "1<>\n"), "and leaves nothing"
