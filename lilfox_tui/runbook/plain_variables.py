"""Variables that a command finds and nobody knows: it may read with them once bash has looked at them.

``kubectl -n $NAMESPACE get pods`` reads where NAMESPACE is one plain word, and is anything where it is not. So what
runs is the command behind a check, in its first line: bash runs it only where each variable it finds is a plain word.
It is judged as what it is then. A variable that is not set is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from lilfox_tui.runbook.recognising import verdict_of_text
from lilfox_tui.runbook.shell_effects import assigned_names, bodies_of, words_of
from lilfox_tui.runbook.shell_reading import read_all
from lilfox_tui.runbook.shell_syntax import Output, Process, Simple, Statement, Unclear, Variable, Word
from lilfox_tui.runbook.shell_walking import CHECK, may_be_checked
from lilfox_tui.runbook.splitting import masked


def checked(text: str, values: Mapping[str, str] | None = None, *, filled: bool = True) -> str:
    """``text`` with the check before it, where it reads only with that; else as it is. ``values`` and
    ``filled`` as in :func:`verdict_of_text`."""
    if "$" not in text or verdict_of_text(text, values, filled=filled) in ("read", "follow", "interactive"):
        return text
    try:
        statements = read_all(text if filled else masked(text))
    except (Unclear, RecursionError):
        return text
    known = set(assigned_names(statements)) | set(values or {})
    names = sorted({name for name in _found(statements) if name not in known and may_be_checked(name)})
    if not names:
        return text
    with_check = CHECK.format(names=" ".join(names)) + text
    return with_check if verdict_of_text(with_check, values, filled=filled) in ("read", "follow") else text


def _found(statements: Sequence[Statement]) -> Iterator[str]:
    """The names of the variables that a text expands."""
    for statement in statements:
        for word in words_of(statement):
            yield from _of_word(word)
        for body in bodies_of(statement):
            yield from _found(body)
        if isinstance(statement, Simple):
            for word in (*statement.words, *(each.value for each in statement.assignments)):
                yield from _of_word(word)
            for redirect in statement.redirects:
                yield from _of_word(redirect.target)


def _of_word(word: Word) -> Iterator[str]:
    for part in word.parts:
        if isinstance(part, Variable) and part.exact and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part.name):
            yield part.name
        elif isinstance(part, Output | Process):
            yield from _found(part.body)
