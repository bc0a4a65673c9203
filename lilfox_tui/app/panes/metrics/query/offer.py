"""The list below the line of a query: completions at the cursor, or earlier queries. Plain state and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from lilfox_tui.app.panes.metrics.query.history import QueryHistory
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row, fit_row, in_sight, row_width
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, clean, fit, in_place
from lilfox_tui.promql.completion import AGGREGATIONS, WORDS, Candidate, Completion, KnownNames, complete
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.lexer import tokens

SHOWN: Final = 8
"""Rows of the list at most, its edges not counted."""
_WIDEST: Final = 96
_WIDEST_NAME: Final = 48
_ROLES: Final = {"metric": "text", "function": "name", "aggregation": "name", "keyword": "keyword", "value": "string"}


_Mode: TypeAlias = Literal["closed", "typed", "asked", "history"]
"""Completions are offered for what is ``typed``, or because they were ``asked`` for."""


class QueryLine(NamedTuple):
    """A query being written, and the position of the cursor in it."""

    text: str
    cursor: int


class QueryOffer:
    """What is offered for a line, and which of it is marked; nothing is until an arrow key marks it, so that enter runs
    the query."""

    def __init__(self) -> None:
        self.known = KnownNames()
        self.marked: int | None = None
        self._line = QueryLine("", 0)
        self._found = Completion(0, 0)
        self._mode: _Mode = "closed"
        self._history = QueryHistory(None)
        """Whose queries are offered in the mode ``history``."""
        self._top = 0
        """The first choice that is seen."""

    @property
    def choices(self) -> Sequence[Candidate]:
        """What can be taken; empty while the list is closed."""
        return self._found.choices

    @property
    def start(self) -> int:
        """The position in the line of what would be replaced."""
        return self._found.start

    @property
    def wants(self) -> tuple[str, str] | None:
        """The metric and the label whose names are needed and not known."""
        return self._found.wants

    def update(self, line: QueryLine) -> None:
        """Offers completions for a line that has changed. A list that was closed for this line stays closed."""
        if line == self._line:
            return
        if self._mode == "history":
            self.open_history(line, self._history)
        else:
            self._open(line, "typed", complete(line.text, line.cursor, self.known))

    def refresh(self, known: KnownNames) -> None:
        """Offers what is known by now; the list is not opened where it was closed on purpose."""
        self.known = known
        if self._mode in ("typed", "asked"):
            marked = None if self.marked is None else self.choices[self.marked].text
            self._found = complete(self._line.text, self._line.cursor, known, unasked=self._mode == "typed")
            self.marked = next((place for place, each in enumerate(self.choices) if each.text == marked), None)

    def browse(self, line: QueryLine) -> bool:
        """Offers all metrics where nothing is typed; returns whether there are any."""
        self._open(line, "asked", complete(line.text, line.cursor, self.known, unasked=False))
        return bool(self.choices)

    def open_history(self, line: QueryLine, history: QueryHistory) -> None:
        """Offers the earlier queries that hold all words of the line in place of it, the first one marked, until one is
        taken or the list is closed."""
        queries = [each for each in history.matching(line.text) if each != line.text]
        candidates = tuple(Candidate(each, each, "keyword") for each in queries)
        self._open(line, "history", Completion(0, len(line.text), candidates))
        self._history, self.marked = history, 0 if queries else None

    def close(self, line: QueryLine) -> None:
        """Closes the list until the line is another one."""
        self._open(line, "closed", Completion(0, 0))

    def _open(self, line: QueryLine, mode: _Mode, found: Completion) -> None:
        self._line, self._mode, self._found, self.marked, self._top = line, mode, found, None, 0

    def move(self, step: int) -> bool:
        """Marks the choice ``step`` further down; returns whether the list is open. Above the first none is marked."""
        if not self.choices:
            return False
        at = (-1 if self.marked is None else self.marked) + step
        self.marked = None if at < 0 else min(at, len(self.choices) - 1)
        return True

    def click(self, row: int) -> bool:
        """Marks the choice in that row of the list; returns whether there is one."""
        row -= 1  # the upper edge
        place = self._top + row
        if not 0 <= row < SHOWN or place >= len(self.choices):
            return False
        self.marked = place
        return True

    def take(self) -> QueryLine:
        """The line with the marked choice in it, or with the first one; the list is closed, but for the values of a
        label that was taken."""
        chosen = self.choices[self.marked or 0]
        text, found = self._line.text, self._found
        line = QueryLine(text[: found.start] + chosen.insert + text[found.end :], found.start + len(chosen.insert))
        if chosen.kind == "label" and chosen.insert.endswith('"'):
            self._open(line, "typed", complete(line.text, line.cursor, self.known))
        else:
            self.close(line)
        return line

    # ---- drawing -------------------------------------------------------------------------------------------------

    def rows(self, width: int, height: int, glyphs: Glyphs) -> list[Row]:
        """The list in at most ``width`` cells and ``height`` rows in a frame; empty if it is closed. What tab takes is
        highlighted."""
        choices, room = self.choices, min(SHOWN, height - 2)
        if not choices or room < 1 or width < 8:
            return []
        top = self._top = in_sight(self._top, len(choices), room, self.marked)
        shown = choices[top : top + room]
        name_width = min(max(cell_width(in_place(each.text)) for each in shown), _WIDEST_NAME)
        rows = [self._row(each, name_width) for each in shown]
        inner = min(max(map(row_width, rows)), _WIDEST, width - 4)
        hint = self._hint(len(choices))
        inner = max(inner, min(cell_width(hint) + 2, width - 4))
        framed = [
            (
                Piece(glyphs.axis, "rule"),
                *_marked((Piece(" "), *fit_row(row, inner), Piece(" ")), top + place == (self.marked or 0)),
                Piece(glyphs.axis, "rule"),
            )
            for place, row in enumerate(rows)
        ]
        left, right = glyphs.boxes[6], glyphs.boxes[12]
        upper: Row = (Piece(left + glyphs.rule * (inner + 2) + right, "rule"),)
        return [upper, *framed, _edge(hint, inner + 2, glyphs)]

    def _row(self, each: Candidate, name_width: int) -> Row:
        if self._mode == "history":
            return tuple(query_pieces(clean(each.text)))
        name = Piece(fit(in_place(each.text), name_width), _ROLES.get(each.kind, "text"))
        kind = each.type or {"keyword": _("keyword"), "label": _("label"), "value": ""}.get(each.kind, "")
        return (name, Piece("  " + kind, "muted"), *((Piece("  " + each.help, "muted"),) if each.help else ()))

    def _hint(self, count: int) -> str:
        at = f"{1 if self.marked is None else self.marked + 1}/{count}  "
        return at + (_("tab takes it, esc closes") if self.marked is None else _("enter takes it, esc closes"))


def _marked(row: Row, is_marked: bool) -> Row:
    return tuple(Piece(piece.text, piece.role, "selection") for piece in row) if is_marked else row


def _edge(hint: str, inner: int, glyphs: Glyphs) -> Row:
    left, right = glyphs.boxes[3], glyphs.boxes[9]
    said = cut_row((Piece(f" {hint} ", "muted"),), inner)
    return (Piece(left, "rule"), *said, Piece(glyphs.rule * (inner - row_width(said)) + right, "rule"))


def query_pieces(text: str) -> list[Piece]:
    """A query in colours."""
    pieces: list[Piece] = []
    done = 0
    for token in tokens(text):
        if token.position > done:
            pieces.append(Piece(text[done : token.position], "muted" if "#" in text[done : token.position] else "text"))
        pieces.append(Piece(token.text, token_role(token.sort, token.text)))
        done = token.position + len(token.text)
    return [*pieces, Piece(text[done:], "muted")] if done < len(text) else pieces


def token_role(sort: str, text: str) -> str:
    """The colour role of a token of a query."""
    if sort == "word":
        known = text in FUNCTIONS or text in AGGREGATIONS
        return "keyword" if text.lower() in WORDS else "name" if known else "text"
    return {"string": "string", "number": "number", "wrong": "failing", "sign": "muted"}.get(sort, "text")
