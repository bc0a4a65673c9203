"""Which names a shell text assigns, and what of it makes other commands of those that come later in its fence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lilfox_tui.runbook.shell_syntax import (
    Beyond,
    For,
    Group,
    If,
    Joined,
    Output,
    Process,
    Simple,
    Statement,
    Test,
    While,
    Word,
)

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ASSIGNS = frozenset(
    {"read", "export", "unset", "declare", "typeset", "local", "readonly", "mapfile", "readarray", "getopts"}
)
"""Commands of bash that assign the variables whose names they are given. ``printf`` is none: with ``-v`` it is not
known to read."""
_DECIDES = frozenset(
    {
        ".", "source", "eval", "exec", "alias", "unalias", "enable", "hash", "shopt", "set", "trap", "builtin",
        "command", "declare", "typeset", "local", "readonly", "read", "mapfile", "readarray", "getopts", "printf",
        "let", "bind", "complete",
    }
)  # fmt: skip
"""What of bash may make other commands of those that come later."""
_DECIDING_NAME = re.compile(
    r"PATH|IFS|ENV|CDPATH|GLOBIGNORE|POSIXLY_CORRECT|PS4|EXECIGNORE|FIGNORE|(?:BASH|LD|GIT|DYLD)_?.*"
)


def decides(statement: Statement) -> bool:
    """Whether it may leave behind what makes other commands of those that come later in its fence."""
    if isinstance(statement, Beyond):
        return True
    if isinstance(statement, Simple):
        names = [assignment.name for assignment in statement.assignments] if not statement.words else []
        first = statement.words[0].literal if statement.words else ":"
        if first is None or first[:1] == "-" or "{" in first:  # behind an option of ``time`` stands a command
            return True
        if first in ("export", "unset"):
            names += [_name_given(word) or "PATH" for word in statement.words[1:]]
        return first in _DECIDES or any(_DECIDING_NAME.fullmatch(name) for name in names)
    set_by_loop = isinstance(statement, For) and _DECIDING_NAME.fullmatch(statement.name) is not None
    return set_by_loop or any(decides(each) for body in bodies_of(statement) for each in body)


def _name_given(word: Word) -> str:
    """The name before ``=``, ``+=`` or ``[``, or the whole word; "" where that is not written out."""
    name, equals, _value = word.begin.partition("=")
    return re.split(r"[+\[]", name)[0] if (equals or word.literal is not None) and "{" not in name else ""


def assigned_names(statements: Sequence[Statement]) -> Iterator[str]:
    """The names that are assigned anywhere in a text, as often as they are."""
    for statement in statements:
        if isinstance(statement, Simple):
            yield from _of_simple(statement)
            continue
        if isinstance(statement, Beyond):
            continue
        if isinstance(statement, For):
            yield statement.name
        for body in bodies_of(statement):
            yield from assigned_names(body)
        for word in words_of(statement):
            yield from _of_word(word)


def _of_simple(simple: Simple) -> Iterator[str]:
    yield from (assignment.name for assignment in simple.assignments)  # some shells keep it behind a builtin
    yield from names_written(simple)
    values = [assignment.value for assignment in simple.assignments]
    for word in [*simple.words, *values, *(redirect.target for redirect in simple.redirects)]:
        yield from _of_word(word)


def names_written(simple: Simple) -> Iterator[str]:
    """The names that are written out behind a command that assigns, words of its options among them."""
    if simple.words and simple.words[0].literal in ASSIGNS:
        yield from (found[0] for word in simple.words[1:] if (found := NAME.match(word.begin)))


def _of_word(word: Word) -> Iterator[str]:
    for part in word.parts:
        if isinstance(part, Output | Process):
            yield from assigned_names(part.body)


def bodies_of(statement: Statement) -> Sequence[Sequence[Statement]]:
    if isinstance(statement, Joined):
        return [statement.statements]
    if isinstance(statement, Group | For):
        return [statement.body]
    if isinstance(statement, If):
        return statement.bodies
    return [statement.condition, statement.body] if isinstance(statement, While) else []


def words_of(statement: Statement) -> list[Word]:
    words = list(statement.words) if isinstance(statement, For) else []
    if isinstance(statement, Test):
        words += [word for term in statement.terms for word in term]
    redirects = [] if isinstance(statement, Simple | Joined | Beyond) else statement.redirects
    return [*words, *(redirect.target for redirect in redirects)]
