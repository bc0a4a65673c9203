"""A fence of shell text into its commands: the lines that bash would read before it does anything.

Most lines are judged here; ``bash -n`` is asked only where this reader cannot tell, and a bounded number of times.
"""

from __future__ import annotations

import re

from msgspec import Struct

from lilfox_tui.runbook.shell_reading import read_command
from lilfox_tui.runbook.shell_syntax import CLOSE, OPEN, Unclear

_WORD = r"""(?:[A-Za-z0-9_./:=@%+,^~*?\[\]{}-]++|'[^']*'|"[^"$`\\]*")++"""
_WORDS = re.compile(r"[A-Za-z0-9_./:=@%+,^~*?\[\]{} \t-]++")
_SILENT = r"(?<![^ \t])[12]?>(?:/dev/null|&[12])(?![^ \t|;])"
_OPERATOR = r"(?:\|\||&&|\||;)"
_SIMPLE_LINE = re.compile(rf"(?:{_SILENT}|{_WORD}|[ \t]++|{_OPERATOR}(?=[ \t]))++")
_TOKEN = re.compile(rf"{_SILENT}|({_WORD})|({_OPERATOR})")
_NOT_SIMPLE = frozenset(
    {
        "if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "select",
        "function", "time", "coproc", "{", "}", "[[", "in",
    }
)  # fmt: skip
_PLACEHOLDER = re.compile(r"<([A-Za-z][A-Za-z0-9_-]*)>")
_BASH = ("bash", "--noprofile", "--norc", "-n")
_TIMEOUT_S = 5.0
ASKED_AT_MOST = 200
"""How often ``bash -n`` is asked for one file: some 2 ms each."""


class Part(Struct, gc=False):
    """One command of a fence. ``line`` counts from 0 in the fence; ``comment`` are the comment lines before it."""

    text: str
    line: int
    comment: str = ""
    syntax_error: str = ""
    """What bash says of it where it cannot be read as shell text."""
    whole: bool = False
    """Whether it is the rest of its fence because bash could not be asked where its first command ends."""


class Asking:
    """Asks ``bash -n``; at most so often."""

    def __init__(self, limit: int = ASKED_AT_MOST) -> None:
        self.left = limit

    def says(self, text: str) -> str | None:
        """What bash finds wrong with ``text``, "" for nothing; None where it cannot be asked."""
        if self.left <= 0:
            return None
        self.left -= 1
        import subprocess

        try:
            done = subprocess.run(
                _BASH,
                input=text.encode("utf-8", "surrogatepass"),
                capture_output=True,
                timeout=_TIMEOUT_S,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stderr.decode(errors="replace").strip()


def split(text: str, asking: Asking) -> list[Part]:
    """The commands of ``text``, in order. Comments and empty lines between them are no commands."""
    parts: list[Part] = []
    lines = text.split("\n")
    at, comment = 0, 0
    while at < len(lines):
        line = lines[at]
        bare = line.strip(" \t")
        if not bare or bare[0] == "#":
            at += 1
            comment = comment if bare else at
            continue
        part = _simple(line)
        if part is None:
            part, count = _next(lines, at, asking)
        else:
            count = 1
        part.line = at
        part.comment = "\n".join(lines[comment:at])
        parts.append(part)
        at += count
        comment = at
    return parts


def masked(text: str) -> str:
    """``text`` with marks around the name of each placeholder, which a shell would take for a redirection."""
    return _PLACEHOLDER.sub(rf"{OPEN}\1{CLOSE}", text) if "<" in text else text


def _simple(line: str) -> Part | None:
    """A line of plain commands for certain: words, some in quotes, between ``|``, ``&&``, ``||`` and ``;``."""
    if _WORDS.fullmatch(line):
        return None if line.split(None, 1)[0] in _NOT_SIMPLE else Part(line, 0)
    if not _SIMPLE_LINE.fullmatch(line):
        return None
    empty = True
    for word, operator in _TOKEN.findall(line):
        if (operator or word in _NOT_SIMPLE) and empty:
            return None
        if word or operator:
            empty = bool(operator)
    return None if empty else Part(line, 0)


def _next(lines: list[str], at: int, asking: Asking) -> tuple[Part, int]:
    """The command that begins in line ``at``, and how many lines it has."""
    text = masked(lines[at])
    try:
        _read, end = read_command(text)
        if end >= len(text) and not _goes_on(text):
            return Part(lines[at], 0), 1
    except Unclear:
        pass
    rest = masked("\n".join(lines[at:]))
    try:
        _read, end = read_command(rest)
    except (Unclear, RecursionError):
        return _asked(lines, at, asking)
    count = rest.count("\n", 0, end) + (not rest.endswith("\n", 0, end))
    return Part("\n".join(lines[at : at + count]), 0), count


def _asked(lines: list[str], at: int, asking: Asking) -> tuple[Part, int]:
    """As bash has it: lines are added until it accepts them, or finds what no further line makes right."""
    count = len(lines) - at
    for size in range(1, count + 1):
        text = masked("\n".join(lines[at : at + size]))
        said = asking.says(text + "\n")
        if said is None:
            return Part("\n".join(lines[at:]), 0, whole=True), count
        if said == "":
            if size == count or not _goes_on(text):
                return Part("\n".join(lines[at : at + size]), 0), size
        elif not _unfinished(said):
            return Part("\n".join(lines[at:]), 0, syntax_error=_reason(said)), count
    return Part("\n".join(lines[at:]), 0, syntax_error=_reason(said or "")), count


def _goes_on(text: str) -> bool:
    """Whether the last line ends in a backslash that takes the next line to it."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _unfinished(said: str) -> bool:
    return "unexpected end of file" in said or "unexpected EOF" in said or "here-document" in said


def _reason(said: str) -> str:
    """The first sentence of bash, without its name and line."""
    first = said.split("\n", 1)[0]
    return re.sub(r"^.*?: line \d+: ", "", first)
