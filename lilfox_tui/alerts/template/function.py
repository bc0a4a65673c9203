"""How a function of templates says what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

Type = Literal["string", "interface {}", "reflect.Value", "*template.sample", "template.queryResult"]


class Function(Struct, frozen=True):
    """A function: ``call(*arguments)`` gives the value, or raises ValueError with Go's words for what is wrong.

    ``takes`` are the types of its fixed parameters, ``rest`` that of any number of further ones.
    """

    call: Callable[..., Any]
    takes: tuple[Type, ...] = ()
    rest: Type | None = None
