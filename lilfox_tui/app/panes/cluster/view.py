"""The Clusters pane as rows: the context on every screen, the lists, and the pages of what is in them, on which what is
wrong comes first. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from msgspec import Struct

from lilfox_tui.app.panes.cluster.state import ClusterState, is_about, key_of
from lilfox_tui.app.rendering.columns import choose, heading, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    NARROWEST,
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
    age_of,
    columns_of,
    condition_level,
    container_level,
    container_state,
    context_pieces,
    cores_text,
    doing_text,
    end_text,
    event_level,
    image_text,
    item_row,
    level_of,
    levels_text,
    mark_of,
    node_status,
    object_text,
    pod_columns,
    reasons_text,
    rollout_text,
    unless_good,
    why_pieces,
    widest,
)
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.clusters.model import (
    ClusterEvent,
    ClusterView,
    ComputeAmounts,
    NodeView,
    ObjectCondition,
    PodContainer,
    PodView,
    WorkloadView,
)
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_age, human_bytes, human_duration
from lilfox_tui.metrics.model import Level

INDENT = 3
"""Cells before the columns of a table."""
_EVENTS, _PODS, _REVISIONS = 12, 40, 10
"""Rows of each on a page at most."""
_LABEL, _MESSAGE_AT = 13, 9
"""Cells of a label, and before the message of an event that has a line of its own."""


class ClusterStyle(Struct, frozen=True):
    """How the pane is drawn; ``now`` is aware UTC."""

    now: datetime
    glyphs: Glyphs
    width: int
    height: int
    slow_link: bool = False


class _ItemPart(Struct, frozen=True):
    """A part of a page."""

    title: str
    rows: Sequence[Row]
    note: str = ""


def title_of(item: Item) -> str:
    """What a page is about."""
    match item:
        case WorkloadView(workload=found):
            return clean(f"{found.kind} {found.namespace}/{found.name}")
        case PodView(pod=pod):
            return clean(f"Pod {pod.namespace}/{pod.name}")
        case NodeView(node=node):
            return clean(f"Node {node.name}")
        case ClusterEvent():
            return clean(f"{item.reason} {object_text(item)}")


def page_rows(item: Item, view: ClusterView, style: ClusterStyle, width: int, *, boxed: bool) -> list[Row]:
    """All that is known of a workload, a pod, a node or an event: what is wrong, and why, first."""
    inner = width - 3 if boxed else width - 1
    match item:
        case WorkloadView():
            parts = _workload_parts(item, view, style, inner)
        case PodView():
            parts = _pod_parts(item, view, style, inner)
        case NodeView():
            parts = _node_parts(item, view, style, inner)
        case ClusterEvent():
            parts = [_ItemPart(title_of(item), _event_facts(item, style.now))]
    shown = [(part, wrapped(part.rows, inner)) for part in parts if part.rows]
    if not boxed:
        plain: list[Row] = []
        for place, (part, rows) in enumerate(shown):
            if place or width < NARROWEST:
                note = (Piece(f"  {part.note}", "muted"),) if part.note else ()
                plain += [*([BLANK] if place else []), (Piece(" "), Piece(part.title, "title"), *note)]
            plain += rows
        return plain
    panels, top = [], 0
    for part, rows in shown:
        note = (Piece(part.note, "muted"),) if part.note else ()
        panels.append(ScreenPanel(PanelArea(0, top, width, len(rows) + 2), (Piece(part.title, "title"),), rows, note))
        top += len(rows) + 1
    return draw_panels(panels, width, top + 1, style.glyphs)


def _reason_rows(item: WorkloadView | PodView | NodeView, glyphs: Glyphs) -> list[Row]:
    role = ROLES[item.level]
    return [(Piece(f" {glyphs.level(item.level)} ", role), Piece(clean(str(each)), role)) for each in item.reasons]


def _fact(label: str, text: str, role: str = "text") -> Row:
    return (Piece(f" {fit(label, _LABEL)} ", "muted"), Piece(clean(text), role))


def _workload_parts(item: WorkloadView, view: ClusterView, style: ClusterStyle, width: int) -> list[_ItemPart]:
    found = item.workload
    numbers = _("{ready} of {wanted} ready, {updated} updated, {available} available",
                ready=found.ready, wanted=found.wanted, updated=found.updated, available=found.available)  # fmt: skip
    facts = [*_reason_rows(item, style.glyphs), _fact(_("pods"), numbers, unless_good(item.level))]
    if rolling := rollout_text(item):
        facts.append(_fact(_("rollout"), rolling, "accent"))
    if found.revision:
        cause = found.change_cause or _("no change cause given")
        facts.append(_fact(_("revision"), f"{found.revision}  {cause}"))
    facts += [_fact(_("image") if place == 0 else "", each) for place, each in enumerate(found.images)]
    if found.created is not None:
        facts.append(_fact(_("created"), _ago(found.created, style.now)))
    pods = item.pods[:_PODS]
    return [
        _ItemPart(title_of(item), facts),
        _ItemPart(_("Pods"), _pod_table(pods, style, width), _more(len(item.pods) - len(pods))),
        _ItemPart(_("Conditions"), _condition_rows(found.conditions, item.level, style)),
        _events_part([item, *item.pods], view, style, width),
        _ItemPart(_("Revisions"), _revision_rows(item, style.now), _("u goes back to one")),
    ]


def _more(count: int) -> str:
    return ngettext("and {count} more", "and {count} more", count) if count > 0 else ""


def _ago(at: datetime, now: datetime) -> str:
    age = human_age(max(0.0, (now - at).total_seconds()))
    return _("{age} ago, {at:%Y-%m-%d %H:%M} UTC", age=age, at=at)


def _pod_table(pods: Sequence[PodView], style: ClusterStyle, width: int) -> list[Row]:
    if not pods:
        return [(Piece("   " + _("none"), "muted"),)]
    chosen = choose(pod_columns(pods, style.now, width * 45 // 100), width - INDENT - 1)
    return [heading(chosen, INDENT), *(item_row(each, chosen, style.glyphs) for each in pods)]


def _condition_rows(conditions: Sequence[ObjectCondition], level: Level, style: ClusterStyle) -> list[Row]:
    """The conditions, those that are not as they should be first."""
    levels = [(condition_level(each, level), each) for each in conditions]
    levels.sort(key=lambda each: -int(each[0]))
    name = widest([each.type for each in conditions], 8, 22)
    rows: list[Row] = []
    for of_condition, each in levels:
        told = "  ".join(filter(None, (each.reason, each.message if of_condition is not Level.GOOD else "")))
        rows.append((
            Piece(f" {style.glyphs.level(of_condition)} ", ROLES[of_condition]),
            Piece(fit(each.type, name) + "  "),
            Piece(fit(each.status, 7) + "  ", unless_good(of_condition)),
            Piece(fit(age_of(each.since, style.now), 4, right=True) + "  ", "muted"),
            Piece(clean(told), unless_good(of_condition) if of_condition is not Level.GOOD else "muted"),
        ))  # fmt: skip
    return rows


def _revision_rows(item: WorkloadView, now: datetime) -> list[Row]:
    return [
        (
            Piece(f" {each.number:>4}  ", "strong" if each.number == item.workload.revision else "muted"),
            Piece(fit(age_of(each.created, now), 4, right=True) + "  ", "muted"),
            Piece(image_text(each.images)),
            Piece("  " + clean(each.change_cause), "muted"),
            Piece("  " + _("current"), "accent") if each.number == item.workload.revision else Piece(""),
        )
        for each in item.workload.revisions[:_REVISIONS]
    ]


def _events_part(about: Sequence[Item], view: ClusterView, style: ClusterStyle, width: int) -> _ItemPart:
    found = [each for each in view.events if any(is_about(each, item) for item in about)]
    rows: list[Row] = []
    for each in found[:_EVENTS]:
        level = event_level(each)
        head = (
            mark_of(each, style.glyphs),
            Piece(fit(age_of(each.last_seen, style.now), 4, right=True) + "  ", "muted"),
            Piece(clean(each.reason) + "  ", unless_good(level)),
            Piece(f"×{each.count}  " if each.count > 1 else "", "accent"),
            *((Piece(object_text(each) + "  ", "muted"),) if len(about) > 1 else ()),
        )
        message = Piece(clean(each.message))
        fits = row_width((*head, message)) <= width or len(about) == 1
        rows += [(*head, message)] if fits else [head, (Piece(" " * _MESSAGE_AT), message)]
    return _ItemPart(_("Events"), rows or [(Piece("   " + _("none"), "muted"),)], _more(len(found) - _EVENTS))


def _pod_parts(item: PodView, view: ClusterView, style: ClusterStyle, width: int) -> list[_ItemPart]:
    pod = item.pod
    facts = [*_reason_rows(item, style.glyphs),
             _fact(_("state"), f"{pod.status}  {pod.ready_text}", unless_good(item.level))]  # fmt: skip
    if pod.message and not any(pod.message in str(each) for each in item.reasons):
        facts.append(_fact(_("message"), pod.message))
    facts.append(_fact(_("node"), "  ".join(filter(None, (pod.node or _("not placed yet"), pod.ip)))))
    if pod.owner:
        facts.append(_fact(_("belongs to"), f"{pod.owner_kind} {pod.owner}"))
    if pod.created is not None:
        facts.append(_fact(_("created"), _ago(pod.created, style.now)))
    if pod.deleted is not None:
        facts.append(_fact(_("deleted"), _ago(pod.deleted, style.now), "degraded"))
    return [
        _ItemPart(title_of(item), facts),
        _ItemPart(_("Containers"), [row for each in pod.containers for row in _container_rows(each, item, style)]),
        _ItemPart(_("Conditions"), _condition_rows(pod.conditions, item.level, style)),
        _events_part([item], view, style, width),
    ]


def _container_rows(container: PodContainer, item: PodView, style: ClusterStyle) -> list[Row]:
    """What a container does, how it ended last, and what it uses of what it may."""
    level = container_level(container, item.level)
    role = unless_good(level)
    name = clean(container.name)
    name = _("{name} (init)", name=name) if container.init else name
    restarts = ngettext("{count} restart", "{count} restarts", container.restarts)
    rows: list[Row] = [(
        Piece(f" {style.glyphs.level(level)} ", ROLES[level]),
        Piece(name + "  ", "strong"),
        Piece(container_state(container, style.now), role),
        Piece("  " + restarts, "text" if container.restarts else "muted"),
    )]  # fmt: skip
    if container.message:
        rows.append((Piece("   "), Piece(clean(container.message), role)))
    if container.last_end is not None:
        rows.append((Piece("   " + _("last end") + "  ", "muted"), Piece(end_text(container.last_end, style.now))))
        if container.last_end.message:
            rows.append((Piece("   "), Piece(clean(container.last_end.message))))
    rows.append((Piece("   " + _amounts_text(container), "muted"),))
    rows.append((Piece("   " + clean(container.image), "muted"),))
    return rows


def _amounts_text(container: PodContainer) -> str:
    def told(name: str, used: str, limit: str, request: str) -> str:
        of = _("no limit") if limit == "-" else _("limited to {limit}", limit=limit)
        wants = "" if request == "-" else _("requests {request}", request=request)
        return f"{name} " + ", ".join(filter(None, (used if used != "-" else _("use unknown"), of, wants)))

    def texts(text: Callable[[float | None], str], get: Callable[[ComputeAmounts], float | None]) -> list[str]:
        return [text(get(each)) for each in (container.usage, container.limits, container.requests)]

    cpu, memory = texts(cores_text, lambda each: each.cpu), texts(human_bytes, lambda each: each.memory)
    return told(_("CPU"), *cpu) + "   " + told(_("memory"), *memory)


def _node_parts(item: NodeView, view: ClusterView, style: ClusterStyle, width: int) -> list[_ItemPart]:
    node = item.node
    pods = [each for each in view.pods if each.pod.node == node.name]
    facts = [*_reason_rows(item, style.glyphs), _fact(_("state"), node_status(item), unless_good(item.level))]
    if node.cordoned:
        facts.append(_fact("", _("cordoned: no new pods are placed here"), "degraded"))
    for label, used, of, text in (
        (_("CPU"), node.usage.cpu, node.allocatable.cpu or node.capacity.cpu, cores_text),
        (_("memory"), node.usage.memory, node.allocatable.memory or node.capacity.memory, human_bytes),
    ):
        facts.append(_fact(label, _("{used} of {whole}", used=text(used), whole=text(of))))
    facts.append(_fact(_("version"), "  ".join(filter(None, (node.version, node.address, listed(node.roles))))))
    if node.created is not None:
        age = human_duration(max(0.0, (style.now - node.created).total_seconds()))
        facts.append(_fact(_("age"), age))
    return [
        _ItemPart(title_of(item), facts),
        _ItemPart(_("Conditions"), _condition_rows(node.conditions, item.level, style)),
        _ItemPart(_("Pods"), _pod_table(pods[:_PODS], style, width), _more(len(pods) - _PODS)),
        _events_part([item], view, style, width),
    ]


def _event_facts(event: ClusterEvent, now: datetime) -> list[Row]:
    facts = [
        _fact(_("reason"), event.reason, unless_good(event_level(event))),
        _fact(_("type"), event.type),
        _fact(_("object"), f"{event.kind} {event.namespace}/{event.name}"),
        _fact(_("repeats"), str(event.count)),
    ]
    if event.last_seen is not None:
        facts.append(_fact(_("last seen"), _ago(event.last_seen, now)))
    return [*facts, _fact(_("message"), event.message)]


def _in_lines(row: Row, width: int) -> list[Row]:
    """A row in at most two lines; the end of the second tells that there is more."""
    rows = wrapped([row], width)
    return rows if len(rows) <= _DETAIL else [rows[0], (*cut_row(rows[1], width - 2), Piece(" …", "muted"))]


# ---- the screen ----


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
        title = f"{sign}{kind_title(kind)} {'-' if never_read(view) else len(items)}"
        marks = levels_text(levels, style.glyphs) if kind != "events" else ()
        kinds += [Piece(" "), Piece(title, "title" if shown else "muted"), *marks, Piece(" ")]
    if row_width(kinds) > style.width:
        kinds = [piece for piece in kinds if piece.role in ("title", "muted") or not piece.text.strip()]
    if state.filter:
        text = f"/{clean(state.filter)}/"
        if row_width(kinds) + cell_width(text) + 2 <= style.width:
            kinds += [Piece(" " + text, "accent")]
    return [cut_row(tuple(head), style.width), cut_row(tuple(kinds), style.width)]


def never_read(view: ClusterView) -> bool:
    """Whether nothing is known of it: it could not be asked since LilFox started."""
    return view.seen is None and view.error is not None


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
        rows += _in_lines((Piece(" "), *why_pieces(view, style.now)), style.width)
        if hint := str(view.error.hint or ""):
            rows += _in_lines((Piece("   "), Piece(clean(hint))), style.width)
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
            unknown = state.cluster is None or never_read(state.cluster)
            text = _("nothing matches /{words}/", words=clean(state.filter)) if state.filter else _("none")
            return [(Piece("   " + (_("not known") if unknown else text), "muted"),)], []
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
            gone = _("{name} is gone; esc goes back", name=fit_middle(page[1], max(12, width // 2)))
            return [BLANK, *wrapped([(Piece(" "), Piece(gone, "degraded"))], width)][:room]
        rows = page_rows(item, state.cluster, style, width, boxed=bordered(width, slow_link=style.slow_link))
        self.page_rows, self.page_room = len(rows), room
        state.scroll = in_sight(state.scroll, len(rows), room)
        return rows[state.scroll : state.scroll + room]

    def _detail(self, style: ClusterStyle) -> list[Row]:
        """What is known of the selected row in two lines."""
        item = self._state.selected
        if item is None:
            return [BLANK] * _DETAIL
        mark = mark_of(item, style.glyphs)
        rows = _in_lines((mark, Piece(title_of(item), "strong"), Piece("  "), *_told(item, style.now)), style.width)
        return [*rows, *[BLANK] * (_DETAIL - len(rows))]


def _told(item: Item, now: datetime) -> Row:
    if isinstance(item, ClusterEvent):
        return (Piece(clean(item.message)),)
    if item.reasons:
        return (Piece(reasons_text(item.reasons), ROLES[item.level]),)
    match item:
        case WorkloadView():
            return (Piece(doing_text(item) or image_text(item.workload.images), "muted"),)
        case PodView():
            ends = [each.last_end for each in item.pod.containers if each.last_end is not None]
            told = _("last end: {what}", what=end_text(ends[0], now)) if ends else clean(item.pod.status)
            return (Piece(told, "muted"),)
        case NodeView():
            return (Piece(node_status(item), "muted"),)
