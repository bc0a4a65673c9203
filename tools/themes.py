"""What eyes make of the colours of a theme: contrast, and distances for colour-blind people too.

``python -m tools.themes`` prints the smallest figures of each theme as a table; ``tests/unit/config/test_themes.py``
holds their limits.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import NamedTuple

from msgspec.structs import replace

from lilfox_tui.config.colours import contrast as contrast_of
from lilfox_tui.config.colours import in_256, linear, triplet
from lilfox_tui.config.themes import GROUNDS, SERIES, SYNTAX, Theme, load_theme, theme_names

HIGH_TEXT_CONTRAST, HIGH_GRAPHIC_CONTRAST = 7.0, 4.5
"""Of the themes of high contrast: text as in WCAG 2.1, 1.4.6 (AAA), and graphics as text is elsewhere."""
BORDER_CONTRAST = 1.5
"""Of borders, which only divide: titles and blanks do so too."""
SERIES_DISTANCE = 15.0
"""CIEDE2000 between two series of a chart, as each kind of eyes sees them."""
SERIES_DISTANCE_IN_256 = 11.0
"""The same where a terminal has 256 colours."""
LEVEL_DISTANCE = 12.0
"""The same between the levels; in the themes for colour-blind people as each kind of eyes sees them."""
TEXTS = ("text", "muted", "accent", "good", "degraded", "failing", "unknown", *SYNTAX)
GRAPHICS = ("chart", *SERIES)
LEVELS = ("good", "degraded", "failing")

SEEN_BY: Mapping[str, tuple[tuple[float, float, float], ...]] = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopes": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopes": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopes": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
"""What eyes make of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1."""

_HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_NAMES = ("default", "background", *_HUES, *(f"bright_{hue}" for hue in _HUES))
_XTERM = (
    "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff"
)
_GNOME = (
    "171421 c01c28 26a269 a2734c 12488b a347ba 2aa1b3 d0cfcc 5e5c64 f66151 33d17a e9ad0c 2a7bde c061cb 33c7de ffffff"
)
_SOLARIZED = (
    "073642 dc322f 859900 b58900 268bd2 d33682 2aa198 eee8d5 002b36 cb4b16 586e75 657b83 839496 6c71c4 93a1a1 fdf6e3"
)
TERMINALS = {
    name: dict(zip(_NAMES, (f"#{colour}" for colour in colours.split()), strict=True))
    for name, colours in {
        "Linux console": "aaaaaa 000000 000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa "
        "555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
        "xterm, dark": f"e5e5e5 000000 {_XTERM}",
        "xterm, light": f"000000 ffffff {_XTERM}",
        "Windows Terminal": "cccccc 0c0c0c 0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc "
        "767676 e74856 16c60c f9f1a5 3b78ff b4009e 61d6d6 f2f2f2",
        "GNOME, dark": f"d0cfcc 171421 {_GNOME}",
        "GNOME, light": f"171421 ffffff {_GNOME}",
        "Solarized, dark": f"839496 002b36 {_SOLARIZED}",
        "Solarized, light": f"657b83 fdf6e3 {_SOLARIZED}",
    }.items()
}
"""What terminals make of the names of their 16 colours, unless their user has chosen others."""

Lab = tuple[float, float, float]


def contrast(one: str, other: str) -> float:
    """The contrast of two ``#rrggbb`` colours, 1 to 21 (WCAG 2.1)."""
    return contrast_of(triplet(one), triplet(other))


