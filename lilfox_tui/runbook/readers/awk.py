"""Whether a program of awk only reads: strings, regular expressions and comments are told apart first.

It may not write, run, read by ``getline``, or load anything; where awks differ in what a character begins, it is not
said to read.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"(?P<blank>[ \t]+)|(?P<newline>\n)|(?P<comment>#[^\n]*)|(?P<string>\"(?:[^\"\\\n]|\\[^\n])*\")"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<operator>=|<=|==|!=|&&|\|\||\+\+|--|\+=|-=|\*=|/=|%=|\^=|!~|[-+*%^!<>~?:,;(){}\[\]$=])"
)
_REGEX = re.compile(r"/((?:[^/\\\n\[\]]|\\[^\n]|\[\^?+\]?+(?:\[:[a-z]++:\]|[^\]\\/\n\[]|\\[^\n/])*+\])*+)/")
_ACTS = frozenset("system getline close fflush extension include load namespace".split())
_BEFORE_REGEX = frozenset("print printf return in case else do".split())
_OPEN_ENDED = frozenset(
    "length getline print printf return exit delete rand srand next nextfile BEGIN END BEGINFILE ENDFILE".split()
)


def only_reads(program: str) -> bool:
    """False also where it is not known."""
    at, depth, prints = 0, 0, False
    before, kind = "", ""
    while at < len(program):
        if program[at] == "/" and not _divides(before, kind, program, at):
            found = _REGEX.match(program, at)
            if found is None or before in (")", "++", "--") or before in _OPEN_ENDED - _BEFORE_REGEX:
                return False
            before, kind, at = "/", "regex", found.end()
            continue
        if program[at] == "/":
            before, kind = "/", "operator"
            at += 2 if program.startswith("/=", at) else 1
            continue
        found = _TOKEN.match(program, at)
        if found is None or found[0] in _ACTS:
            return False
        at = found.end()
        if found.lastgroup in ("blank", "comment"):
            continue
        before, kind = found[0], found.lastgroup or ""
        depth += (before in ("(", "[")) - (before in (")", "]"))
        if before in ("print", "printf"):
            if depth:
                return False
            prints = True
        elif before in (";", "{", "}") and depth <= 0:
            prints, depth = False, 0
        elif before in (">", ">>") and prints and depth <= 0:
            return False
    return True


def _divides(before: str, kind: str, program: str, at: int) -> bool:
    """Whether a ``/`` is a division: behind a value. Behind ``)`` it may begin a regular expression as well; where no
    other follows, it does not."""
    if kind == "number" or before == "]" or (kind == "string"):
        return True
    if kind == "name":
        return before not in _BEFORE_REGEX | _OPEN_ENDED
    return before == ")" and "/" not in program[at + 1 :]
