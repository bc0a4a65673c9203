"""What commands printed, as rows: wrapped, with the lines that report an error in colour, and what failed first."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.app.panes.runbook.rows import STATE_ROLES, RunbookStyle, command_name, result_rows, state_mark
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.app.widgets import RowsOnDemand
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import break_line, clean
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.run.output import StoredOutput
from lilfox_tui.runbook.run.state import CommandResult, State, state_text

_MOST_OUTPUTS = 16
_LEAST_BELOW = 2
"""So many rows of an output stand below its head at least, where there is room for no more."""
_INDENT, _BELOW = " ", "   "
"""Before a line of an output, and before the rest of it on the next rows."""
_ERROR = re.compile(
    r"\b(?:error|fatal|panic|critical|fail(?:ed|ure)?|denied|refused|cannot|can't|could not|unable to|not found|"
    r"no such|timed out|traceback|exception|killed)\b|^\S+: line \d+: ",
    re.IGNORECASE,
)


class OutputOf(Struct, frozen=True):
    """The command whose output is shown. ``last``: it is the command that ran last, because the selected one has not
    started."""

    step: int
    command: Command
    last: bool

    @property
    def title(self) -> str:
        """Its step and name."""
        named = {"number": self.step + 1, "command": command_name(self.command)}
        if self.last:
            return _("previous command: step {number}: {command}", **named)
        return _("step {number}: {command}", **named)


class OutputView(NamedTuple):
    """Rows of an output: ``head`` stays above the others, of which ``top`` is the first one that is visible."""

    head: Sequence[Row]
    rows: Sequence[Row]
    top: int
    rest: int
    """The first visible row unless somebody scrolls: at the end or, of what failed, at the end of its errors."""
    last: int
    """The first visible row at the end."""


class _Lines(NamedTuple):
    """Lines of an output, and how they are wrapped: the line, and from where to where in it, of each row."""

    texts: Sequence[str]
    spans: Sequence[tuple[int, int, int]]


class _LineRow(NamedTuple):
    """A row of the output of a command that has ``failed`` or not."""

    lines: _Lines
    at: int
    failed: bool

    def row(self) -> Row:
        """Its pieces: of a command that failed, the lines that report an error stand out."""
        number, start, end = self.lines.spans[self.at]
        text = self.lines.texts[number]
        role = "failing" if self.failed and is_error(text) else "text"
        return (Piece(_BELOW if start else _INDENT), *_cut_out(coloured(text, role=role), start, end))


class Outputs:
    """Makes the rows of outputs, and caches the lines of what was shown."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[StoredOutput, _Lines]] = {}

    def view(
        self,
        results: Sequence[tuple[CommandResult, StoredOutput]],
        style: RunbookStyle,
        top: int | None,
        room: int,
    ) -> OutputView:
        """The rows of a command's output on its hosts in ``room`` rows. ``top`` is the first visible row below the
        head; None for where nobody scrolls."""
        if len(results) == 1:
            return self._of_one(*results[0], style, top, room)
        ended = all(result.state != "running" for result, _kept in results)
        ordered = sorted(results, key=lambda each: not _has_failed(each[0])) if ended else results
        room = max(1, room - 1)
        heads = [result_rows(result, style) for result, _kept in ordered]
        outputs = [self._lines(kept, style.width) for _result, kept in ordered]
        fits = sum(map(len, heads)) + sum(len(lines.spans) for lines in outputs) <= room
        rows: list[Row | _LineRow] = [] if fits else [row for head in heads for row in head]
        begins: list[int] = []
        whose: list[CommandResult] = []
        for (result, _kept), about, lines in zip(ordered, heads, outputs, strict=True):
            if lines.spans or fits:
                begins.append(len(rows))
                whose.append(result)
                rows += about if fits else about[:1]
                rows += [_LineRow(lines, at, _has_failed(result)) for at in range(len(lines.spans))]
        last = max(0, len(rows) - room)
        ends = [*begins[1:], len(rows)]
        rest = max(0, ends[0] - room) if ended and whose and _has_failed(whose[0]) else last
        first = rest if top is None else min(top, last)
        at = bisect_left(begins, first) - 1  # where its own row is in sight that says so
        head = result_rows(whose[at], style)[0] if at >= 0 else _counted([each for each, _kept in results], style)

        def make(index: int) -> Row:
            row = rows[index]
            return row.row() if isinstance(row, _LineRow) else row

        return OutputView([head], RowsOnDemand((), len(rows), make), first, rest, last)

    def _of_one(
        self, result: CommandResult, kept: StoredOutput, style: RunbookStyle, top: int | None, room: int
    ) -> OutputView:
        lines, failed = self._lines(kept, style.width), _has_failed(result)
        head = result_rows(result, style)[: max(1, room - _LEAST_BELOW)]
        rows = RowsOnDemand((), len(lines.spans), lambda at: _LineRow(lines, at, failed).row())
        last = max(0, len(rows) - max(1, room - len(head)))
        return OutputView(head, rows, last if top is None else min(top, last), last, last)

    def _lines(self, kept: StoredOutput, width: int) -> _Lines:
        key = id(kept), width
        found = self._known.get(key)
        if found is None or found[0] is not kept:
            if len(self._known) > _MOST_OUTPUTS:
                self._known.clear()
            texts = output_lines(kept)
            found = self._known[key] = kept, _Lines(texts, wrap(texts, width))
        return found[1]


