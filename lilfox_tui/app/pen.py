"""Text in the terminal's colours, in few bytes: between two runs only what differs is told (ECMA-48 8.3.117, SGR)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.style import Style

_ATTRIBUTES = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "blink": "5", "reverse": "7", "strike": "9"}


class _Codes(NamedTuple):
    """The parameters of SGR that a style stands for."""

    attributes: str
    ink: str
    ground: str


_PLAIN = _Codes("", "39", "49")


class Pen:
    """Writes runs of text one after another; begins and ends with the terminal's own colours."""

    def __init__(self, system: ColorSystem) -> None:
        self._system = system
        self._held = _PLAIN

    def write(self, text: str, style: Style | None) -> str:
        """``text`` with what the pen must be told before."""
        return self._take(_codes(style or Style.null(), self._system)) + text

    def lift(self) -> str:
        """What brings the terminal's own colours back."""
        return self._take(_PLAIN)

    def _take(self, wanted: _Codes) -> str:
        held, self._held = self._held, wanted
        if wanted == held:
            return ""
        if wanted == _PLAIN:
            return "\x1b[0m"
        if wanted.attributes != held.attributes:  # none of them can be told off alone by every terminal
            reset = "" if held == _PLAIN else "0"
            told = [reset, wanted.attributes, *(code for code in wanted[1:] if code not in _PLAIN)]
        else:
            told = [code for code, before in zip(wanted[1:], held[1:], strict=True) if code != before]
        return f"\x1b[{';'.join(code for code in told if code)}m"


@lru_cache(maxsize=1024)
def _codes(style: Style, system: ColorSystem) -> _Codes:
    attributes = ";".join(code for name, code in _ATTRIBUTES.items() if getattr(style, name))
    return _Codes(attributes, _colour(style.color, system, ink=True), _colour(style.bgcolor, system, ink=False))


def _colour(colour: Color | None, system: ColorSystem, *, ink: bool) -> str:
    if colour is None:
        return _PLAIN.ink if ink else _PLAIN.ground
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground=ink))
