"""The shapes that the screen is drawn with, and their ASCII stand-ins for terminals that have no others."""

from __future__ import annotations

import codecs
import os
from collections.abc import Mapping

from msgspec import Struct

from lilfox_tui.metrics.model import Level


class Glyphs(Struct, frozen=True):
    """One set of shapes. ``bars`` and ``blocks`` go from empty to full."""

    good: str
    degraded: str
    failing: str
    unknown: str
    alert: str
    logo: str
    rule: str
    dash: str
    bars: str
    axis: str
    corner: str
    back: str
    pause: str
    separator: str
    job: str
    full: str
    """A bar's two halves: done, and to be done."""
    empty: str
    chosen: str
    done: str
    """Of a step that has worked."""
    taken_back: str
    ascii_only: bool = False

    def level(self, level: Level) -> str:
        """The shape of a level."""
        shapes = {Level.GOOD: self.good, Level.DEGRADED: self.degraded, Level.FAILING: self.failing}
        return shapes.get(level, self.unknown)


UNICODE = Glyphs(
    good="●",
    degraded="◐",
    failing="✖",
    unknown="○",
    alert="▲",
    logo="▲",
    rule="─",
    dash="–",
    bars=" ▁▂▃▄▅▆▇█",
    axis="│",
    corner="└",
    back="◀",
    pause="‖",
    separator="·",
    job="↻",
    full="━",
    empty="─",
    chosen="▸",
    done="✔",
    taken_back="↩",
)
ASCII = Glyphs(
    good="*",
    degraded="~",
    failing="x",
    unknown="o",
    alert="!",
    logo="^",
    rule="-",
    dash="-",
    bars=" .:-=+*#@",
    axis="|",
    corner="+",
    back="<",
    pause="=",
    separator="-",
    job="@",
    full="#",
    empty=".",
    chosen=">",
    done="+",
    taken_back="<",
    ascii_only=True,
)


def glyphs_for_terminal(environ: Mapping[str, str] | None = None) -> Glyphs:
    """ASCII for TERM=linux, vt100 and the like, and where the locale's encoding is not UTF-8; else Unicode."""
    env = os.environ if environ is None else environ
    term = env.get("TERM", "")
    if term in ("linux", "dumb", "vt100", "vt102", "vt220", "ansi", "cons25"):
        return ASCII
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or "C"
    _, dot, encoding = locale.partition("@")[0].partition(".")
    try:
        utf8 = bool(dot) and codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        utf8 = False
    return UNICODE if utf8 else ASCII
