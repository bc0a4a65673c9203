"""Draw rows as styled pieces, with the glyphs that the terminal can show."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from lilfox_tui.config.colours import CONSOLES
from lilfox_tui.config.themes import Theme
from lilfox_tui.core.text import CUT, LatePattern, cell_width, clean
from lilfox_tui.metrics.model import Level


class Piece(NamedTuple):
    """A run of text (untrusted, raw) in one colour role of the theme. ``ground`` is a background of its own, such as
    ``selection``, ``match`` or ``cursor`` (of a chart), or the role of the part above a block that ends in its cell;
    empty for that of the line."""

    text: str
    role: str = "text"
    ground: str = ""


Row = tuple[Piece, ...]
"""One line of the screen. Rows are compared to find what has changed."""

BLANK: Row = ()


@lru_cache(maxsize=4096)
def safe(text: str, ascii_only: bool) -> str:
    """``text`` made safe to show here: cleaned, and with ``?`` for characters an ASCII terminal lacks.

    It stays as wide as it was: whoever laid out the row measured the text that came in.
    """
    text = clean(text)
    if not ascii_only or text.isascii():
        return text
    return "".join(char if char.isascii() else "?" * cell_width(char) for char in text.translate(_TO_ASCII))


_TO_ASCII = str.maketrans("…·–→≥≤µ×±‹›", "~-->><ux~[]")


_MATCH_IN_REVERSE = "match in reverse"
_COLOUR_OF = {"match": "background", _MATCH_IN_REVERSE: "background", "cursor": "selection"}
_ABOVE = frozenset(("degraded", "muted"))
"""Roles of parts above a block in the same cell."""
_GRAPH = LatePattern(r"(?=.*[^ ])[ \u2580-\u259f\u2800-\u28ff]+")
"""Blocks and braille: reversed, they would show what is empty as full."""


def joined(strips: Iterable[Strip], width: int = 0) -> Strip:
    """Parts of a line, drawn before, as one line of at least ``width`` cells."""
    line = Strip.join(strips)
    return line if line.cell_length >= width else line.extend_cell_length(width)


class Palette:
    """A theme's roles as terminal styles. Made again when the theme changes."""

    def __init__(self, theme: Theme, *, ascii_only: bool) -> None:
        self.theme = theme
        self.ascii_only = ascii_only
        self._styles: dict[tuple[str, str], Style] = {}

    def style(self, role: str, background: str = "background") -> Style:
        """The style of a role on one of the theme's backgrounds: ``background``, ``bar``, ``selection``, which is also
        that of ``cursor``, or ``match``, which is drawn as the accent colour reversed."""
        key = (role, background)
        style = self._styles.get(key)
        if style is None:
            style = self._styles[key] = self._made(role, background)
        return style

    def _made(self, role: str, background: str) -> Style:
        is_match = background in ("match", _MATCH_IN_REVERSE)
        by_shape = self.theme.selection_reversed
        is_reversed = background == "selection" and by_shape
        look = self.theme.look("accent" if is_match else role)
        if background in _ABOVE:  # reversed: of some themes, text is in the terminal's own colour, no ground can be
            above = self.theme.colours[self.theme.look(background).colour]
            return Style(color=above, bgcolor=self.theme.colours[look.colour], reverse=True)
        return Style(
            color=self.theme.colours["text" if is_reversed else look.colour],
            bgcolor=self.theme.colours[_COLOUR_OF.get(background, background)],
            bold=look.bold or (is_match and by_shape),
            underline=is_match and by_shape,
            reverse=background == "match" or is_reversed,
        )

    def _ground(self, piece: Piece, background: str) -> str:
        """The background of a piece on a line with that one. Where the selection is reversed, which is in the colour of
        plain text to be legible, a search hit in it is not, nor is a graph; the cursor of a chart is a line there."""
        ground = piece.ground or background
        if self.theme.selection_reversed:
            if ground == "match" and background == "selection":
                return _MATCH_IN_REVERSE
            if ground == "selection" and _GRAPH.fullmatch(piece.text):
                return "background"
        return ground

    def strip(self, pieces: Row, width: int, background: str = "background") -> Strip:
        """``pieces`` as a line of exactly ``width`` cells, in the fewest runs of one style that look the same."""
        runs: list[_Stretch] = []
        left = width
        for piece in pieces:
            if left <= 0:
                break
            text = safe(piece.text, self.ascii_only)
            if piece.ground == "cursor" and self.theme.selection_reversed:
                text = text.replace(" ", (ASCII if self.ascii_only else UNICODE).axis)
            size = cell_len(text)
            if size > left:
                text, size = cut(text, left, "~" if self.ascii_only else CUT), left
            _join(runs, piece.role, self._ground(piece, background), text)
            left -= size
        _join(runs, "text", background, " " * left)
        return Strip([Segment(run.text, self.style(run.role, run.ground)) for run in runs], width)


