"""The Clusters pane as rows: the context on every screen, and the list of what is in the cluster. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from lilfox_tui.app.panes.cluster.page import INDENT, ClusterStyle, page_rows, title_of
from lilfox_tui.app.panes.cluster.state import ClusterState, key_of
from lilfox_tui.app.rendering.columns import choose, heading, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.panels import (
    PanelArea,
    PanelHit,
    PanelScreen,
    ScreenPanel,
    bordered,
    cut_row,
    draw_panels,
    highlighted,
    in_sight,
    row_width,
)
from lilfox_tui.app.rows.clusters import (
    KINDS,
    Item,
    Kind,
    columns_of,
    context_pieces,
    end_text,
    image_text,
    item_row,
    level_of,
    levels_text,
    node_status,
    reasons_text,
    rollout_text,
    why_pieces,
)
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.clusters.model import ClusterEvent, ClusterView, NodeView, PodView, WorkloadView
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, clean, human_age

BESIDE = 160
"""Cells from which the page of the selected row stands beside the list."""
DETAIL_FROM, _DETAIL = 18, 2
"""Rows of a pane that has lines about the selected row below its list, and how many these are."""
_STALE_S = 30.0
ClusterScreen: TypeAlias = PanelScreen[Kind, str]


def kind_title(kind: Kind) -> str:
    """The name of a kind."""
    titles = {"workloads": _("Workloads"), "pods": _("Pods"), "nodes": _("Nodes"), "events": _("Events")}
    return titles[kind]


# ---- what stands above everything --------------------------------------------------------------------------------


def head_rows(state: ClusterState, style: ClusterStyle) -> list[Row]:
    """The context, with the namespace, and the kinds with what is wrong among them."""
    view = state.cluster
    if view is None:
        return [BLANK, BLANK]
    mark = (Piece(f" {style.glyphs.level(view.level)} ", ROLES[view.level]), Piece(clean(view.name), "strong"))
    namespace = clean(state.namespace) or _("all namespaces")
    head: list[Piece] = [*mark, Piece("  "), *context_pieces(view), Piece("  "), Piece(namespace, "accent")]
    others = len(state.clusters) - 1
    more = [
        seen_text(view, style.now),
        ngettext("{count} more cluster", "{count} more clusters", others) if others else "",
        _("on {host}", host=view.host),
        clean(view.version),
    ]
    for text in filter(None, more):
        if row_width(head) + cell_width(text) + 3 <= style.width:
            head += [Piece("  "), Piece(text, "muted")]
    kinds: list[Piece] = []
    for kind in KINDS:
        items, shown = state.all_of(kind), kind == state.kind
        levels = Counter(level_of(each) for each in items)
        sign = style.glyphs.chosen if shown else " "
        title = f"{sign}{kind_title(kind)} {len(items)}"
        marks = levels_text(levels, style.glyphs) if kind != "events" else ()
        kinds += [Piece(" "), Piece(title, "title" if shown else "muted"), *marks, Piece(" ")]
    if row_width(kinds) > style.width:
        kinds = [piece for piece in kinds if piece.role in ("title", "muted") or not piece.text.strip()]
    if state.filter:
        text = f"/{clean(state.filter)}/"
        if row_width(kinds) + cell_width(text) + 2 <= style.width:
            kinds += [Piece(" " + text, "accent")]
    return [cut_row(tuple(head), style.width), cut_row(tuple(kinds), style.width)]


def seen_text(view: ClusterView, now: datetime) -> str:
    """How old what is shown is, where it is not new."""
    if view.seen is None:
        return ""
    age_s = (now - view.seen).total_seconds()
    return _("as of {age} ago", age=human_age(age_s)) if age_s > _STALE_S else ""


def trouble_rows(view: ClusterView, style: ClusterStyle) -> list[Row]:
    """Why the cluster cannot be asked, with what to do, or what its account may not read."""
    rows: list[Row] = []
    if view.error is not None:
        rows += wrapped([(Piece(" "), *why_pieces(view, style.now))], style.width)[:2]
        if hint := str(view.error.hint or ""):
            rows += wrapped([(Piece("   "), Piece(clean(hint)))], style.width)[:2]
    for each in view.missing[:2]:
        rows.append((Piece(f" {style.glyphs.degraded} ", "degraded"), Piece(clean(str(each)), "degraded")))
    return [cut_row(row, style.width) for row in rows]


# ---- the screen --------------------------------------------------------------------------------------------------


class ClusterDrawing:
    """Draws the pane from its state; remembers which row of each list is the first one."""

    def __init__(self, state: ClusterState) -> None:
        self._state = state
        self._tops: dict[Kind, int] = {}
        self.page_room = 0
        """Rows of the open page that were seen."""
        self.page_rows = 0
        """Rows that it has."""

    def draw(self, style: ClusterStyle) -> ClusterScreen:
        """Draw everything."""
        state = self._state
        view = state.cluster
        if view is None:
            return ClusterScreen([BLANK, (Piece("  "), Piece(self._why_none(), "muted"))])
        head = [*head_rows(state, style), *trouble_rows(view, style)]
        room = style.height - len(head)
        if state.page is not None and style.width < BESIDE:
            body = self._page(state.page, style, style.width, room)
            return ClusterScreen([*head, *body], (), max(0, self.page_rows - state.scroll - self.page_room))
        if style.width >= BESIDE:
            return self._beside(head, style, room)
        detail = self._detail(style) if style.height >= DETAIL_FROM else []
        area = PanelArea(0, 0, style.width, room - len(detail))
        return self._listed(head, style, area, detail)

    def _why_none(self) -> str:
        overview = self._state.overview
        if overview is not None and overview.rewound:
            return _("clusters are not recorded for the past; ` returns to now")
        return _("no cluster was read yet")

    def _listed(self, head: list[Row], style: ClusterStyle, area: PanelArea, below: Sequence[Row]) -> ClusterScreen:
        if not bordered(area.width, area.height, slow_link=style.slow_link, lowest=5):
            rows, hits = self._list(style, area.width, area.height, len(head), 0)
            return ClusterScreen([*head, *rows, *below], hits, self._below(area.height))
        rows, hits = self._list(style, area.inner_width, area.inner_height, len(head) + 1, 1)
        panel = self._panel(area, rows)
        drawn = draw_panels([panel], area.width, area.height, style.glyphs)
        return ClusterScreen([*head, *drawn, *below], hits)

    def _panel(self, area: PanelArea, rows: Sequence[Row]) -> ScreenPanel:
        kind, shown = self._state.kind, self._state.rows
        hidden = len(self._state.all_of(kind)) - len(shown)
        note = (Piece(_("{count} hidden by the filter", count=hidden), "accent"),) if hidden else ()
        below = self._below(area.inner_height)
        more = _("{count} more below", count=below) if below else ""
        return ScreenPanel(area, (Piece(kind_title(kind), "title"),), rows, note, more)

    def _below(self, height: int) -> int:
        return max(0, len(self._state.rows) - self._tops.get(self._state.kind, 0) - (height - 1))

    def _list(
        self, style: ClusterStyle, width: int, height: int, top: int, left: int
    ) -> tuple[list[Row], list[PanelHit[Kind, str]]]:
        """The titles of the columns and the rows in sight, and where these can be clicked."""
        state = self._state
        rows = state.rows
        if not rows:
            text = _("nothing matches /{words}/", words=clean(state.filter)) if state.filter else _("none")
            return [(Piece(f"   {text}", "muted"),)], []
        chosen = choose(
            columns_of(state.kind, rows, style.now, width, one_namespace=bool(state.namespace)), width - INDENT - 1
        )
        room = max(1, height - 1)
        first = self._tops[state.kind] = in_sight(self._tops.get(state.kind, 0), len(rows), room, state.place)
        drawn: list[Row] = [heading(chosen, INDENT)]
        hits: list[PanelHit[Kind, str]] = []
        for place, each in enumerate(rows[first : first + room], first):
            row = item_row(each, chosen, style.glyphs)
            if state.filter and not state.only_matching and state.matches(each):
                row = (Piece(style.glyphs.chosen, "accent"), Piece(row[0].text[1:], row[0].role), *row[1:])
            hits.append(PanelHit(top + len(drawn), left, left + width, state.kind, key_of(each)))
            drawn.append(highlighted(row, width) if place == state.place else row)
        return drawn, hits

    def _beside(self, head: list[Row], style: ClusterStyle, room: int) -> ClusterScreen:
        """The list, and beside it the page of the selected row, or the open one."""
        state = self._state
        left = style.width * 58 // 100
        areas = PanelArea(0, 0, left, room), PanelArea(left - 1, 0, style.width - left + 1, room)
        rows, hits = self._list(style, areas[0].inner_width, areas[0].inner_height, len(head) + 1, 1)
        item = state.selected
        page = [] if item is None or state.cluster is None else page_rows(
            item, state.cluster, style, areas[1].inner_width, boxed=False
        )  # fmt: skip
        self.page_rows, self.page_room = len(page), areas[1].inner_height
        state.scroll = in_sight(state.scroll, len(page), self.page_room)
        below = max(0, len(page) - state.scroll - self.page_room)
        more = _("{count} more below", count=below) if below else ""
        title = "" if item is None else title_of(item)
        panel = ScreenPanel(areas[1], (Piece(title, "title"),), page[state.scroll :], (), more)
        drawn = draw_panels([self._panel(areas[0], rows), panel], style.width, room, style.glyphs)
        return ClusterScreen([*head, *drawn], hits)

    def _page(self, page: tuple[Kind, str], style: ClusterStyle, width: int, room: int) -> list[Row]:
        state, item = self._state, self._state.of_page(page)
        if item is None or state.cluster is None:
            self.page_rows = self.page_room = 0
            return [BLANK, (Piece("   "), Piece(_("{name} is gone; esc goes back", name=page[1]), "degraded"))]
        rows = page_rows(item, state.cluster, style, width, boxed=bordered(width, slow_link=style.slow_link))
        self.page_rows, self.page_room = len(rows), room
        state.scroll = in_sight(state.scroll, len(rows), room)
        return rows[state.scroll : state.scroll + room]

    def _detail(self, style: ClusterStyle) -> list[Row]:
        """What is known of the selected row in two lines."""
        item = self._state.selected
        if item is None:
            return [BLANK] * _DETAIL
        level = level_of(item)
        mark = Piece(f" {style.glyphs.level(level)} ", ROLES[level])
        rows = wrapped([(mark, Piece(title_of(item), "strong"), Piece("  "), *_told(item, style.now))], style.width)
        if len(rows) > _DETAIL:
            rows = [rows[0], (*cut_row(rows[1], style.width - 2), Piece(" …", "muted"))]
        return [*rows, *[BLANK] * (_DETAIL - len(rows))]


def _told(item: Item, now: datetime) -> Row:
    if isinstance(item, ClusterEvent):
        return (Piece(clean(item.message)),)
    if item.reasons:
        return (Piece(reasons_text(item.reasons), ROLES[item.level]),)
    match item:
        case WorkloadView():
            return (Piece(rollout_text(item) or image_text(item.workload.images), "muted"),)
        case PodView():
            ends = [each.last_end for each in item.pod.containers if each.last_end is not None]
            told = _("last end: {what}", what=end_text(ends[0], now)) if ends else clean(item.pod.status)
            return (Piece(told, "muted"),)
        case NodeView():
            return (Piece(node_status(item), "muted"),)
