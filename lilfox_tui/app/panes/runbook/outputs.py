"""What commands printed, as rows: wrapped, with the lines that report an error in colour, and what failed first."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.app.panes.runbook.rows import (
    STATE_ROLES,
    RunbookStyle,
    command_name,
    exit_text,
    result_rows,
    state_mark,
    step_of,
)
from lilfox_tui.app.rendering.columns import slice_row, wrap_spans
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.app.rendering.panels import cut_row
from lilfox_tui.app.run_log import RunLog
from lilfox_tui.app.widgets import RowsOnDemand
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import clean
from lilfox_tui.runbook.model import Command, Step
from lilfox_tui.runbook.run.output import StoredOutput
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.state import CommandResult, State, state_text

_MOST_OUTPUTS = 16
_OUTPUTS = 8
"""Outputs of a run that are shown at most, one a host: as many as are held."""
_LEAST_BELOW = 2
"""So many rows of an output stand below its head at least, where there is room for no more."""
_ERRORS_FIRST = 3
"""Lines that report an error and stand above the end of an output that has none."""
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
    """Its place in the runbook."""
    of: Step
    command: Command
    last: bool

    @property
    def title(self) -> str:
        """Its step, and its name where the step has several of its kind."""
        attributes = self.command.attributes
        main = [each for each in self.of.commands if not each.attributes.check and not each.attributes.rollback_of]
        words = {"step": step_of(self.step, self.command), "title": self.of.title}
        if not self.of.title or (len(main) > 1 and not attributes.check and not attributes.rollback_of):
            words["title"] = command_name(self.command)
        if self.last:
            return _("previous: {step}: {title}", **words)
        return _("{step}: {title}", **words)


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


class _Section(Struct, frozen=True):
    """The output of a command on a host below its ``head``; ``result`` is None for the summary of all hosts."""

    result: CommandResult | None
    head: Sequence[Row]
    lines: _Lines = _Lines((), ())

    def __len__(self) -> int:
        return len(self.head) + len(self.lines.spans)

    def row(self, at: int) -> Row:
        """Its row ``at``; of a command that failed, the lines that report an error stand out."""
        if at < len(self.head):
            return self.head[at]
        number, start, end = self.lines.spans[at - len(self.head)]
        text = self.lines.texts[number]
        failed = self.result is not None and _has_failed(self.result)
        role = "failing" if failed and is_error(text) else "text"
        return (Piece(_BELOW if start else _INDENT), *slice_row(coloured(text, role=role), start, end))


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
        sections = self._sections(ordered, style, room)
        starts = [0, *accumulate(map(len, sections))]
        last = max(0, starts[-1] - room)
        first_end = next((end for each, end in zip(sections, starts[1:], strict=True) if each.result), 0)
        rest = max(0, first_end - room) if ended and _has_failed(ordered[0][0]) else last
        first = rest if top is None else min(top, last)
        seen = sections[bisect_left(starts, first) - 1] if first > 0 else None  # None: its own row is in sight
        if seen is not None and seen.result is not None:
            head = _host_row(seen.result, style)
        else:
            head = _counted([each for each, _kept in results], style)

        def make(index: int) -> Row:
            place = bisect_right(starts, index) - 1
            return sections[place].row(index - starts[place])

        return OutputView([head], RowsOnDemand((), starts[-1], make), first, rest, last)

    def _sections(
        self, results: Sequence[tuple[CommandResult, StoredOutput]], style: RunbookStyle, room: int
    ) -> list[_Section]:
        """The outputs below each other; where they do not all fit, below a summary of all hosts."""
        heads = [result_rows(result, style) for result, _kept in results]
        outputs = [self._lines(kept, style.width) for _result, kept in results]
        if sum(map(len, heads)) + sum(len(lines.spans) for lines in outputs) <= room:
            return [_Section(each[0], head, lines) for each, head, lines in zip(results, heads, outputs, strict=True)]
        summary = _Section(None, [row for head in heads for row in head])
        return [
            summary,
            *(
                _Section(result, [_host_row(result, style)], lines)
                for (result, _kept), lines in zip(results, outputs, strict=True)
                if lines.spans
            ),
        ]

    def _of_one(
        self, result: CommandResult, kept: StoredOutput, style: RunbookStyle, top: int | None, room: int
    ) -> OutputView:
        lines = self._lines(kept, style.width)
        head = result_rows(result, style)
        if _has_failed(result):
            head = [*head, *_hidden_errors(lines, style, max(1, room - len(head)))]
        head = head[: max(1, room - _LEAST_BELOW)]
        rows = RowsOnDemand((), len(lines.spans), _Section(result, (), lines).row)
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

    def earlier(
        self, before: Iterable[tuple[str, Sequence[tuple[CommandResult, StoredOutput]]]], style: RunbookStyle, room: int
    ) -> list[Row]:
        """What stands in the rows that an output leaves free: the outputs of the commands before it, the latest first,
        each below its title. One that does not fit is shown from its end."""
        rows: list[Row] = []
        for title, results in before:
            left = room - len(rows) - 2
            if left < _LEAST_BELOW:
                break
            body: list[Row] = []
            for result, kept in results:
                head, lines = result_rows(result, style), self._lines(kept, style.width)
                section = _Section(result, (), lines)
                last = max(1, left - len(head))
                body += [*head, *(section.row(at) for at in range(max(0, len(lines.spans) - last), len(lines.spans)))]
            rows += [BLANK, (Piece(f" {title}", "muted"),), *body[:left]]
        return rows


def earlier_outputs(
    shown: Sequence[CommandResult], log: RunLog, reducer: RunReducer
) -> Iterator[tuple[str, list[tuple[CommandResult, StoredOutput]]]]:
    """The outputs of the commands of a run that began before the ``shown`` one, the latest first, each with its title;
    read only as far as they are taken."""
    steps = () if log.state is None else log.state.steps
    begun = [command.results for step in steps for command in step.commands if command.results]
    before = [each for each in begun if each[-1].began < shown[-1].began]
    count = len(shown)
    for results in sorted(before, key=lambda each: each[-1].began, reverse=True):
        count += len(results)
        place = reducer.place(results[0].run)
        if count > _OUTPUTS or place is None:
            return
        step = reducer.runbook.steps[place[0].step]
        title = OutputOf(place[0].step, step, place[1], last=False).title
        yield title, [(each, log.kept(each)) for each in results]


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
    first, below = max(2, width - len(_INDENT)), max(2, width - len(_BELOW))
    return [(number, start, end) for number, text in enumerate(texts) for start, end in wrap_spans(text, first, below)]


def is_error(line: str) -> bool:
    """Whether a line of an output reports an error. A command's stdout and stderr are one stream, in the order in which
    they were written; so the text decides."""
    return _ERROR.search(line) is not None


def _hidden_errors(lines: _Lines, style: RunbookStyle, room: int) -> list[Row]:
    """The last lines that report an error, each with its number, where none is among the rows at the end of the output:
    a command may print much after what went wrong."""
    shown = lines.spans[max(0, len(lines.spans) - max(1, room - _ERRORS_FIRST)) :]
    if not shown or any(is_error(lines.texts[number]) for number in {number for number, _start, _end in shown}):
        return []
    found = [number for number in range(shown[0][0]) if is_error(lines.texts[number])][-_ERRORS_FIRST:]
    rows: list[Row] = []
    for number in found:
        line = _("line {line}", line=number + 1)
        rows.append((Piece(f"   {line}  ", "muted"), Piece(lines.texts[number], "failing")))
    return [cut_row(row, style.width - 1) for row in rows]


def _has_failed(result: CommandResult) -> bool:
    return result.state in ("failed", "unknown")


def _host_row(result: CommandResult, style: RunbookStyle) -> Row:
    """A host, and how the command ended there."""
    role = STATE_ROLES[result.state]
    status = result.exit_status if _has_failed(result) else None
    said = () if status is None else (Piece(f" {style.glyphs.separator} {exit_text(status)}", role),)
    mark, host = state_mark(result.state, style.glyphs), Piece(result.host, "accent")
    return (Piece(" "), mark, Piece(" "), host, Piece(f"  {state_text(result.state)}", role), *said)


def _counted(results: Sequence[CommandResult], style: RunbookStyle) -> Row:
    """The number of hosts in each state."""
    counts: Counter[State] = Counter(result.state for result in results)
    pieces = [Piece(" ")]
    for state, count in counts.items():
        pieces += [state_mark(state, style.glyphs), Piece(f" {count} {state_text(state)}  ", STATE_ROLES[state])]
    return tuple(pieces)
