"""The help page: what most people need first, the keys of the open pane by what they are for, then those of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from lilfox_tui.app.actions import Action, key_text
from lilfox_tui.app.rendering.columns import cells, wrap_spans, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, fit

TWO_COLUMNS = 96
"""Cells from which the page has two columns: those inside the border of a screen with 100."""
_GAP = 2
_MARGINS = 4
"""Cells before and behind a key."""
_NOT_IN_FOOTER = 99
_KEY_WIDTH = 6
"""Cells of the column of keys at least."""
_TITLE_WIDTH = 18
_BASICS = ("down", "up", "open", "back", "filter", "palette", "help", "quit")
_MOVES = "page-down"
"""An action whose task is to move."""


class HelpEntry(NamedTuple):
    """A key or symbol (with its role), its title, and what it does or means."""

    sign: str
    role: str
    title: str
    text: str

    def has(self, words: Sequence[str], heading: str) -> bool:
        """Whether all of ``words`` (lower case) are in it or in the heading above it."""
        text = f"{heading} {self.sign} {self.title} {self.text}".lower()
        return all(word in text for word in words)

    def row(self, sign_width: int, title_width: int) -> Row:
        """The row to be wrapped; what is wider than its column pushes the rest to the right."""
        sign = fit(self.sign, max(sign_width, cell_width(self.sign)))
        room = sign_width + title_width - cell_width(sign)
        title = fit(self.title, max(room, cell_width(self.title) + 1)) if self.title else ""
        return (Piece(f"  {sign}  ", self.role), Piece(title, "strong"), Piece(self.text))

    def narrow_lines(self, sign_width: int, width: int) -> list[Row]:
        """The lines in a column that is too narrow for one of titles: the text goes on below its title."""
        sign = f"  {fit(self.sign, max(sign_width, cell_width(self.sign)))}  "
        words = f"{self.title}  {self.text}" if self.title else self.text
        room = max(1, width - sign_width - _MARGINS)
        first, *more = (words[start:end].strip() for start, end in wrap_spans(words, room, room))
        if cell_width(sign) > sign_width + _MARGINS:  # a wide one: the text begins on the next line
            first, more = "", [first, *more]
        begins = first.startswith(self.title)
        title, text = (self.title, first[len(self.title) :]) if begins else ("", first)
        lines: list[Row] = [(Piece(sign, self.role), Piece(title, "strong"), Piece(text))]
        return [*lines, *((Piece(" " * (sign_width + _MARGINS)), Piece(each)) for each in more)]


class HelpSection(NamedTuple):
    """A heading and what is below it."""

    heading: str
    entries: tuple[HelpEntry, ...]


class HelpPage:
    """The actions of the open pane and those that work everywhere, each in one section. :meth:`add_elsewhere` adds
    those of the other panes."""

    def __init__(self, actions: Sequence[Action], glyphs: Glyphs) -> None:
        known = {each.id: each for each in actions}
        basics = [known.pop(name) for name in _BASICS if name in known]
        ordered = sorted(_by_task(known.values()).items(), key=lambda task: any(each.id == _MOVES for each in task[1]))
        self._here = [HelpSection(_("Basics"), tuple(map(_entry, basics)))]
        self._here += [HelpSection(task, _entries(those)) for task, those in ordered]
        self._elsewhere: list[HelpSection] = []
        self._symbols = HelpSection(_("Symbols"), _symbols(glyphs))

    def add_elsewhere(self, actions: Iterable[tuple[str, Action]]) -> None:
        """Adds the actions of other panes, each with the number and name of its pane."""
        panes: dict[str, list[Action]] = {}
        for pane, each in actions:
            panes.setdefault(pane, []).append(each)
        self._elsewhere = [
            HelpSection(f"{pane}: {task}", _entries(those))
            for pane, found in panes.items()
            for task, those in _by_task(found).items()
        ]

    def sections(self, words: str = "") -> list[HelpSection]:
        """The sections with the entries that have all of ``words``, in any case."""
        wanted = words.lower().split()
        found = []
        for each in (*self._here, *self._elsewhere, self._symbols):
            entries = tuple(entry for entry in each.entries if entry.has(wanted, each.heading))
            if entries:
                found.append(HelpSection(each.heading, entries))
        return found

    def lines(self, words: str, width: int) -> list[Row]:
        """The page in lines of ``width`` cells, in two columns if there is room: the next section is put below the
        shorter one."""
        sections = self.sections(words)
        if not sections:
            return [(Piece(" " + _("nothing matches"), "muted"),)]
        if width < TWO_COLUMNS or len(sections) == 1:
            return _joined([_lines(each, width) for each in sections])
        half = (width - _GAP) // 2
        columns: tuple[list[list[Row]], list[list[Row]]] = ([], [])
        for each in sections:
            shorter = min(columns, key=lambda column: sum(len(lines) + 1 for lines in column))
            shorter.append(_narrow_lines(each, half))
        return [
            _beside(left, right, half + _GAP) for left, right in zip_longest(*map(_joined, columns), fillvalue=BLANK)
        ]


def _by_task(actions: Iterable[Action]) -> dict[str, list[Action]]:
    found: dict[str, list[Action]] = {}
    for each in actions:
        found.setdefault("" if each.task is None else str(each.task), []).append(each)
    return found


def _lines(section: HelpSection, width: int) -> list[Row]:
    titles = max(cell_width(each.title) for each in section.entries)
    titles = min(titles + 2, _TITLE_WIDTH, width // 3) if titles else 0
    rows = [
        (Piece(" " + section.heading, "title"),),
        *(each.row(_sign_width(section, width), titles) for each in section.entries),
    ]
    return wrapped(rows, width)


def _narrow_lines(section: HelpSection, width: int) -> list[Row]:
    signs = _sign_width(section, width)
    rows: list[Row] = [(Piece(" " + section.heading, "title"),)]
    return [*rows, *(line for each in section.entries for line in each.narrow_lines(signs, width))]


def _sign_width(section: HelpSection, width: int) -> int:
    return max(_KEY_WIDTH, min(max(cell_width(each.sign) for each in section.entries), width // 5))


def _joined(parts: Sequence[list[Row]]) -> list[Row]:
    return [row for number, part in enumerate(parts) for row in ([BLANK, *part] if number else part)]


def _beside(left: Row, right: Row, at: int) -> Row:
    return (*left, Piece(" " * (at - cells(left))), *right) if right else left


def _entries(actions: Iterable[Action]) -> tuple[HelpEntry, ...]:
    return tuple(map(_entry, sorted(actions, key=lambda each: each.footer or _NOT_IN_FOOTER)))


def _entry(each: Action) -> HelpEntry:
    keys = " ".join(key_text(key) for key in each.keys[:3]) or f":{each.id}"
    return HelpEntry(keys, "key", str(each.title), str(each.help))


def _symbols(glyphs: Glyphs) -> tuple[HelpEntry, ...]:
    return tuple(
        HelpEntry(sign, role, "", meaning)
        for sign, role, meaning in (
            (glyphs.good, "good", _("good")),
            (glyphs.degraded, "degraded", _("degraded: a value is above its warning level, or stale")),
            (glyphs.failing, "failing", _("failing or unreachable")),
            (glyphs.unknown, "unknown", _("unknown: no data yet")),
            (
                glyphs.alert,
                "failing",
                _("firing alert; from rules: [FILE] or, without rules, from Prometheus and Alertmanager"),
            ),
        )
    )
