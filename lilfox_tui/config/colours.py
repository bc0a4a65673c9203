"""What terminals make of the colours of a theme: its contrast, and its nearest colours where there are only 256.

A terminal that is reached through ssh mostly has 256 colours: ssh passes on TERM, but not COLORTERM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Literal, NamedTuple

from msgspec.structs import replace

from lilfox_tui.config.themes import GROUNDS, SERIES, Theme

TEXT_CONTRAST, GRAPHIC_CONTRAST = 4.5, 3.0
"""The least of text (WCAG 2.1, 1.4.3) and of graphics that carry a meaning (1.4.11)."""
ColourDepth = Literal[16, 256, 16777216]
TRUE_COLOUR: ColourDepth = 16777216
CONSOLES = ("linux", "dumb", "vt100", "vt102", "vt220", "ansi", "cons25")
"""Values of TERM of terminals with a black ground and few characters."""
_LEVELS = (0, 95, 135, 175, 215, 255)
"""Of a part of a colour in the cube of 6 x 6 x 6 colours."""
_GREYS = 24
_TINT = 32
"""Difference of the parts of a colour from which a grey cannot stand for it."""
_GRAPHICS = ("chart", *SERIES)
_DECORATION = ("rule",)

Triplet = tuple[int, int, int]


def colour_depth(environ: Mapping[str, str]) -> ColourDepth:
    """How many colours the terminal says that it has; the same rule as Rich's, which sends them."""
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return TRUE_COLOUR
    return 256 if environ.get("TERM", "").strip().lower().endswith(("-256color", "-kitty")) else 16


def triplet(colour: str) -> Triplet:
    """The parts of ``#rrggbb``, each from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


@lru_cache(maxsize=1024)
def luminance(colour: Triplet) -> float:
    """The relative luminance, 0 to 1 (WCAG 2.1)."""
    red, green, blue = map(linear, colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(part: int) -> float:
    """A part of a colour, 0 to 255, as the share of its light (sRGB, IEC 61966-2-1)."""
    share = part / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4


def contrast(one: Triplet, other: Triplet) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.1)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


class Shade(NamedTuple):
    """One of the 256 colours: what it looks like, and what Rich turns into its number. These differ for greys, which
    Rich rounds to others than the nearest."""

    seen: Triplet
    sent: Triplet


def _grey(place: int) -> Shade:
    """The grey at that place, from 1 to 24."""
    seen, sent = 8 + 10 * (place - 1), round(place * 255 / (_GREYS + 1))
    return Shade((seen, seen, seen), (sent, sent, sent))


def _is_grey(colour: Triplet) -> bool:
    return len(set(colour)) == 1 and colour[0] not in (0, 255)


def _neighbours(colour: Triplet) -> Iterator[Shade]:
    """The corners of the part of the cube in which a colour lies, and the greys near one that is almost grey."""
    around = [sorted(_LEVELS, key=lambda level, part=part: abs(level - part))[:2] for part in colour]  # type: ignore[misc]
    for red, green, blue in product(*around):
        if not _is_grey((red, green, blue)):
            yield Shade((red, green, blue), (red, green, blue))
    if max(colour) - min(colour) > _TINT:
        return
    middle = round((sum(colour) / 3 - 8) / 10) + 1
    for place in (middle - 1, middle, middle + 1):
        if 1 <= place <= _GREYS:
            yield _grey(place)


def _apart(one: Triplet, other: Triplet) -> float:
    """How far two colours are apart, weighed as eyes do."""
    return sum(weight * (a - b) ** 2 for weight, a, b in zip((0.30, 0.59, 0.11), one, other, strict=True))


def nearest(colour: Triplet, grounds: Sequence[Triplet] = (), least: float = 1.0) -> Shade:
    """The nearest of the 256 colours that has a contrast of ``least`` to each of ``grounds``, or that of the most."""

    def contrast_of(shade: Shade) -> float:
        return min((contrast(shade.seen, ground) for ground in grounds), default=21.0)

    shades = sorted(_neighbours(colour), key=lambda shade: _apart(shade.seen, colour))
    return next((shade for shade in shades if contrast_of(shade) >= least), max(shades, key=contrast_of))


def fitted(theme: Theme, depth: ColourDepth) -> Theme:
    """The theme as it is sent to a terminal of that depth. With 16 colours the selected row is reversed: its background
    would be that of the screen, or would hide text."""
    if depth == TRUE_COLOUR or theme.ansi:
        return theme
    if depth == 256:
        return in_256(theme)[0]
    background = theme.colours["background"]
    return replace(
        theme, selection_reversed=True, colours={**theme.colours, "bar": background, "selection": background}
    )


def in_256(theme: Theme) -> tuple[Theme, Theme]:
    """A theme of RGB colours in the 256, legible on their grounds: as it is sent through Rich, and as it is seen."""
    shades = {ground: nearest(triplet(theme.colours[ground])) for ground in GROUNDS}
    grounds = [shade.seen for shade in shades.values()]
    for role, colour in theme.colours.items():
        if role not in shades:
            least = GRAPHIC_CONTRAST if role in _GRAPHICS else 1.0 if role in _DECORATION else TEXT_CONTRAST
            shades[role] = nearest(triplet(colour), grounds, least)
    sent, seen = ({role: _hex(shade[place]) for role, shade in shades.items()} for place in (1, 0))
    return replace(theme, colours=sent), replace(theme, colours=seen)


def _hex(colour: Triplet) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
