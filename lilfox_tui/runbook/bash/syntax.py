"""Syntax of bash text: the nodes of its tree."""

from __future__ import annotations

from typing import Literal as OneOf

from msgspec import Struct, field

# What shell text is made of, as far as it is understood.


OPEN, CLOSE = "\ue000", "\ue001"
"""Around the name of a placeholder while shell text is read: its ``<`` and ``>`` would be redirections."""


class Unclear(Exception):
    """The text is beyond this reader, or not valid, or ends too early."""


class Literal(Struct, gc=False):
    """Characters that stand there. Quoted ones make no pattern, brace expansion or home folder."""

    text: str
    quoted: bool = False


class ShellVariable(Struct, gc=False):
    """``$name``; ``exact`` is False for what is made of it, as ``${name%.*}``."""

    name: str
    quoted: bool
    exact: bool = True


class CommandSubstitution(Struct):
    """``$( … )``, or the same in backquotes."""

    body: list[Statement]
    quoted: bool


class ProcessSubstitution(Struct):
    """``<( … )``: a path from which the output is read."""

    body: list[Statement]


class Calculated(Struct, gc=False):
    """``$(( … ))``: bash calculates names too, and what their values name."""

    text: str


class Opaque(Struct, gc=False):
    """What may be evaluated once more: where it ends is known, what it does is not."""

    text: str


WordPart = Literal | ShellVariable | CommandSubstitution | ProcessSubstitution | Calculated | Opaque


class Word(Struct):
    """One word as it is written."""

    parts: list[WordPart]

    @property
    def literal(self) -> str | None:
        """Its text where nothing in it is expanded by name."""
        texts = [part.text for part in self.parts if isinstance(part, Literal)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    @property
    def begin(self) -> str:
        """The characters with which it is written before anything in it is expanded by name."""
        found = ""
        for part in self.parts:
            if not isinstance(part, Literal):
                break
            found += part.text
        return found

    @property
    def bare(self) -> bool:
        """Whether nothing of it is quoted or expanded: only so it may be a reserved word."""
        return all(isinstance(part, Literal) and not part.quoted for part in self.parts)


class Redirect(Struct):
    """``2> target``; of a here-document ``target`` is what it holds."""

    operator: str
    target: Word
    descriptor: str = ""
    """The number before it."""


class Assignment(Struct):
    """``name=value``."""

    name: str
    value: Word
    adds: bool = False


class Simple(Struct):
    """A simple command."""

    assignments: list[Assignment] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)


class Joined(Struct):
    """Commands between ``|``, or between ``&&`` and ``||``."""

    by: OneOf["|", "&&"]
    statements: list[Statement]


class CommandGroup(Struct):
    """``( … )`` or ``{ …; }``, or a branch of ``if``."""

    body: list[Statement]
    redirects: list[Redirect] = field(default_factory=list)
    subshell: bool = False


class If(Struct):
    """Conditions and branches, in order."""

    bodies: list[list[Statement]]
    redirects: list[Redirect] = field(default_factory=list)


class For(Struct):
    """``for name in words``."""

    name: str
    words: list[Word]
    body: list[Statement]
    redirects: list[Redirect] = field(default_factory=list)


class While(Struct):
    """``while`` and ``until``."""

    condition: list[Statement]
    body: list[Statement]
    redirects: list[Redirect] = field(default_factory=list)


class Test(Struct):
    """``[[ … ]]``: its terms between ``&&`` and ``||``."""

    terms: list[list[Word]]
    redirects: list[Redirect] = field(default_factory=list)


class Beyond(Struct, gc=False):
    """A command whose end is known and whose doing is not judged: a function, what runs in the background."""

    why: str


Statement = Simple | Joined | CommandGroup | If | For | While | Test | Beyond
