"""Where the panels of the Metrics pane are: lists, charts, processes and changes on a screen of any size. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lilfox_tui.app.rendering.panels import PanelArea, bordered

PanelId = Literal[
    "problems", "hosts", "services", "backends", "containers", "clusters", "next", "charts", "processes", "changes"
]  # fmt: skip
LISTS: tuple[PanelId, ...] = ("problems", "hosts", "services", "backends", "containers", "clusters")
"""The panels whose rows can be selected, in the order in which the selection moves through them."""
_RIGHT: tuple[PanelId, ...] = ("services", "backends", "containers", "clusters", "next")
_BOTTOM: tuple[PanelId, ...] = ("processes", "changes")
LISTS_LOWEST, CLUSTERS_LOWEST = 15, 18
"""Rows in which each list has room for a row in its borders: without clusters, and with them."""
TWO_COLUMNS, THREE_COLUMNS = 100, 160
"""Widths from which lists stand side by side, and from which charts stand beside them."""
_THREE_HIGH = 30
_ROOMY = 24
"""Lines below the problems from which charts may take some of those that lists want."""
_CHART_LEAST, _CHART_MOST = 5, 11
"""Rows of a chart panel inside its border: the plot and its time line."""
_BOTTOM_LEAST, _NOTES_LEAST = 4, 2
"""Rows of processes and changes beside charts, and of changes where there are none."""
_PROBLEMS_MOST = 8
_COMMANDS = 0.5
"""The part of the width that processes have beside errors and changes: sentences are read to their ends."""
_HEAD = 1
"""Column titles of a list."""


Placed = tuple[PanelId, PanelArea]


def arrange(width: int, height: int, wants: Mapping[PanelId, int], charts: int) -> list[Placed]:
    """The panels with their places, in reading order; none where there is no room for borders. ``wants`` are rows
    inside the borders, ``charts`` how many charts there are. A list that wants more than its place holds is
    scrolled."""
    if not bordered(width, height, lowest=CLUSTERS_LOWEST if wants.get("clusters") else LISTS_LOWEST):
        return []
    if width >= THREE_COLUMNS and height >= _THREE_HIGH:
        return _three_columns(width, height, wants, charts)
    return _bands(width, height, wants, charts)


def _three_columns(width: int, height: int, wants: Mapping[PanelId, int], charts: int) -> list[Placed]:
    """Problems, and below them lists and, in what they leave, processes; charts; and what happened, from left to
    right."""
    problems = min(wants.get("problems", 0), _PROBLEMS_MOST)
    placed: list[Placed] = [("problems", PanelArea(0, 0, width, problems + 2))] if problems else []
    top = problems + 1 if problems else 0
    high = height - top
    lists: list[PanelId] = [name for name in (*LISTS[1:], "next") if wants.get(name)]
    if wants.get("processes") and high - 1 - _stack_height(lists, wants) >= 1 + _BOTTOM_LEAST:
        lists.append("processes")
    happened = bool(wants.get("changes"))
    left = width * (40 if charts and happened else 58) // 100 if charts or happened else width
    middle = (width - left if not happened else width * 28 // 100) if charts else 0
    placed += _stack(lists, wants, 0, top, left, high)
    at = left
    if charts:
        placed.append(("charts", PanelArea(left - 1, top, middle + 1, high)))
        at += middle
    if happened:
        placed.append(("changes", PanelArea(at - 1, top, width - at + 1, high)))
    return placed


def _bands(width: int, height: int, wants: Mapping[PanelId, int], charts: int) -> list[Placed]:
    """Problems, lists, charts, and what happened, from top to bottom."""
    two = width >= TWO_COLUMNS
    left: list[PanelId] = ["hosts"]
    right: list[PanelId] = [name for name in _RIGHT if wants.get(name)]
    columns = [left, right] if two and right else [[*left, *right]]
    least = max(_least_height([name for name in names if name in LISTS], wants) for names in columns)
    tables = max(least, *(_stack_height(names, wants) for names in columns))
    problems = min(wants.get("problems", 0), _PROBLEMS_MOST, height - 2 - least)
    room = height - (problems + 1 if problems else 0) - 1  # of all bands below, each with its upper border
    bottom: list[PanelId] = [name for name in _BOTTOM if wants.get(name)]
    chart_band, bottom_band = _lower_bands(room, (least, tables), bool(charts), wants, bottom, two=two)
    table_band = room - chart_band - bottom_band
    placed: list[Placed] = []
    top = 0
    if problems:
        placed.append(("problems", PanelArea(0, 0, width, problems + 2)))
        top = problems + 1
    placed += _side_by_side(columns, wants, width, top, table_band + 1)
    top += table_band
    if chart_band:
        placed.append(("charts", PanelArea(0, top, width, chart_band + 1)))
        top += chart_band
    if bottom_band:
        shown = bottom if two else bottom[-1:]
        placed += _side_by_side([[name] for name in shown], wants, width, top, bottom_band + 1, first=_COMMANDS)
    return placed


def _lower_bands(
    room: int,
    lists: tuple[int, int],
    charts: bool,
    wants: Mapping[PanelId, int],
    bottom: Sequence[PanelId],
    *,
    two: bool,
) -> tuple[int, int]:
    """The lines of the charts and of what is below them, each with its upper border; 0 where there is no room.
    ``lists`` are the lines that the lists need, and those that they want."""
    least, tables = lists
    kept = min(tables, max(least, room * 6 // 10)) if room >= _ROOMY else tables
    if not charts or room - kept < _CHART_LEAST + 1:
        rest = room - tables
        return 0, rest if bottom and rest >= _NOTES_LEAST + 1 else 0
    rest = room - min(tables, room - (_CHART_LEAST + 1))
    if not bottom or rest < _CHART_LEAST + 1 + _BOTTOM_LEAST + 1:
        return rest, 0
    below = max(wants[name] for name in (bottom if two else bottom[-1:])) + 1
    chart = min(_CHART_MOST + 1, max(_CHART_LEAST + 1, rest - below, rest * 45 // 100))
    return chart, rest - chart


def _side_by_side(
    columns: Sequence[Sequence[PanelId]],
    wants: Mapping[PanelId, int],
    width: int,
    top: int,
    height: int,
    first: float = 0.5,
) -> list[Placed]:
    """One or two columns, of which the ``first`` has that part of the width beside the other."""
    placed: list[Placed] = []
    left = 0
    for place, names in enumerate(columns):
        right = width if place == len(columns) - 1 else int(width * first)
        placed += _stack(names, wants, left, top, right - left, height)
        left = right - 1
    return placed


def _stack_height(names: Sequence[PanelId], wants: Mapping[PanelId, int]) -> int:
    """The lines that panels below each other want, each with its upper border."""
    return sum(wants.get(name, 0) + 1 for name in names)


def _least_height(names: Sequence[PanelId], wants: Mapping[PanelId, int]) -> int:
    """The lines that panels below each other need for the column titles and a row of each."""
    return sum(1 + max(1, min(wants.get(name, 0), 1 + _HEAD)) for name in names)


def _stack(
    names: Sequence[PanelId], wants: Mapping[PanelId, int], left: int, top: int, width: int, height: int
) -> list[Placed]:
    """Panels below each other that fill ``height`` lines; the last ones are left out if there is no room for a row of
    each."""
    names = list(names)
    while len(names) > 1 and height - 1 < _least_height(names, wants):
        names.pop()
    if not names:
        return []
    heights = _shares(height - 1 - len(names), [wants.get(name, 1) for name in names])
    placed: list[Placed] = []
    for name, inner in zip(names, heights, strict=True):
        placed.append((name, PanelArea(left, top, width, inner + 2)))
        top += inner + 1
    return placed


def _shares(room: int, wanted: Sequence[int]) -> list[int]:
    """``room`` rows for panels that want so many: each gets what it wants if all fit, or an equal part and what others
    leave; what is left over goes to the last."""
    shares = [0] * len(wanted)
    left = room
    while left > 0 and any(share < want for share, want in zip(shares, wanted, strict=True)):
        for place, want in enumerate(wanted):
            if left > 0 and shares[place] < want:
                shares[place] += 1
                left -= 1
    shares[-1] += left
    return shares
