"""Where the parts of the Runbook pane are, on a screen of any size. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, LIST, STEPS
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.panels import PanelArea, ScreenPanel, bordered, cut_row, row_width

PartId = Literal["list", "document", "steps", "command", "output", "facts", "timeline", "entry"]
LOW = 14
"""Rows of the pane from which the timeline stands below the rest."""
BESIDE = 160
"""Width from which the page of the incident has two columns."""
_ENTRY, _ENTRY_FROM = 3, 16
"""Rows of the selected entry below the timeline at least, and rows of both from which it has a third of them also where
the timeline would need them."""
_STEPS = 30
_LIST = 28, 48
_BESIDE_LIST = 32
"""Cells that the list leaves to what stands beside it."""
_TIMELINE = 4
"""Lines of the timeline at least, where it stands below the rest."""
_OUTPUT = 60
"""Percent of the lines below the steps' side that the output has at least."""


class Wants(Struct, frozen=True):
    """What is to be shown. ``steps`` and ``titles`` are the cells of the longest step and runbook; ``command``,
    ``facts`` and ``timeline`` are rows, 0 for none; on the page of the incident the timeline's are wrapped."""

    column: int
    beside: int
    """How many columns stand side by side."""
    document: bool = False
    """The document of the selected runbook stands beside the list."""
    titles: int = 0
    steps: int = 0
    command: int = 0
    output: bool = False
    zoomed: bool = False
    facts: int = 0
    timeline: int = 0


def arrange_parts(width: int, height: int, wants: Wants) -> Mapping[PartId, PanelArea]:
    """The parts with their places. In borders these overlap by the border that they share; without, the area begins a
    cell left of and a line below the part's title, so that what is inside is the same."""
    if not bordered(width, height):
        return _plain(width, height, wants)
    if wants.column == INCIDENT:
        return _incident(width, height, wants)
    below = _below(height, wants)
    main = height - (below - 1 if below else 0)
    placed = _columns(width, main, wants)
    if below:
        placed["timeline"] = PanelArea(0, main - 1, width, below)
    return placed


def _below(height: int, wants: Wants) -> int:
    """The lines of the timeline below the rest, its borders included."""
    if height < LOW or wants.zoomed or not wants.timeline:
        return 0
    return min(wants.timeline + 2, max(_TIMELINE + 1, height // 4))


def _columns(width: int, height: int, wants: Wants) -> dict[PartId, PanelArea]:
    """Those of the runbook, in the upper ``height`` lines."""
    whole = PanelArea(0, 0, width, height)
    if wants.beside == 1:
        return (
            {"list": whole}
            if wants.column == LIST
            else {"steps": whole}
            if wants.column == STEPS
            else _right(whole, wants)
        )
    placed: dict[PartId, PanelArea] = {}
    left = 0
    if wants.column == LIST:
        most = min(max(width * 2 // 5, width - _BESIDE_LIST), _LIST[1])  # whole titles before whole steps
        right = min(max(_LIST[0], wants.titles + 2), max(_LIST[0], most))
        placed["list"] = PanelArea(0, 0, right, height)
        left = right - 1
        if wants.document:
            return placed | {"document": PanelArea(left, 0, width - left, height)}
        if wants.beside == 2:
            return placed | {"steps": PanelArea(left, 0, width - left, height)}
    steps = min(max(_STEPS, wants.steps + 2), max(_STEPS, width * 2 // 5))
    placed["steps"] = PanelArea(left, 0, steps, height)
    left += steps - 1
    return placed | _right(PanelArea(left, 0, width - left, height), wants)


def _right(area: PanelArea, wants: Wants) -> dict[PartId, PanelArea]:
    """The command over its output."""
    if not wants.output:
        return {"command": area}
    room = area.height - 3
    command = max(1, min(wants.command, room * (100 - _OUTPUT) // 100))
    return {
        "command": PanelArea(area.left, area.top, area.width, command + 2),
        "output": PanelArea(area.left, area.top + command + 1, area.width, area.height - command - 1),
    }


def _incident(width: int, height: int, wants: Wants) -> dict[PartId, PanelArea]:
    """The page of the incident: its timeline, and beside it what is known over the selected entry; where there is no
    room for two columns, what is known over the timeline, and the entry below it in what that leaves free."""
    if width < BESIDE:
        facts = max(1, min(wants.facts, max((height - 3) // 2, height - 3 - max(1, wants.timeline))))
        placed: dict[PartId, PanelArea] = {"facts": PanelArea(0, 0, width, facts + 2)}
        rows = height - facts - 3
        entry = max(rows - max(1, wants.timeline) - 1, rows // 3 if rows >= _ENTRY_FROM else 0)
        if entry < _ENTRY:
            return placed | {"timeline": PanelArea(0, facts + 1, width, rows + 2)}
        placed["timeline"] = PanelArea(0, facts + 1, width, rows - entry + 1)
        return placed | {"entry": PanelArea(0, height - entry - 2, width, entry + 2)}
    left = incident_left(width)
    facts = max(1, min(wants.facts, (height - 3) * 2 // 3))
    return {
        "timeline": PanelArea(0, 0, left + 1, height),
        "facts": PanelArea(left, 0, width - left, facts + 2),
        "entry": PanelArea(left, facts + 1, width - left, height - facts - 1),
    }


def incident_left(width: int) -> int:
    """The cells left of the second column of the page of the incident."""
    return width * 55 // 100


def _plain(width: int, height: int, wants: Wants) -> dict[PartId, PanelArea]:
    """The same without borders: one below the other, each under the line of its title."""
    below = min(wants.timeline + 1, max(_TIMELINE, height // 4)) if height >= LOW and wants.timeline else 0
    main = height - (0 if wants.zoomed or wants.column == INCIDENT else below)
    parts: Sequence[tuple[PartId, int]]
    if wants.column == INCIDENT:
        facts = min(wants.facts, max(1, main // 3))
        parts = [("facts", facts), ("timeline", main - facts - 2)]
    elif wants.beside > 1 or wants.column == COMMAND:
        command = max(1, min(wants.command, (main - 2) * (100 - _OUTPUT) // 100)) if wants.output else main - 1
        parts = [("command", command)]
        parts = [*parts, ("output", main - command - 2)] if wants.output else parts
    else:
        parts = [("list" if wants.column == LIST else "steps", main - 1)]
    if main < height:
        parts = [*parts, ("timeline", below - 1)]
    placed: dict[PartId, PanelArea] = {}
    top = 0
    for name, rows in parts:
        placed[name] = PanelArea(-1, top, width + 2, max(0, rows) + 2)
        top += max(0, rows) + 1
    return placed


def draw_plain(panels: Sequence[ScreenPanel], width: int, height: int) -> list[Row]:
    """Panels one below the other without borders, each under its title and what has room beside it."""
    lines: list[Row] = [BLANK] * height
    for panel in panels:
        head: Row = (Piece(" "), *panel.title)
        for piece in (*panel.note, *((Piece(panel.more, "muted"),) if panel.more else ())):
            if row_width((*head, piece)) + 2 <= width:
                head = (*head, Piece("  "), piece)
        for at, row in enumerate([head, *list(panel.rows)[: panel.area.inner_height]]):
            if panel.area.top + at < height:
                lines[panel.area.top + at] = cut_row(row, width)
    return lines
