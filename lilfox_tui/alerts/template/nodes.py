"""The tree of a template. ``str(node)`` is how Go's errors name a node (text/template/parse/node.go)."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from lilfox_tui.alerts.template.go_text import quote


class Dot(Struct, frozen=True):
    """``.``"""

    start: int

    def __str__(self) -> str:
        return "."


class Nil(Struct, frozen=True):
    """``nil``"""

    start: int

    def __str__(self) -> str:
        return "nil"


class Constant(Struct, frozen=True):
    """A text, a number (int, float, complex) or a truth value; ``text`` is how it is written."""

    start: int
    text: str
    value: str | int | float | complex | bool

    def __str__(self) -> str:
        return self.text


class Field(Struct, frozen=True):
    """``.a.b``"""

    start: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "." + ".".join(self.names)


class Variable(Struct, frozen=True):
    """``$x.a.b``; the first name is the variable's, with its dollar."""

    start: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.names)


class Identifier(Struct, frozen=True):
    """A function's name."""

    start: int
    name: str

    def __str__(self) -> str:
        return self.name


class Chain(Struct, frozen=True):
    """``(pipeline).a.b``"""

    start: int
    of: Operand
    names: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.of})" if isinstance(self.of, Pipeline) else str(self.of)
        return f"{inner}." + ".".join(self.names)


class Command(Struct, frozen=True):
    """Operands; the first may be a function and the others its arguments."""

    start: int
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" if isinstance(part, Pipeline) else str(part) for part in self.operands)


class Pipeline(Struct, frozen=True):
    """Commands, the value of each being the next one's last argument; the last one's goes into ``variables``."""

    start: int
    variables: tuple[Variable, ...]
    assigns: bool
    commands: tuple[Command, ...]

    def __str__(self) -> str:
        names = ", ".join(map(str, self.variables))
        before = f"{names} {'=' if self.assigns else ':='} " if names else ""
        return before + " | ".join(map(str, self.commands))


class Text(Struct, frozen=True):
    """What stands outside of actions."""

    start: int
    text: str

    def __str__(self) -> str:
        return quote(self.text)


class Action(Struct, frozen=True):
    """``{{pipeline}}``"""

    start: int
    pipeline: Pipeline

    def __str__(self) -> str:
        return f"{{{{{self.pipeline}}}}}"


class Branch(Struct, frozen=True):
    """``if``, ``with`` or ``range``."""

    start: int
    word: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{{{{{self.word} {self.pipeline}}}}}"


class Call(Struct, frozen=True):
    """``{{template "name" pipeline}}``"""

    start: int
    name: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        after = "" if self.pipeline is None else f" {self.pipeline}"
        return f"{{{{template {quote(self.name)}{after}}}}}"


class Leave(Struct, frozen=True):
    """``{{break}}`` or ``{{continue}}``"""

    start: int
    word: str

    def __str__(self) -> str:
        return f"{{{{{self.word}}}}}"


Operand: TypeAlias = Dot | Nil | Constant | Field | Variable | Identifier | Chain | Pipeline
Node: TypeAlias = Text | Action | Branch | Call | Leave
Anything: TypeAlias = Operand | Node | Command