def cut(text: str, width: int, mark: str = CUT) -> str:
    """Return ``text`` cut to ``width`` cells, with ``mark`` at the end if more than spaces was cut off. It stands right
    behind a word, but at the edge where a column's blanks are cut: more is meant than that word."""
    kept = set_cell_size(text, width)
    if not text[len(kept) :].strip() or not kept.strip():
        return kept
    shown = set_cell_size(text, width - 1)
    if not shown.endswith("  "):
        shown = shown.rstrip(" ")
    return set_cell_size(shown + mark, width)


def side_by_side(*strips: Strip) -> Strip:
    """Parts of a line that palettes have drawn, as one."""
    return Strip.join(strips)


class _Stretch:
    """A run of text in one style, while it grows."""

    __slots__ = ("ground", "role", "text")

    def __init__(self, role: str, ground: str, text: str) -> None:
        self.role, self.ground, self.text = role, ground, text


def _join(runs: list[_Stretch], role: str, ground: str, text: str) -> None:
    """Adds ``text``; blanks look the same in every colour on one background, so they join their neighbour there."""
    if not text:
        return
    last = runs[-1] if runs and runs[-1].ground == ground else None
    if last is None:
        runs.append(_Stretch(role, ground, text))
    elif last.role == role or text.isspace():
        last.text += text
    elif last.text.isspace():
        last.role = role
        last.text += text
    else:
        runs.append(_Stretch(role, ground, text))


# The shapes that the screen is drawn with, and their ASCII stand-ins for terminals that have no others.


class Glyphs(Struct, frozen=True):
    """One set of symbols. ``bars`` and ``blocks`` go from empty to full."""

    good: str
    degraded: str
    failing: str
    unknown: str
    alert: str
    logo: str
    rule: str
    dash: str
    limit: str
    """A cell of a line that no curve is."""
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
    boxes: str
    """Border lines by the sum of the directions they go from a cell: 1 up, 2 right, 4 down, 8 left."""
    scroll: str
    """Cells of a scrollbar: what is seen, an error, and both."""
    stack: str
    """Cells of a bar where colours cannot tell its parts apart: errors, warnings, others."""
    markers: str
    """The points of the series of a chart, where colours or braille cannot tell them apart."""
    dots: bool = True
    """Whether charts are drawn in braille and their series told apart by colour."""
    ascii_only: bool = False

    def for_theme(self, theme: Theme) -> Glyphs:
        """The symbols for a theme: where its series differ by colour, charts are drawn in dots."""
        return replace(self, dots=not self.ascii_only and theme.tells_series_apart)

    @property
    def sorted(self) -> str:
        """The mark of the column by which a table is sorted."""
        return "v" if self.ascii_only else "▾"

    def level(self, level: Level) -> str:
        """The symbol of a level."""
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
    limit="╌",
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
    boxes=" │─└││┌├─┘─┴┐┤┬┼",
    scroll="┃╸┫",
    stack="█▓░",
    markers="●○◆◇■□",
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
    limit="-",
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
    boxes=" |-+||++-+-++++" + "+",
    scroll="#-%",
    stack="#+:",
    markers="*o+x#%",
    dots=False,
    ascii_only=True,
)


_COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
"""What Python sets LC_CTYPE to where the locale is C, whoever set that (PEP 538)."""
_STARTED_WITH = "/proc/self/environ"


def glyphs_for_terminal(environ: Mapping[str, str] | None = None, started_with: str = _STARTED_WITH) -> Glyphs:
    """The glyphs: ASCII for TERM=linux, vt100 and the like, and for locales whose encoding is not UTF-8; else
    Unicode. The locale is that which the process was started with; where there was none, the one that Python set."""
    env = os.environ if environ is None else environ
    term = env.get("TERM", "")
    if term in CONSOLES:
        return ASCII
    of_characters = env.get("LC_CTYPE") or ""
    if of_characters in _COERCED:
        of_characters = _first_of_characters(started_with) or env.get("LANG") or of_characters
    locale = env.get("LC_ALL") or of_characters or env.get("LANG") or "C"
    encoding = locale.partition("@")[0].rpartition(".")[2]  # LC_CTYPE may be nothing else: "UTF-8", from a Mac
    try:
        utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        utf8 = False
    return UNICODE if utf8 else ASCII


def _first_of_characters(started_with: str) -> str:
    """The LC_CTYPE that the process was started with; empty if it had none, or where that cannot be read."""
    try:
        said = Path(started_with).read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((each[9:].decode("ascii", "replace") for each in said if each.startswith(b"LC_CTYPE=")), "")
