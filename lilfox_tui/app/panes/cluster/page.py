"""The pages of what is in a cluster: all that is known of a workload, a pod, a node or an event, what is wrong first.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from lilfox_tui.app.panes.cluster.state import is_about
from lilfox_tui.app.rendering.columns import choose, heading, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import NARROWEST, PanelArea, ScreenPanel, draw_panels
from lilfox_tui.app.rows.clusters import (
    Item,
    age_of,
    condition_level,
    container_level,
    container_state,
    cores_text,
    end_text,
    event_level,
    image_text,
    item_row,
    node_status,
    object_text,
    pod_columns,
    rollout_text,
    unless_good,
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
from lilfox_tui.core.text import clean, fit, human_age, human_bytes, human_duration
from lilfox_tui.metrics.model import Level

INDENT = 3
"""Cells before the columns of a table."""
_EVENTS, _PODS, _REVISIONS = 12, 40, 10
"""Rows of each on a page at most."""
_LABEL = 13


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
            parts = _pod_parts(item, view, style)
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
        _events_part([item, *item.pods], view, style),
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


def _events_part(about: Sequence[Item], view: ClusterView, style: ClusterStyle) -> _ItemPart:
    found = [each for each in view.events if any(is_about(each, item) for item in about)]
    rows: list[Row] = []
    for each in found[:_EVENTS]:
        level = event_level(each)
        quiet = level is Level.GOOD
        rows.append((
            Piece(f" {style.glyphs.separator if quiet else style.glyphs.level(level)} ", ROLES[level]),
            Piece(fit(age_of(each.last_seen, style.now), 4, right=True) + "  ", "muted"),
            Piece(clean(each.reason) + "  ", unless_good(level)),
            Piece(f"×{each.count}  " if each.count > 1 else "", "accent"),
            *((Piece(object_text(each) + "  ", "muted"),) if len(about) > 1 else ()),
            Piece(clean(each.message)),
        ))  # fmt: skip
    return _ItemPart(_("Events"), rows or [(Piece("   " + _("none"), "muted"),)], _more(len(found) - _EVENTS))


def _pod_parts(item: PodView, view: ClusterView, style: ClusterStyle) -> list[_ItemPart]:
    pod = item.pod
    facts = [*_reason_rows(item, style.glyphs),
             _fact(_("status"), f"{pod.status}  {pod.ready_text}", unless_good(item.level))]  # fmt: skip
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
        _events_part([item], view, style),
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
        of = _("no limit") if limit == "-" else _("limit {limit}", limit=limit)
        wants = "" if request == "-" else _("requests {request}", request=request)
        return f"{name} " + ", ".join(filter(None, (used if used != "-" else _("use unknown"), of, wants)))

    def texts(text: Callable[[float | None], str], get: Callable[[ComputeAmounts], float | None]) -> list[str]:
        return [text(get(each)) for each in (container.usage, container.limits, container.requests)]

    cpu, memory = texts(cores_text, lambda each: each.cpu), texts(human_bytes, lambda each: each.memory)
    return told(_("CPU"), *cpu) + "   " + told(_("memory"), *memory)


def _node_parts(item: NodeView, view: ClusterView, style: ClusterStyle, width: int) -> list[_ItemPart]:
    node = item.node
    pods = [each for each in view.pods if each.pod.node == node.name]
    facts = [*_reason_rows(item, style.glyphs), _fact(_("status"), node_status(item), unless_good(item.level))]
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
        _events_part([item], view, style),
    ]


def _event_facts(event: ClusterEvent, now: datetime) -> list[Row]:
    facts = [
        _fact(_("reason"), event.reason, unless_good(event_level(event))),
        _fact(_("type"), event.type),
        _fact(_("object"), f"{event.kind} {event.namespace}/{event.name}"),
        _fact(_("times"), str(event.count)),
    ]
    if event.last_seen is not None:
        facts.append(_fact(_("last seen"), _ago(event.last_seen, now)))
    return [*facts, _fact(_("message"), event.message)]
