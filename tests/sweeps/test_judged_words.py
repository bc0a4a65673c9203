"""The words that are judged are the words that bash runs.

Random shell texts are judged. Those that are said to read are given to a bash in which every program is a function that
writes down its words, in a folder with files whose names are options, with variables and outputs that are options. Each
call must be one that was judged, and no file may appear.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.runbook.bash.parser import read_all
from lilfox_tui.runbook.bash.values import Argument
from lilfox_tui.runbook.classify import Walk, behind_check, checked, verdict_of_text

_NAMES = (
    "echo",
    "ls",
    "cat",
    "grep",
    "wc",
    "printf",
    "date",
    "dmesg",
    "sort",
    "uniq",
    "find",
    "df",
    "rm",
    "touch",
    "tee",
)
_HARNESS = (
    "enable -n kill\n"
    "W() { builtin printf '%s\\0' \"$@\" $'\\1' >&9; builtin echo -C -delete '*' 'a b'; }\n"
    + "".join(f'{name}() {{ W {name} "$@"; }}\n' for name in _NAMES)
    + 'command_not_found_handle() { W "$@"; }\n'
    "while IFS= builtin read -r -d '' T <&8; do N=$((N + 1)); (exec 9>>LOG/$N; eval \"$T\") </dev/null; done\n"
)
_ENVIRONMENT = {
    "V": "-C",
    "W": "a -delete *",
    "E": "",
    "H": "x",
    "P": "a-b",
    "Q": "/x.y",
    "LF_x": "-o F",
    "HOME": "/root",
    "NS": "shop",
    "LF_NS": "shop",
    "x": "-C",
}
_WORDS = (
    "-l", "-delete", "--output=x", "a", "f.log", "*.log", "*", "?", "[-a]b", "[ab]c", "$V", '"$V"', "${V}", '"${V:-x}"',
    "${V:-y}", "$W", '"$W"', "$E", '"$E"', "{a,b}", "{1..3}", "{..a.b}", "x{..a}", "{..}", "-l*", "-I[a]", "-{a,b}",
        "pre{x,y}post", "{a,b", "{}", "{a}", '{a","b}', "~",
    "~/x", "~root", "~+", "$(date)", "`date`", '"$(date)"', "$((1+2))", "$((V))", "$'a\\tb'", "$'\\x41'", "'a b'",
        '"a b"',
    "a\\ b", "x\\\ny", "\\\n", "<(date)", "a=b", "a=~/b", "#x", "a#b", "$", '"$"', "!", "{", "}", "if", "]]", "then",
        'a"b"c',
    "''", '""', '"\\$V"', '"\\a"', '"a\\\nb"', "@(a|b)", "$V$V", '"$V"x', "-$V", "-\"$V\"", "/dev/null", "$x", '"$x"',
        "${x}y",
    "$?", "$#", "$$", "$@", '"$@"', "$*", "$1", "$x{a,b}", '"$LF_x"', "é", "a\u00a0b", "[", "[x]", "'", '"', "`", "\\",
        "$(", "a(", ")",
    "${V%C}", "${V@P}", "$P", '"$P"', "${P}", "$P$Q", "x$P", "-$P", "$P", "$Q", "${!V}", "$'-delete'", "\"-\"delete",
        "\\-C", "=", "x=1", "2", "\t", "\\\t", "a\\", "$V\"\"", "{-C,-D}", "~x{a,b}",
)  # fmt: skip
_ASSIGNING = ("read", "read -r", "export", "unset", "read -p x", "unset -v", "read -t 1 --", "printf -v", "declare",
    "mapfile", "getopts o", "let", "wait -p", "readonly", "local")  # fmt: skip
_SPELT = (*["{}"] * 15, "command {}", "command -p {}", "command -- {}", "builtin {}", "time {}", "! {}", "\\{}", "''{}",
    "A=b {}", "TZ=-C {}", "env {}", "exec {}")  # fmt: skip
_GIVEN = ("{}", "{}", '"{}"', "'{}'", "''{}", "${{n}}", '"$n"', "$n", "''$n", "{}''", "{}$E", '{}"$E"', "{{y,{}}}",
    "{{{},y}}", "y {}", "{}y", "$'{}'", "\\{}", "{}[0]", "y{{,{}}}", "{}*", "$m")  # fmt: skip
_AFTER = ("", "", "=-C", "=-C", "='a b'", "=$V", "=b", "+=b", "={{-C,b}}")
_FED = ("<<<-C", "<<<-C", "<<<'-C -D'", "</dev/null", "")
_REDIRECTS = ("2>/dev/null", ">/dev/null", "2>&1", "> F", ">>F", "<a", "<<<$W", "<<<'a b'", ">&2", "&>/dev/null",
    "2>F", "12345>F", ">|F",
              "{fd}>F", "</dev/null", "1234567890123>/dev/null")  # fmt: skip
_JOINS = ("; ", " && ", " || ", " | ", "\n", " ;", "|", " & ", " |& ", "&&\n")
_NOISE = (*"\\\n\"'`$(){}<>|&;#~*?![]= -^x\t", "$(", "\\\n", "${", "$((", "<<", ">(", "<(", "$'", '$"')


class _Texts:
    def __init__(self, seed: int) -> None:
        self._chosen = random.Random(seed)

    def text(self) -> str:
        found = self._list(2)
        while self._chosen.random() < 0.3:
            place = self._chosen.randint(0, len(found))
            end = place + (self._chosen.random() < 0.3)
            found = found[:place] + self._chosen.choice(_NOISE) + found[end:]
        return found

    def _list(self, depth: int) -> str:
        found = self._command(depth)
        while self._chosen.random() < 0.35:
            found += self._chosen.choice(_JOINS) + self._command(depth)
        return found

    def _command(self, depth: int) -> str:
        kind = self._chosen.randint(0, 14) if depth else 0
        if kind == 1:
            return f"( {self._list(depth - 1)} )"
        if kind == 2:
            return f"{{ {self._list(depth - 1)}; }}"
        if kind == 3:
            return f"if {self._list(depth - 1)}; then {self._list(depth - 1)}; else {self._simple()}; fi"
        if kind == 4:
            return f"for x in {self._words()}; do {self._list(depth - 1)}; done"
        if kind == 5:
            mark = self._chosen.choice(("E", "E", "'E'"))
            return f"{self._simple()} <<{mark}\n{self._words()}\n{self._words()}\nE\n"
        if kind == 6:
            return f"x={self._word()}; {self._simple()}"
        if kind == 9:  # it may not have been set, or to something else
            sets = self._chosen.choice(
                ("true || x=a", "false && x=a", "x=a; x=b", "x=a; (x=b)", "x=a | x=b", "x=a; x+=b")
            )
            return f'{sets}; echo "$x" $x'
        if kind == 10:
            return 'x=a; for i in 1 2; do echo "$x" $x $i; x=b; done'
        if kind == 7:
            return f"[[ {self._word()} == {self._word()} ]]"
        if kind == 8:
            return f"[ {self._word()} = {self._word()} ]"
        return self._simple()

    def _simple(self) -> str:
        parts = [
            self._chosen.choice(
                ("echo", "echo", "echo", "ls", "cat", "grep", "date", "dmesg", "find", "uniq", "printf")
            ),
            self._words(),
        ]
        if self._chosen.random() < 0.2:
            parts.insert(self._chosen.randint(0, 2), self._chosen.choice(_REDIRECTS))
        return " ".join(parts)

    def _words(self) -> str:
        return " ".join(self._word() for _ in range(self._chosen.randint(0, 4)))

    def _word(self) -> str:
        found = self._chosen.choice(_WORDS)
        while self._chosen.random() < 0.15:
            found += self._chosen.choice(_WORDS)
        return found


def _overwriting(chosen: random.Random) -> str:
    """A variable is known, and something that may assign it stands somewhere before it is used, or in its loop."""
    name = chosen.choice(("x", "x", "NS", "LF_NS"))
    known = f"{name}={chosen.choice(('a', '1'))}; " if name == "x" and chosen.random() < 0.8 else ""
    unassigned = name == "NS" and chosen.random() < 0.2
    verb = chosen.choice(_ASSIGNING)
    word = chosen.choice((verb, verb, f'"{verb.split()[0]}"{verb[len(verb.split()[0]) :]}', "$r", '"$r"', "$m"))
    given = chosen.choice(_GIVEN).format(name) + chosen.choice(_AFTER).replace("{{", "{").replace("}}", "}")
    command = chosen.choice(_SPELT).format(word) + f" {given} {chosen.choice(_FED)}"
    command = chosen.choice((command, command, command, f"{{{verb.split()[0]},{name}}} <<<-C", f": $(({name}++))",
        f": $((1-{name}--))", f": ${{{name}:=-C}}", f"{name}=-C :", f"ls {{{name}}}</dev/null", f"{name}=-C",
        f"{{ {name}=a; }} </nonexistent", f"export {name}=a </nonexistent", f"{{ : $((1/0)); {name}=a; }}\n",
        f"{{ : $((08)); {name}=a; }}\n", f"{{ : $((1 1)); {name}=a; }}\n",
    )) if not unassigned else "ls"  # fmt: skip
    uses = f"sort ${name} f" if name == "NS" else f'echo "${name}" ${name} 1'
    sets = f"n={name}; r={verb.split()[0]}; m='{verb} {name}'; {known}"
    return sets + chosen.choice((
        f"{command}; {uses}", f"for i in 1 2; do {uses}; {command}; done", f"if {command}; then ls; fi; {uses}",
        f"{{ {command}; }}; {uses}", f"true && {command}; {uses}", f"while {command}; do break; done; {uses}",
        f"({command}); {uses}",
    )).replace("\n;", "\n")  # fmt: skip


def _pattern(words: list[Argument]) -> str:
    """A regular expression for what the words may be when they run, each ended by a NUL."""
    found = []
    for word in words:
        one = "".join("[^\0]*" if piece is None else re.escape(piece) for piece in word.pieces) + "\0"
        one = ("(?!-)" if word.undashed and word.pieces[:1] == (None,) else "") + one
        found.append("(?:[^\0]*\0)*" if word.loose else f"(?:{one})*" if word.many else one)
    return "".join(found)


def _judged(text: str, values: dict[str, str]) -> list[str]:
    text, plain = behind_check(text)
    walk = Walk(values, plain=plain)
    walk.verdict(read_all(text))
    return [_pattern(words) for words in walk.ran]


def _run(texts: list[str], folder: Path) -> list[list[str]]:
    """What each text called, its words each ended by a NUL."""
    inside = folder / "inside"
    inside.mkdir()
    for name in ("-delete", "--output=x", "a b", "f.log", "-C.log", "a", "bc"):
        (inside / name).touch()
    log = folder / "log"
    log.mkdir()
    (folder / "texts").write_bytes(b"".join(text.encode() + b"\0" for text in texts))
    with (folder / "texts").open("rb") as given:
        descriptor = given.fileno()
        subprocess.run(
            [shutil.which("bash") or "bash", "--noprofile", "--norc", "-c",
                f"exec 8<&{descriptor}; " + _HARNESS.replace(
                "LOG", str(log))],
            cwd=inside, env={**_ENVIRONMENT, "PATH": "/nonexistent", "LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=(descriptor,), timeout=60, check=False,
        )  # fmt: skip
    assert sorted(os.listdir(inside)) == sorted(("-delete", "--output=x", "a b", "f.log", "-C.log", "a", "bc"))
    logs = [log / str(number) for number in range(1, len(texts) + 1)]
    return [
        [call for call in each.read_bytes().decode("utf-8", "surrogateescape").split("\1\0") if call] for each in logs
    ]


@pytest.mark.fault("4.2")
@pytest.mark.parametrize("seed", range(4))
def test_bash_runs_what_was_judged_and_nothing_else(seed: int, tmp_path: Path) -> None:
    made = _Texts(seed)
    values = {"LF_x": _ENVIRONMENT["LF_x"]}
    texts = [checked(made.text(), values) for _ in range(900)]
    texts = [text for text in texts if verdict_of_text(text, values) == "read"]
    assert any(behind_check(text)[1] for text in texts)
    assert len(texts) > 60
    _assert_judged(texts, values, tmp_path)


@pytest.mark.fault("4.2")
@pytest.mark.parametrize("seed", range(2))
def test_no_variable_that_is_known_holds_something_else(seed: int, tmp_path: Path) -> None:
    chosen = random.Random(seed)
    values = {"LF_NS": _ENVIRONMENT["LF_NS"]}
    texts = [checked(_overwriting(chosen), values) for _ in range(3000)]
    texts = [text for text in texts if verdict_of_text(text, values) == "read"]
    assert len(texts) > 100
    assert any(behind_check(text)[1] for text in texts)
    _assert_judged(texts, values, tmp_path)


def _assert_judged(texts: list[str], values: dict[str, str], folder: Path) -> None:
    for text, calls in zip(texts, _run(texts, folder), strict=True):
        judged = _judged(text, values)
        for call in calls:
            if call.startswith("printf\0lilfox: "):  # the check has found another value than it lets in
                continue
            assert any(re.fullmatch(each, call, re.DOTALL) for each in judged), (text, call)
