"""Fences into commands: a command ends where ``bash -n`` accepts what was read and a next line would begin another."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.runbook.bash.placeholders import masked
from lilfox_tui.runbook.parse.fences import SyntaxProbe, split

_LINES = (
    "ls", "ls -l", "echo a", "cat x | grep y", "echo 'a", "b'", 'echo "a', 'b"', "if true", "if true; then", "then",
    "else", "fi", "elif false; then", "for x in a b; do", "for x in 1 2", "do", "done", "while read x; do", "{", "}",
    "( ls", "(ls)", ")", "f() {", "g () { ls; }", "echo $(ls)", "echo $(ls", "x=$(date +%s)", "echo `ls`", "cat <<E",
    "E", "cat <<'E' | wc", "# c", "echo a # c \\", "echo a \\", "a && b", "a &&", "a ||", "| b", "a |", "sleep 1 &",
    "a; b", "a ;", "a ;;", "case x in", "a) ls ;;", "esac", "[[ -f x ]] && ls", "[[ a == b ]]", "[[ a b ]]", "[ -f x ]",
    "! ls", "time ls", "echo ${x:-y}", "echo $((1+2))", "echo $(( 1 + (2) ))", "a=(1 2)", "echo @(a|b)", "echo >x",
    "echo > ", "2>&1 ls", "ls 2>/dev/null", "ls &>x", "ls >& x", "ls <(cat)", "ls < x", "cat <<< a", "cat <<-E", "\tE",
    "echo 'it''s'", 'echo "$(ls "a b")"', "", "echo {a,b}", "then ls", "do ls", "ls )", "local a=$1", 'export A="$B"',
    "a=1 b=2 ls", "if ls; then ls; fi", "for i in 1 2; do ls; done", "while :; do ls; done", "function h { ls; }",
    "select x in a; do", "echo $'a\\'b'", 'echo "a\\"b"', "if [ $? -eq 0 ]; then", "until x; do", "fi | cat",
    "done < x", "} > y", "fi ls", "&", "&& ls", ";", "in", "time", "!", "a | in", "a; then", "ls 2>/dev/null | wc -l",
    "echo 'a|b' ; ls", "git checkout <previous-commit>", "ping <ip> -c 1 | tail -1",
)  # fmt: skip


def _bash(text: str) -> str:
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-n"],
        input=text.encode(),
        capture_output=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        check=False,
    )
    return done.stderr.decode()


def _ends(text: str) -> bool:
    """Whether a command has ended: bash takes it, and would take what is next for the begin of another."""
    return _bash(text + "\n") == "" and "unexpected token `|'" in _bash(text + "\n|")


def _judged(text: str) -> list[tuple[int, int]] | None:
    """Line and count of lines of each command by bash alone; None where bash refuses the text."""
    lines = masked(text).split("\n")
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].strip().startswith("#"):
            at += 1
            continue
        rest = len(lines) - at
        sizes = (size for size in range(1, rest + 1) if _ends("\n".join(lines[at : at + size])))
        size = next(sizes, rest if _bash("\n".join(lines[at:]) + "\n") == "" else 0)
        if not size:
            return None
        found.append((at, size))
        at += size
    return found


@pytest.mark.parametrize("seed", range(6))
def test_random_fences_are_split_as_bash_reads_them(seed: int) -> None:
    chosen = random.Random(seed)
    refused = 0
    for _number in range(60):
        text = "\n".join(chosen.choice(("", "  ")) + chosen.choice(_LINES) for _ in range(chosen.randint(1, 4)))
        parts = split(text, SyntaxProbe())
        judged = _judged(text)
        if judged is None:
            refused += 1
            assert any(part.syntax_error for part in parts), text
        else:
            assert not any(part.syntax_error for part in parts), text
            assert [(part.line, part.text.count("\n") + 1) for part in parts] == judged, text
    assert 0 < refused < 60


def _split_without_bash(text: str) -> list[str]:
    parts = split(text, SyntaxProbe(0))
    assert not any(part.whole for part in parts)
    return [part.text for part in parts]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("htop\ndf -h", ["htop", "df -h"]),
        ("# why\nls\n\n# that is all", ["ls"]),
        ("# only a comment", []),
        ("git checkout <previous-commit>\nls", ["git checkout <previous-commit>", "ls"]),
        ("curl -s a \\\n  | jq .\nls", ["curl -s a \\\n  | jq .", "ls"]),
        ("cat <<E\nif\nE\nls", ["cat <<E\nif\nE", "ls"]),
        ("cat <<E>f\nif\nE\nls", ["cat <<E>f\nif\nE", "ls"]),  # no placeholder
        ("for h in a b; do\n  ping -c 1 $h\ndone\nls", ["for h in a b; do\n  ping -c 1 $h\ndone", "ls"]),
        ("if ! ls; then\n  df\nelse\n  du\nfi", ["if ! ls; then\n  df\nelse\n  du\nfi"]),
        ('psql -c "SELECT 1;\n  SELECT 2"\nls', ['psql -c "SELECT 1;\n  SELECT 2"', "ls"]),
        ("a &&\n  b\nc", ["a &&\n  b", "c"]),
        ("restart() {\n  ls\n}\nrestart", ["restart() {\n  ls\n}", "restart"]),
    ],
)
def test_what_people_write_is_split_without_asking_bash(text: str, commands: list[str]) -> None:
    assert _split_without_bash(text) == commands


def test_comments_before_a_command_are_kept_beside_it() -> None:
    first, second = split("# one\n# two\nls\n\n# three\n\n# four\ndf", SyntaxProbe(0))

    assert first.comment == "# one\n# two"
    assert second.comment == "# four"


def test_bash_is_asked_where_a_command_cannot_be_judged() -> None:
    text = "case $x in\n  a) ls ;;\nesac\ndf"

    assert [part.text for part in split(text, SyntaxProbe())] == ["case $x in\n  a) ls ;;\nesac", "df"]


def test_without_an_answer_of_bash_the_rest_of_the_fence_is_one_command() -> None:
    (part,) = split("case $x in\n  a) ls ;;\nesac\ndf", SyntaxProbe(1))

    assert part.whole
    assert part.text.endswith("df")


def test_the_sentence_of_bash_is_kept() -> None:
    (part,) = split("ls )", SyntaxProbe())

    assert part.syntax_error == "syntax error near unexpected token `)'"


@pytest.mark.fault("S30")
def test_nothing_of_a_fence_is_run_when_it_is_read(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    split(
        f"x=$(touch {canary})\ncase $(touch {canary}) in\n a) `touch {canary}` ;;\nesac\ncat <(touch {canary})",
        SyntaxProbe(),
    )

    assert not canary.exists()


@pytest.mark.parametrize(
    "text", ["a" * 100_000 + "\0", "a='b'c " * 20_000 + "\0", "sudo nft add " * 9 + "'{' <ip> '}'"]
)
def test_a_line_that_is_almost_plain_is_judged_in_time(text: str) -> None:
    (part,) = split(text, SyntaxProbe(0))

    assert part.text == text
