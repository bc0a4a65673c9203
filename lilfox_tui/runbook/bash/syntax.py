"""Syntax of bash text: the nodes of its tree."""

from __future__ import annotations

from typing import Literal as OneOf

from msgspec import Struct, field

# What shell text is made of, as far as it is understood.


OPEN, CLOSE = "\ue000", "\ue001"
"""Around the name of a placeholder while shell text is read: its ``<`` and ``>`` would be redirections."""


class Unclear(Exception):
    """The text is not supported by this parser, invalid, or incomplete."""


class Literal(Struct, gc=False):
    """Literal characters. Quoted ones form no pattern, brace expansion or home folder."""

    text: str
    quoted: bool = False


class ShellVariable(Struct, gc=False):
    """``$name``; ``exact`` is False for an expansion derived from it, such as ``${name%.*}``."""

    name: str
    quoted: bool
    exact: bool = True


class CommandSubstitution(Struct):
    """``$( … )``, or the same in backquotes."""

    body: list[Statement]
    quoted: bool


class ProcessSubstitution(Struct):
    """``<( … )``: a path to read the output from."""

    body: list[Statement]


class Calculated(Struct, gc=False):
    """``$(( … ))``: bash also evaluates names, and the names in their values."""

    text: str


class Opaque(Struct, gc=False):
    """Text that may be evaluated again: its end is known, its effect is not."""

    text: str


WordPart = Literal | ShellVariable | CommandSubstitution | ProcessSubstitution | Calculated | Opaque


class Word(Struct):
    """One word as it is written."""

    parts: list[WordPart]

    @property
    def literal(self) -> str | None:
        """The word's text, if it contains no expansion."""
        texts = [part.text for part in self.parts if isinstance(part, Literal)]
        return "".join(texts) if len(texts) == len(self.parts) else None

    @property
    def begin(self) -> str:
        """The literal characters before the first expansion."""
        found = ""
        for part in self.parts:
            if not isinstance(part, Literal):
                break
            found += part.text
        return found

    @property
    def bare(self) -> bool:
        """Whether nothing in the word is quoted or expanded; only then can it be a reserved word."""
        return all(isinstance(part, Literal) and not part.quoted for part in self.parts)


class Redirect(Struct):
    """``2> target``; for a here-document, ``target`` is its content."""

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
    """The conditions and branches of ``if``, in order."""

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
    """A command whose end is known but whose effect is not judged: a function, or a background job."""

    why: str


Statement = Simple | Joined | CommandGroup | If | For | While | Test | Beyond
