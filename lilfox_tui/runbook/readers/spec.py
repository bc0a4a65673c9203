"""How a program that reads is described: its options, operands and sub-commands, each in full.

Options are written as in a program's own help, with blanks between: ``-a``, ``--all``, ``-n=count``, ``--since=time``;
``--color[=when]`` may have a value, which then stands in the same word. What stands behind ``=`` is a role: a word for
data, which may be anything, or one that ``roles.py`` looks at: ``{a|b}`` is one of these words, ``/…/`` what the
regular expression finds, ``null`` nothing but ``/dev/null`` and ``-``, and so on. Operands are roles, in order, the
last of which may end in ``*``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from functools import cache
from typing import Literal

from msgspec import Struct

from lilfox_tui.runbook.shell_values import Argument

Verdict = Literal["read", "follow", "interactive", "change", "unknown"]
"""What is known of a command; ``unknown`` may do anything, and counts as a change."""
ORDER: tuple[Verdict, ...] = ("change", "unknown", "interactive", "follow", "read")
"""The worst first."""


def worst(found: Sequence[Verdict] | set[Verdict]) -> Verdict:
    return next((each for each in ORDER if each in found), "read")


CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Fed(IntEnum):
    """What a command reads."""

    NOTHING = 0
    """A terminal, or what LilFox gives: ``/dev/null``."""
    EMPTY = 1
    """No more than an empty line, and that for certain."""
    DATA = 2


class Context(Struct, frozen=True):
    """What a judge may ask: of a command within a command, of a text that is read by a shell."""

    fed: Fed
    words: Callable[[Sequence[Argument], Fed], Verdict]
    """What these words are as a command with that input."""
    text: Callable[[str], Verdict]
    """What this shell text is."""


class Call(Struct):
    """A call of a program, taken apart."""

    options: list[tuple[str, Argument | None]]
    """As they are written in its table, with their values."""
    operands: list[Argument]

    def has(self, *names: str) -> bool:
        return any(name in names for name, _value in self.options)

    def values(self, *names: str) -> list[Argument]:
        return [value for name, value in self.options if name in names and value is not None]

    @property
    def sends_printed(self) -> bool:
        """Whether one of its words has in it what a command printed: of what goes to another host it may be a file."""
        return any(each.printed for each in (*self.operands, *(value for _name, value in self.options if value)))

    @property
    def has_control(self) -> bool:
        """Whether one of its words has a control character: in another protocol it ends a line."""
        words = (*self.operands, *(value for _name, value in self.options if value))
        return any(CONTROL.search(piece) for each in words for piece in each.pieces if piece)

    @property
    def texts(self) -> list[str | None]:
        return [each.text for each in self.operands]


class Option(Struct, frozen=True):
    """What a table says of one option."""

    name: str
    role: str = ""
    """Of its value; "" where it has none."""
    attached: bool = False
    """Whether its value stands in the same word, or is none."""
    verdict: Verdict = "read"


class Spec(Struct, frozen=True, kw_only=True):
    """What of a program only reads."""

    reads: str = ""
    """Options with which it reads."""
    follows: str = ""
    """Options with which it prints until it is stopped."""
    interactive: str = ""
    """Options with which it wants a terminal."""
    operands: str = ""
    """Roles, in order."""
    subs: Mapping[str, Spec] = {}
    """By the first operand, which is no option of this level."""
    inherits: bool = False
    """Whether the options of this level may also stand behind a sub-command."""
    needs: str = ""
    """Of these options one is given; else it is ``otherwise``."""
    otherwise: Verdict = "change"
    alone: Verdict = "read"
    """What it is without any of its sub-commands."""
    verdict: Verdict = "read"
    """What it is with nothing but what reads."""
    single: bool = False
    """Long options have one dash, so that ``-abc`` is no ``-a -b -c``; as Go's flags do, ``-name=value`` is one."""
    apart: bool = False
    """Whether values of short options stand in a word of their own: no letter before or behind such an option."""
    permutes: bool = True
    """Whether options may also stand behind operands."""
    ends: bool = True
    """Whether ``--`` ends its options."""
    counted: bool = False
    """Whether ``-20`` is an option."""
    harmless: bool = False
    """Whether no words at all, whatever they are, make it change something."""
    runs: int = -1
    """The operand at which the command begins that it runs."""
    check: Callable[[Call, Context], Verdict] | None = None
    """Looks at what has been taken apart, and says what it is."""
    own: Callable[[Sequence[Argument], Context], Verdict] | None = None
    """Judges all words by itself, instead of all above: a language of its own."""


_WRITTEN = re.compile(r"(--?[A-Za-z0-9@?][A-Za-z0-9_.:@?+-]*|-[#+$%])(?:(\[?)=([^\s]+))?")


@cache
def options(spec_text: str, verdict: Verdict = "read") -> dict[str, Option]:
    """The options of a table, by name."""
    found: dict[str, Option] = {}
    for written in spec_text.split():
        each = _WRITTEN.fullmatch(written)
        if each is None:
            raise ValueError(f"{written!r} is no option")
        role = each[3] or ""
        found[each[1]] = Option(each[1], role[:-1] if each[2] else role, bool(each[2]), verdict)
    return found


def all_options(spec: Spec) -> dict[str, Option]:
    """Of one level."""
    return {
        **options(spec.reads),
        **options(spec.follows, "follow"),
        **options(spec.interactive, "interactive"),
    }