def output_lines(kept: StoredOutput) -> list[str]:
    """The output line by line, as text that can be shown, with a note where some is left out."""
    lines = kept.head.splitlines()
    if kept.left_out_bytes:
        lines.append(_("… {count} bytes omitted …", count=kept.left_out_bytes))
    lines += kept.tail.splitlines()
    return [line if line.isprintable() else clean(line.replace("\t", "    ")) for line in lines]


def wrap(texts: Sequence[str], width: int) -> list[tuple[int, int, int]]:
    """How lines stand in rows of ``width`` cells: for each row its line, and from where to where in it. Each line has
    at least one row."""
    spans: list[tuple[int, int, int]] = []
    first, below = max(2, width - len(_INDENT)), max(2, width - len(_BELOW))
    for number, text in enumerate(texts):
        if len(text) <= first and (text.isascii() or 2 * len(text) <= first):
            spans.append((number, 0, len(text)))
            continue
        at, room = 0, first
        while True:
            part = text[at : at + 2 * room]  # not all of the rest: a line may have hundreds of KB
            line, rest = break_line(part, room)
            spans.append((number, at, at + len(line)))
            at, room = at + len(part) - len(rest), below
            if at >= len(text):
                break
    return spans


def is_error(line: str) -> bool:
    """Whether a line of an output reports an error. A command's stdout and stderr are one stream, in the order in which
    they were written; so the text decides."""
    return _ERROR.search(line) is not None


def _has_failed(result: CommandResult) -> bool:
    return result.state in ("failed", "unknown")


def _cut_out(pieces: Sequence[Piece], start: int, end: int) -> list[Piece]:
    """What stands from ``start`` to ``end`` in the pieces."""
    made: list[Piece] = []
    at = 0
    for piece in pieces:
        if text := piece.text[max(0, start - at) : max(0, end - at)]:
            made.append(Piece(text, piece.role, piece.ground))
        at += len(piece.text)
    return made


def _counted(results: Sequence[CommandResult], style: RunbookStyle) -> Row:
    """The number of hosts in each state."""
    counts: Counter[State] = Counter(result.state for result in results)
    pieces = [Piece(" ")]
    for state, count in counts.items():
        pieces += [state_mark(state, style.glyphs), Piece(f" {count} {state_text(state)}  ", STATE_ROLES[state])]
    return tuple(pieces)
