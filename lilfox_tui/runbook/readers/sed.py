"""Whether a script of sed only reads: it may not write, run, or read other files."""

from __future__ import annotations

import re

_BLANK = re.compile(r"[ \t]*")
_NUMBER = re.compile(r"[0-9]+(?:~[0-9]+)?|\$")
_RANGE = re.compile(r"[+~][0-9]+")
_FLAGS = re.compile(r"[gpIiMm0-9]*")
_PLAIN = frozenset("=dDgGhHlnNpPxz")
_LABELLED = re.compile(r"[btT][ \t]*[A-Za-z0-9_]*")
_QUITS = re.compile(r"[qQ][ \t]*[0-9]*")


class _Unclear(Exception):
    pass


def only_reads(script: str) -> bool:
    """False also where it is not known."""
    at = 0
    try:
        while at < len(script):
            at = _command(script, at)
    except (_Unclear, IndexError):
        return False
    return True


def _command(script: str, at: int) -> int:
    """One command with its addresses, and what separates it from the next."""
    while at < len(script) and script[at] in " \t\n;":
        at += 1
    if at >= len(script):
        return at
    if script[at] == "#":
        end = script.find("\n", at)
        return len(script) if end < 0 else end + 1
    at = _addresses(script, at)
    character = script[at]
    if character == "{":
        return at + 1
    if character == ":":
        found = re.compile(r":[ \t]*[A-Za-z0-9_]+").match(script, at)
        if found is None:
            raise _Unclear
        return _ended(script, found.end())
    if character in "sy":
        return _ended(script, _substitution(script, at))
    if character in _PLAIN or character == "}":
        return _ended(script, at + 1)
    found = _LABELLED.match(script, at) or _QUITS.match(script, at)
    if found is None:
        raise _Unclear
    return _ended(script, found.end())


def _ended(script: str, at: int) -> int:
    at = _skip(script, at)
    if at < len(script) and script[at] not in ";\n}":
        raise _Unclear
    return at


def _skip(script: str, at: int) -> int:
    found = _BLANK.match(script, at)
    return found.end() if found else at


def _addresses(script: str, at: int) -> int:
    first = _address(script, at)
    if first != at:
        at = _skip(script, first)
        if script[at] == ",":
            at = _skip(script, at + 1)
            found = _RANGE.match(script, at)
            second = found.end() if found else _address(script, at)
            if second == at:
                raise _Unclear
            at = second
    at = _skip(script, at)
    while script[at] in "! \t":
        at += 1
    return at


def _address(script: str, at: int) -> int:
    if found := _NUMBER.match(script, at):
        return found.end()
    if script[at] == "/":
        at = _delimited(script, at + 1, "/")
    elif script[at] == "\\":
        at = _delimited(script, at + 2, script[at + 1])
    else:
        return at
    while at < len(script) and script[at] in "IM":
        at += 1
    return at


def _substitution(script: str, at: int) -> int:
    delimiter = script[at + 1]
    middle = _delimited(script, at + 2, delimiter)
    end = _delimited(script, middle, delimiter, pattern=False)
    flags = _FLAGS.match(script, end) if script[at] == "s" else None
    return flags.end() if flags else end


def _delimited(script: str, at: int, delimiter: str, *, pattern: bool = True) -> int:
    """Behind the next delimiter. Seds differ in whether one between ``[`` and ``]`` counts, so none may stand there."""
    if delimiter.isalnum() or delimiter in "\\\n \t;{}[]":
        raise _Unclear
    opened, began = False, 0
    while True:
        character = script[at]
        if opened and script.startswith("[:", at):
            at = script.find(":]", at) + 2
            if at < 2:
                raise _Unclear
            continue
        if character == "\\":
            if script[at + 1] == "\n":
                raise _Unclear
            at += 2
            continue
        if character == "\n" or (character == delimiter and opened):
            raise _Unclear
        if character == delimiter:
            return at + 1
        if pattern and character == "[" and not opened:
            opened, began = True, at + 1 + script.startswith("^", at + 1)
        elif character == "]" and at > began:
            opened = False
        at += 1
