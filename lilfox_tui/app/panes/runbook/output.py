"""What commands printed, in the Runbook pane: under a head that stays and says of which command and host it is, and how
that ended."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from lilfox_tui.app.panes.runbook.rows import (
    STATE_ROLES,
    RunbookStyle,
    command_name,
    output_lines,
    output_row,
    result_rows,
    state_mark,
)
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.widgets.lines import RowsOnDemand
from lilfox_tui.i18n import _
from lilfox_tui.runbook.model import Command
from lilfox_tui.runbook.run.output import StoredOutput
from lilfox_tui.runbook.run.state import CommandResult, State, state_text
from lilfox_tui.text import cell_width, fit

_MOST_OUTPUTS = 16
_LEAST_BELOW = 2
"""So many rows of an output stand below its head at least, where there is room for no more."""


class Of(Struct, frozen=True):
    """The command that printed it. ``last``: it is not the one above, which has not begun, but ran before it."""

    step: int
    command: Command
    last: bool


class Outputs:
    """Makes the rows, and remembers the lines of what was shown."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[StoredOutput, Sequence[str]]] = {}

    def rows(
        self,
        of: Of,
        results: Sequence[tuple[CommandResult, StoredOutput]],
        style: RunbookStyle,
        top: int | None,
        room: int,
    ) -> tuple[Sequence[Row], int]:
        """All rows, and how many at their front stay. ``top`` is the first of the others that is in sight, None for the
        end; ``room`` is how many rows are."""
        rule = _rule(of, style)
        if len(results) == 1:
            result, kept = results[0]
            head = [rule, *result_rows(result, style)]
            lines = self._lines(kept)
            sticky = max(1, min(len(head), room - _LEAST_BELOW))
            return RowsOnDemand(head, len(lines), lambda at: output_row(lines[at])), sticky
        summary = [row for result, _kept in results for row in result_rows(result, style)]
        parts: list[str | CommandResult] = []
        begins: list[int] = []
        for result, kept in results:
            if lines := self._lines(kept):
                begins.append(len(parts))
                parts += [result, *lines]
        sticky = max(1, min(2, room - _LEAST_BELOW))
        end = max(0, len(summary) + len(parts) - (room - sticky))
        first = (end if top is None else min(top, end)) - len(summary)
        at = bisect_left(begins, first) - 1  # where its own row is in sight that says so
        whose = parts[begins[at]] if at >= 0 else None
        now = (
            _host_row(whose, style)
            if isinstance(whose, CommandResult)
            else _counted([each for each, _kept in results], style)
        )

        def make(index: int) -> Row:
            part = parts[index]
            return output_row(part) if isinstance(part, str) else _host_row(part, style)

        return RowsOnDemand([rule, now, *summary] if sticky > 1 else [rule, *summary], len(parts), make), sticky

    def _lines(self, kept: StoredOutput) -> Sequence[str]:
        found = self._known.get(id(kept))
        if found is None or found[0] is not kept:
            if len(self._known) > _MOST_OUTPUTS:
                self._known.clear()
            found = self._known[id(kept)] = kept, output_lines(kept)
        return found[1]


def _rule(of: Of, style: RunbookStyle) -> Row:
    """A line across, with the command's step and name."""
    rule = style.glyphs.rule
    named = {"number": of.step + 1, "command": command_name(of.command)}
    text = _("ran last: step {number}: {command}", **named) if of.last else _("step {number}: {command}", **named)
    text = fit(text, min(cell_width(text), max(4, style.width - 6)))
    rest = max(0, style.width - 4 - cell_width(text) - 1)
    return (
        Piece(f"{rule * 2} ", "muted"),
        Piece(text, "muted" if of.last else "strong"),
        Piece(f" {rule * rest}", "muted"),
    )


def _host_row(result: CommandResult, style: RunbookStyle) -> Row:
    return (
        Piece(" "),
        state_mark(result.state, style.glyphs),
        Piece(" "),
        Piece(result.host, "accent"),
        Piece(f"  {state_text(result.state)}", STATE_ROLES[result.state]),
    )


def _counted(results: Sequence[CommandResult], style: RunbookStyle) -> Row:
    """How many hosts are in which state."""
    counts: Counter[State] = Counter(result.state for result in results)
    pieces = [Piece(" ")]
    for state, count in counts.items():
        pieces += [state_mark(state, style.glyphs), Piece(f" {count} {state_text(state)}  ", STATE_ROLES[state])]
    return tuple(pieces)
