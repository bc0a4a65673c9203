"""The help page: what most people need first, the keys of the open pane by what they are for, then those of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

from lilfox_tui.app.actions import Action, key_text
from lilfox_tui.app.rendering.columns import cells, wrap_spans, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.core.text import brief, cell_width, fit

TWO_COLUMNS = 96
"""Cells from which the page has two columns: those inside the border of a screen with 100."""
_GAP = 2
_MARGINS = 4
"""Cells before and behind a key."""
_NOT_IN_FOOTER = 99
_KEY_WIDTH = 6
"""Cells of the column of keys at least."""
_SHORT_SIGN = 10
"""Cells of the keys on a line of their own."""
_TITLE_WIDTH = 18
_BASICS = ("down", "up", "open", "back", "filter", "selection", "palette", "help", "quit")
_MOVES, _PANES = "page-down", "pane-1"
"""Actions whose task is to move, and to go to a pane."""
_TOGETHER: Mapping[tuple[str, ...], Message] = {
    ("pane-1", "pane-2", "pane-3", "pane-4"): tr("Metrics, Logs, Backup, Runbook"),
    ("down", "up"): tr("next row, previous row"),
    ("page-down", "page-up"): tr("page down, page up"),
    ("first", "last"): tr("first row, last row"),
    ("next-match", "previous-match"): tr("next match, previous match"),
    ("earlier", "later", "now"): tr("step back in time, forward, to the present"),
    ("cursor-back", "cursor-forward"): tr("read the charts earlier, later"),
    ("error-before", "error-after"): tr("nearest older error, newer error"),
    ("bar-before", "bar-after"): tr("previous, next bar of the histogram"),
    ("level", "level-lower"): tr("hide lower levels, show them again"),
    ("left", "right"): tr("scroll long messages"),
    ("theme", "language"): tr("colours, language"),
    ("acknowledge", "unacknowledge"): tr("acknowledge the alert, withdraw that"),
}
"""Actions that are told on one line, and what they do."""


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
    those of the other panes. Without a filter a key has one line; with one the help is told in full. ``rows`` are those
    of the screen: blank rows between sections are left out where they would have to be scrolled."""

    def __init__(self, actions: Sequence[Action], glyphs: Glyphs, rows: int = 0) -> None:
        self._actions, self._rows = tuple(actions), rows
        basics, tasks = _divided(actions)
        self._here = [HelpSection(_("Basics"), tuple(map(_entry, basics)))]
        self._here += [HelpSection(task, _entries(those)) for task, those in _moves_last(tasks)]
        self._elsewhere: list[HelpSection] = []
        self._others: dict[str, list[Action]] = {}
        """The actions of each other pane that have keys."""
        self._symbols = HelpSection(_("Symbols"), _symbols(glyphs))

    def add_elsewhere(self, actions: Iterable[tuple[str, Action]]) -> None:
        """Adds the actions of other panes, each with the number and name of its pane."""
        panes: dict[str, list[Action]] = {}
        for pane, each in actions:
            panes.setdefault(pane, []).append(each)
        self._others = {pane: [each for each in found if each.keys] for pane, found in panes.items()}
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
        if not words.strip():
            return self._short_lines(width)
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
        return _in_columns(_joined(columns[0]), _joined(columns[1]), half)

    def _short_lines(self, width: int) -> list[Row]:
        """The keys of this pane, a line each; what has none is named below them; then those of the other panes."""
        columns = 2 if width >= TWO_COLUMNS else 1
        each_width = (width - _GAP) // 2 if columns == 2 else width
        parts = [
            [(Piece(" " + heading, "title"),), *_key_lines(actions, each_width)] for heading, actions in self._tasks()
        ]
        if unnamed := [(Piece(f"  :{each.title}", "key"),) for each in self._actions if not each.keys]:
            parts.append([(Piece(" " + _("Without a key: by name"), "title"),), *_filled(unnamed, each_width)])
        parts.append([(Piece(" " + self._symbols.heading, "title"),), *self._symbol_lines(each_width)])
        others = [row for part in self._other_parts(columns, each_width) for row in (BLANK, *part)]
        return [*self._own_lines(parts, columns, each_width), *others]

    def _own_lines(self, parts: list[list[Row]], columns: int, each_width: int) -> list[Row]:
        """The parts about this pane, in two columns if there is room."""
        if columns == 1:
            return _joined(parts)
        roomy = _even(parts, each_width, _joined)
        return roomy if len(roomy) <= self._rows else _even(parts, each_width, lambda those: [*chain(*those)])

    def _symbol_lines(self, width: int) -> list[Row]:
        """The symbols and what they mean, as many in a line as have room."""
        told = [(Piece(f"  {each.sign} ", each.role), Piece(brief(each.text, 0))) for each in self._symbols.entries]
        return _filled(told, width)

    def _other_parts(self, columns: int, width: int) -> Iterable[list[Row]]:
        """The keys of each other pane below its number and name."""
        for pane, actions in self._others.items():
            lines = _key_lines(sorted(actions, key=_rank), width)
            half = -(-len(lines) // columns)
            below = _in_columns(lines[:half], lines[half:], width) if columns > 1 else lines
            yield [(Piece(f" {pane}", "title"),), *below]

    def _tasks(self) -> list[tuple[str, list[Action]]]:
        """The actions that have keys by what they are for: the basics, what the pane does, what can be done everywhere,
        and how to move. What stands alone is put together."""
        basics, found = _divided(each for each in self._actions if each.keys)
        tasks = _pane_first(found)
        alone = [task for task, those in tasks.items() if len(those) == 1]
        if len(alone) > 1:
            tasks[_("More")] = [each for task in alone for each in tasks.pop(task)]
        return [(_("Basics"), basics), *((task, sorted(those, key=_rank)) for task, those in _moves_last(tasks))]


def _key_lines(actions: Sequence[Action], width: int) -> list[Row]:
    """A line for each key; those of :data:`_TOGETHER` share one."""
    known = {each.id: each for each in actions}
    rows: list[Row] = []
    room = width - _SHORT_SIGN - _MARGINS + 1
    for each in actions:
        if each.id not in known:
            continue
        names = next((names for names in _TOGETHER if each.id in names and all(name in known for name in names)), ())
        those = [known.pop(name) for name in names or (each.id,)]
        text = str(_TOGETHER[names]) if names else brief(str(each.help), room)
        sign = " ".join(one.key_text for one in those)
        row = (Piece(f"  {fit(sign, _SHORT_SIGN)} ", "key"), Piece(text))
        rows += wrapped([row], width)
    return rows


def _filled(told: Sequence[Row], width: int) -> list[Row]:
    """As many of them in a line as have room, each whole."""
    lines: list[Row] = [()]
    for each in told:
        if lines[-1] and cells((*lines[-1], *each)) > width:
            lines.append(())
        lines[-1] = (*lines[-1], *each)
    return lines


def _in_columns(left: Sequence[Row], right: Sequence[Row], width: int) -> list[Row]:
    return [_beside(one, other, width + _GAP) for one, other in zip_longest(left, right, fillvalue=BLANK)]


def _rank(each: Action) -> int:
    return each.footer or _NOT_IN_FOOTER


def _divided(actions: Iterable[Action]) -> tuple[list[Action], dict[str, list[Action]]]:
    """The basics, and the others by what they are for."""
    known = {each.id: each for each in actions}
    basics = [known.pop(name) for name in _BASICS if name in known]
    return basics, _by_task(known.values())


def _pane_first(tasks: Mapping[str, list[Action]]) -> dict[str, list[Action]]:
    """The tasks, first that of the pane which has the most keys in the footer."""
    names = list(tasks)
    until = next((at for at, name in enumerate(names) if any(each.id == _PANES for each in tasks[name])), len(names))
    first = max(names[:until], key=lambda name: sum(bool(each.footer) for each in tasks[name]), default="")
    return {name: tasks[name] for name in sorted(names, key=lambda name: name != first)}


def _moves_last(tasks: Mapping[str, list[Action]]) -> list[tuple[str, list[Action]]]:
    return sorted(tasks.items(), key=lambda task: any(each.id == _MOVES for each in task[1]))


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


def _even(parts: Sequence[list[Row]], width: int, join: Callable[[Sequence[list[Row]]], list[Row]]) -> list[Row]:
    """The parts in two columns of nearly the same height, in order."""
    columns = [(join(parts[:at]), join(parts[at:])) for at in range(1, len(parts))]
    return _in_columns(*min(columns, key=lambda pair: max(map(len, pair))), width)


def _joined(parts: Sequence[list[Row]]) -> list[Row]:
    return [row for number, part in enumerate(parts) for row in ([BLANK, *part] if number else part)]


def _beside(left: Row, right: Row, at: int) -> Row:
    return (*left, Piece(" " * (at - cells(left))), *right) if right else left


def _entries(actions: Iterable[Action]) -> tuple[HelpEntry, ...]:
    return tuple(map(_entry, sorted(actions, key=_rank)))


def _entry(each: Action) -> HelpEntry:
    keys = " ".join(key_text(key) for key in each.keys[:3]) or f":{each.title}"
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