def lab(colour: str, seen_by: str = "all cones") -> Lab:
    """The CIE L*a*b* (D65) of ``#rrggbb`` as those eyes see it."""
    light = [linear(part) for part in triplet(colour)]
    seen = (sum(share * part for share, part in zip(row, light, strict=True)) for row in SEEN_BY[seen_by])
    red, green, blue = (min(1.0, max(0.0, part)) for part in seen)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116 for value in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def difference(one: Lab, other: Lab) -> float:
    """CIEDE2000 between two colours: 1 can just be seen side by side (Sharma, Wu and Dalal 2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * math.sqrt(mean**7 / (mean**7 + 25.0**7))
    c1, c2 = math.hypot(stretch * a1, b1), math.hypot(stretch * a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, stretch * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180 or 0.0
    if turn == -180:
        turn = 180.0
    hue = h1 + h2 if c1 * c2 == 0 else h1 + turn / 2
    dl, dc, dh = l2 - l1, c2 - c1, 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2))
    middle, chroma = ((l1 + l2) / 2 - 50) ** 2, (c1 + c2) / 2
    weight = (
        1
        - 0.17 * math.cos(math.radians(hue - 30))
        + 0.24 * math.cos(math.radians(2 * hue))
        + 0.32 * math.cos(math.radians(3 * hue + 6))
        - 0.20 * math.cos(math.radians(4 * hue - 63))
    )
    sl, sc, sh = 1 + 0.015 * middle / math.sqrt(20 + middle), 1 + 0.045 * chroma, 1 + 0.015 * chroma * weight
    bend = math.exp(-((((hue % 360) - 275) / 25) ** 2))
    rotation = -2 * math.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * math.sin(math.radians(60 * bend))
    return math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + rotation * (dc / sc) * (dh / sh))


class Figure(NamedTuple):
    """A measured value, and what it was measured between."""

    value: float
    what: str


def text_contrasts(theme: Theme) -> Iterator[Figure]:
    """The contrast of each text role on each ground, and of a search hit, which is the background on the accent."""
    for ink, ground in product(TEXTS, GROUNDS):
        yield Figure(contrast(theme.colours[ink], theme.colours[ground]), f"{ink} on {ground}")
    yield Figure(contrast(theme.colours["background"], theme.colours["accent"]), "search hit")


def graphic_contrasts(theme: Theme) -> Iterator[Figure]:
    """The contrast of each series on the grounds that charts stand on."""
    for ink, ground in product(GRAPHICS, ("background", "selection")):
        yield Figure(contrast(theme.colours[ink], theme.colours[ground]), f"{ink} on {ground}")


def distances(theme: Theme, roles: Iterable[str], eyes: Iterable[str] = tuple(SEEN_BY)) -> Iterator[Figure]:
    """The distance of each two of ``roles``, as each of ``eyes`` (:data:`SEEN_BY`) sees them."""
    for seen_by, (one, other) in product(eyes, tuple(combinations(roles, 2))):
        apart = difference(lab(theme.colours[one], seen_by), lab(theme.colours[other], seen_by))
        yield Figure(apart, f"{one} and {other}, {seen_by}")


def on_terminal(theme: Theme, terminal: str) -> Theme:
    """A theme of names of colours, as one of :data:`TERMINALS` shows it where nothing is selected."""
    shown = TERMINALS[terminal]
    ground = dict.fromkeys(GROUNDS, shown["background"])
    return replace(theme, colours={role: shown[name] for role, name in theme.colours.items()} | ground)


def main() -> int:
    """Prints the smallest figures of each theme as Markdown tables."""
    _print_colours()
    print()
    _print_terminals()
    return 0


def _print_terminals() -> None:
    names = ("sixteen", "terminal")
    print(f"| terminal | {' | '.join(f'`{name}`: text | graphics' for name in names)} |")
    print("|---|---|---|---|---|")
    for terminal in TERMINALS:
        themes = [on_terminal(load_theme(name), terminal) for name in names]
        least = [min(figures(theme)) for theme in themes for figures in (text_contrasts, graphic_contrasts)]
        print(f"| {terminal} | {' | '.join(_told(each) for each in least)} |")


def _told(figure: Figure) -> str:
    return f"{figure.value:.1f} ({figure.what})" if figure.what else f"{figure.value:.1f}"


def _print_colours() -> None:
    print(
        "| theme | text | graphics | series apart | levels apart | border | text, 256 | graphics, 256 | series, 256 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for theme in map(load_theme, theme_names()):
        if theme.ansi:
            continue
        border = Figure(contrast(theme.colours["rule"], theme.colours["background"]), "")
        _sent, seen = in_256(theme)
        figures = [
            min(text_contrasts(theme)), min(graphic_contrasts(theme)), min(distances(theme, SERIES)),
            min(distances(theme, LEVELS)), border,
            min(text_contrasts(seen)), min(graphic_contrasts(seen)), min(distances(seen, SERIES)),
        ]  # fmt: skip
        print(f"| `{theme.name}` | {' | '.join(map(_told, figures))} |")


if __name__ == "__main__":
    sys.exit(main())
