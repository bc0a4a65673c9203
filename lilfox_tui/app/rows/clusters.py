"""Clusters in rows: the one of home, the context that is always seen, and the tables of workloads, pods, nodes and
events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from lilfox_tui.app.rendering.columns import Column, line
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row, row_width
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.clusters.model import (
    NEVER,
    ClusterEvent,
    ClusterView,
    ContainerEnd,
    NodeView,
    ObjectCondition,
    PodContainer,
    PodView,
    WorkloadView,
)
from lilfox_tui.core.i18n import Message, _, clauses, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, fit_middle, human_age, human_bytes, short_age
from lilfox_tui.metrics.model import Level

Kind = Literal["workloads", "pods", "nodes", "events"]
KINDS: tuple[Kind, ...] = ("workloads", "pods", "nodes", "events")
Item: TypeAlias = WorkloadView | PodView | NodeView | ClusterEvent
ItemT = TypeVar("ItemT")
_NAME, _CHOSEN = 14, 20
"""Cells of a name in a list of home, and in one to choose from."""
_NAME_LEAST, _NAME_SHARE = 12, 45
"""Cells of a name in a table at least, and its part of the width at most, in percent."""
_SPARE = 400
"""What the last column of a table takes at most."""
_MILLI = 1000
_GOOD_IF_FALSE = ("Pressure", "Unavailable", "ReplicaFailure")
"""How the types of conditions end that are good where they do not hold."""


# ---- a cluster ---------------------------------------------------------------------------------------------------


def context_pieces(view: ClusterView) -> Row:
    """The context, in the colour of production where it is that."""
    context = clean(view.context) or _("context not known yet")
    if view.production:
        return (Piece(" " + _("PRODUCTION {context}", context=context) + " ", "strong", "match"),)
    return (Piece(context, "strong"),)


def cluster_row(view: ClusterView, now: datetime, glyphs: Glyphs, names: int, width: int) -> Row:
    """A cluster in one line of home: its context, and what is wrong or how much there is. ``names`` are the cells of
    the longest name."""
    role = ROLES[view.level]
    mark = (
        Piece(f" {glyphs.level(view.level)} ", role),
        Piece(fit(clean(view.name), min(names, _NAME)) + "  ", "strong"),
    )
    head = (*mark, *context_pieces(view), Piece("  "))
    if view.error is not None or view.reasons:
        return (*head, *why_pieces(view, now))
    counts = counts_text(view)
    if row_width(head) + len(counts) > width:
        counts = ngettext("{count} pod", "{count} pods", len(view.pods))
    return (*head, Piece(counts if view.seen is not None else _("not read yet"), "muted"))


def cluster_detail(view: ClusterView, now: datetime, glyphs: Glyphs, width: int) -> list[Row]:
    """A cluster as two lines of text: what is wrong or how much there is, and what enter does."""
    head = (Piece(f" {glyphs.level(view.level)} ", ROLES[view.level]), Piece(clean(view.name) + "  ", "strong"))
    bad = view.error is not None or view.reasons
    told = why_pieces(view, now) if bad else (Piece(counts_text(view), "muted"),)
    does = _("enter shows its workloads, pods, nodes and events")
    return [cut_row((*head, *told), width), (Piece("   "), Piece(does))]


def why_pieces(view: ClusterView, now: datetime) -> Row:
    """What is wrong with a cluster; if it cannot be asked, since when nothing is known."""
    role = ROLES[view.level]
    if view.error is None:
        return (Piece(clean(clauses(map(str, view.reasons))), role),)
    why = clean(str(view.error.message))
    if view.seen is None:
        if view.since == NEVER:
            return (Piece(why, role),)
        age = human_age(max(1.0, (now - view.since).total_seconds()))
        return (Piece(_("no answer for {age}: {why}", age=age, why=why), role),)
    age = human_age(max(1.0, (now - view.seen).total_seconds()))
    return (Piece(_("last answer {age} ago: {why}", age=age, why=why), role),)


def counts_text(view: ClusterView) -> str:
    """How much a cluster has."""
    return "  ".join((
        ngettext("{count} workload", "{count} workloads", len(view.workloads)),
        ngettext("{count} pod", "{count} pods", len(view.pods)),
        ngettext("{count} node", "{count} nodes", len(view.nodes)),
    ))  # fmt: skip


# ---- what is in it -----------------------------------------------------------------------------------------------


def reasons_text(reasons: Iterable[Message]) -> str:
    """Reasons on one line."""
    return clean(clauses(map(str, reasons)))


def short_reasons(view: WorkloadView) -> str:
    """The reasons of a workload on one line, without the names of its pods, which fill a column."""
    texts = []
    for text in map(str, view.reasons):
        name, _colon, rest = text.partition(": ")
        texts.append(rest if rest and any(name == each.pod.name for each in view.pods) else text)
    return clean(clauses(texts))


def age_of(at: datetime | None, now: datetime) -> str:
    """How long ago, in at most 4 cells; empty if that is not known."""
    return "" if at is None else short_age(max(0.0, (now - at).total_seconds()))


def ready_text(view: WorkloadView) -> str:
    """As kubectl shows READY."""
    return f"{view.workload.ready}/{view.workload.wanted}"


def rollout_text(view: WorkloadView) -> str:
    """How far the pods of a workload are replaced; empty if that is done."""
    found = view.workload
    if found.paused:
        return _("rollout paused: {updated} of {wanted} updated", updated=found.updated, wanted=found.wanted)
    if found.observed < found.generation:
        return _("waiting for its controller to see the change")
    if found.updated < found.wanted:
        return _("rolling out: {updated} of {wanted} updated", updated=found.updated, wanted=found.wanted)
    if (old := found.replicas - found.updated) > 0:
        return ngettext("rolling out: {count} old pod left", "rolling out: {count} old pods left", old)
    return ""


def doing_text(view: WorkloadView) -> str:
    """What goes on in a workload with which nothing is wrong; empty if nothing does."""
    found = view.workload
    if found.available < found.wanted and not rollout_text(view):
        return _("{available} of {wanted} available", available=found.available, wanted=found.wanted)
    return rollout_text(view)


def restarts_text(view: PodView, now: datetime) -> str:
    """As kubectl shows RESTARTS: how many, and how long ago the last one was."""
    count = view.pod.restarts
    ends = [each.last_end.finished for each in view.pod.containers if each.last_end and each.last_end.finished]
    return f"{count} ({age_of(max(ends), now)})" if count and ends else str(count)


def node_status(view: NodeView) -> str:
    """As kubectl shows the STATUS of a node."""
    ready = view.node.condition("Ready")
    word = "Ready" if view.node.ready else "NotReady" if ready is not None else "Unknown"
    return f"{word},SchedulingDisabled" if view.node.cordoned else word


def node_role(view: NodeView) -> str:
    """The role of a node's status: one that takes no new pods is seen."""
    return "degraded" if view.node.cordoned and view.level is Level.GOOD else unless_good(view.level)


def cores_text(cores: float | None) -> str:
    """CPU as Kubernetes writes it: ``250m``, ``1.5``."""
    if cores is None:
        return "-"
    return f"{cores * _MILLI:.0f}m" if cores < 1 else f"{cores:.3g}"


def of_limit(used: str, limit: str) -> str:
    """A use and its limit; the use alone where there is no limit."""
    return used if limit == "-" else f"{used}/{limit}"


def cpu_text(used: float | None, limit: float | None) -> str:
    """Use of the CPU, and its limit."""
    return of_limit(cores_text(used), cores_text(limit))


def memory_text(used: float | None, limit: float | None) -> str:
    """Use of memory, and its limit."""
    return of_limit(human_bytes(used), human_bytes(limit))


def end_text(end: ContainerEnd, now: datetime) -> str:
    """How a container ended, and when."""
    why = end.reason or _("ended")
    if end.signal is not None:
        why = _("{reason}, signal {signal}", reason=why, signal=end.signal)
    elif end.exit_code is not None:
        why = _("{reason}, exit code {code}", reason=why, code=end.exit_code)
    if end.finished is None:
        return clean(why)
    age = human_age(max(0.0, (now - end.finished).total_seconds()))
    return clean(_("{what}, {age} ago", what=why, age=age))


def container_state(container: PodContainer, now: datetime) -> str:
    """What a container does now, and why."""
    if container.state == "waiting":
        return clean(_("waiting: {reason}", reason=container.reason)) if container.reason else _("waiting to start")
    if container.state == "running":
        if container.started is None:
            return _("running")
        return _("running for {age}", age=human_age(max(0.0, (now - container.started).total_seconds())))
    return end_text(container.end, now) if container.end is not None else _("not started")


def container_level(container: PodContainer, of_pod: Level) -> Level:
    """How a container is to be drawn: one that is not ready is as bad as its pod."""
    done = container.end is not None and container.end.exit_code == 0
    return Level.GOOD if container.ready or (done and container.init) else of_pod


def condition_level(condition: ObjectCondition, of_object: Level) -> Level:
    """How a condition is to be drawn: what is not as it should be is as bad as its object."""
    good = "False" if condition.type.endswith(_GOOD_IF_FALSE) else "True"
    return Level.GOOD if condition.status == good else of_object


def event_level(event: ClusterEvent) -> Level:
    """How an event is to be drawn."""
    return Level.DEGRADED if event.type == "Warning" else Level.GOOD


def object_text(event: ClusterEvent) -> str:
    """What an event is about, as kubectl shows OBJECT."""
    return clean(f"{event.kind.lower()}/{event.name}")


def image_text(images: Iterable[str]) -> str:
    """Images without their registries: what differs between two revisions stands at their ends."""
    return clean(" ".join(each.rpartition("/")[2] for each in images))


def levels_text(levels: Mapping[Level, int], glyphs: Glyphs) -> Row:
    """How many are not good."""
    return tuple(
        Piece(f" {glyphs.level(level)}{levels[level]}", ROLES[level])
        for level in (Level.FAILING, Level.DEGRADED)
        if levels.get(level)
    )


# ---- tables -----------------------------------------------------------------------------------------------------


def columns_of(
    kind: Kind, rows: Sequence[Item], now: datetime, width: int, *, one_namespace: bool
) -> Sequence[Column[Item]]:
    """The columns of a list of ``width`` cells, as wide as their widest texts; with that of the namespaces where there
    are several."""
    makers: dict[Kind, Callable[[Sequence[Item], datetime, int], list[Column[Item]]]] = {
        "workloads": _workload_columns, "pods": pod_columns, "nodes": _node_columns, "events": _event_columns,
    }  # fmt: skip
    found = makers[kind](rows, now, max(_NAME_LEAST, width * _NAME_SHARE // 100))
    if kind == "nodes" or one_namespace:
        return found
    names = {_namespace(each) for each in rows}
    if len(names) < 2:
        return found
    place = 2 if kind == "events" else 1
    wide = widest(list(names), 9, 16)
    column = Column[Item](lambda: _("namespace"), wide, lambda item: (Piece(_namespace(item), "muted"),), 3)
    return [*found[:place], column, *found[place:]]


def _namespace(item: Item) -> str:
    match item:
        case WorkloadView(workload=found):
            return clean(found.namespace)
        case PodView(pod=pod):
            return clean(pod.namespace)
        case ClusterEvent():
            return clean(item.namespace)
        case NodeView():
            return ""


def _column(
    kind: type[ItemT],
    title: Callable[[], str],
    width: int,
    cell: Callable[[ItemT], Row],
    priority: int = 0,
    *,
    right: bool = False,
    grow: int = 0,
) -> Column[Item]:
    """A column of one kind of rows."""

    def of_item(item: Item) -> Row:
        return cell(item) if isinstance(item, kind) else ()

    return Column(title, width, of_item, priority, right=right, grow=grow)


def widest(texts: Sequence[str], least: int, most: int) -> int:
    """The cells of a column as wide as its widest text."""
    return max(least, min(most, max(map(cell_width, texts), default=0)))


def _workload_columns(rows: Sequence[Item], now: datetime, most: int) -> list[Column[Item]]:
    name = widest([clean(each.workload.name) for each in rows if isinstance(each, WorkloadView)], 10, min(most, 32))

    def column(title: Callable[[], str], width: int, cell: Callable[[WorkloadView], Row], priority: int = 0,
               *, right: bool = False, grow: int = 0) -> Column[Item]:  # fmt: skip
        return _column(WorkloadView, title, width, cell, priority, right=right, grow=grow)

    told = [short_reasons(each) for each in rows if isinstance(each, WorkloadView)]
    state = widest(told, 14, 34)

    def what(view: WorkloadView) -> Row:
        if view.reasons:
            return (Piece(short_reasons(view), ROLES[view.level]),)
        if doing := doing_text(view):
            return (Piece(doing, "accent"),)
        return (Piece(image_text(view.workload.images), "muted"),)

    return [
        column(lambda: _("name"), name, lambda v: (Piece(fit_middle(v.workload.name, name), "strong"),)),
        column(lambda: _("kind"), 11, lambda v: (Piece(v.workload.kind, "muted"),), 7),
        column(lambda: _("ready"), 6, lambda v: (Piece(ready_text(v), unless_good(v.level)),), 1, right=True),
        column(lambda: _("restarts"), 8, _restarts_of, 4, right=True),
        column(lambda: _("rev"), 4, lambda v: (Piece(str(v.workload.revision or "-"), "muted"),), 8, right=True),
        column(lambda: _("age"), 4, lambda v: (Piece(age_of(v.workload.created, now), "muted"),), 6, right=True),
        column(lambda: _("state, or image"), state, what, 2, grow=_SPARE),
    ]


def unless_good(level: Level) -> str:
    """The role of a text that has a colour only where something is wrong."""
    return "text" if level is Level.GOOD else ROLES[level]


def _restarts_of(view: WorkloadView) -> Row:
    count = sum(each.pod.restarts for each in view.pods)
    recent = sum(each.recent_restarts for each in view.pods)
    return (Piece(str(count), "degraded" if recent else "text" if count else "muted"),)


def pod_columns(rows: Sequence[Item], now: datetime, most: int) -> list[Column[Item]]:
    """The columns of a table of pods, whose names have ``most`` cells."""
    pods = [each.pod for each in rows if isinstance(each, PodView)]
    name = widest([clean(each.name) for each in pods], 12, min(most, 36))
    status = widest([clean(each.status) for each in pods], 9, 26)
    node = widest([clean(each.node) for each in pods], 6, 20)

    def column(title: Callable[[], str], width: int, cell: Callable[[PodView], Row], priority: int = 0,
               *, right: bool = False, grow: int = 0) -> Column[Item]:  # fmt: skip
        return _column(PodView, title, width, cell, priority, right=right, grow=grow)

    def cpu(view: PodView) -> Row:
        return (Piece(cpu_text(view.pod.usage.cpu, view.pod.limits.cpu)),)

    def memory(view: PodView) -> Row:
        return (Piece(memory_text(view.pod.usage.memory, view.pod.limits.memory)),)

    return [
        column(lambda: _("name"), name, lambda v: (Piece(fit_middle(v.pod.name, name), "strong"),)),
        column(lambda: _("state"), status, lambda v: (Piece(clean(v.pod.status), unless_good(v.level)),), 1),
        column(lambda: _("ready"), 5, lambda v: (Piece(v.pod.ready_text, unless_good(v.level)),), 2, right=True),
        column(lambda: _("restarts"), 9, lambda v: (Piece(restarts_text(v, now)),), 3, right=True),
        column(lambda: _("age"), 4, lambda v: (Piece(age_of(v.pod.created, now), "muted"),), 4, right=True),
        column(lambda: _("cpu"), 9, cpu, 8),
        column(lambda: _("memory"), 11, memory, 7),
        column(lambda: _("node"), node, lambda v: (Piece(fit_middle(v.pod.node, node), "muted"),), 5),
        column(lambda: _("why"), 8, lambda v: (Piece(reasons_text(v.reasons), ROLES[v.level]),), 9, grow=_SPARE),
    ]


def _node_columns(rows: Sequence[Item], now: datetime, most: int) -> list[Column[Item]]:
    nodes = [each for each in rows if isinstance(each, NodeView)]
    name = widest([clean(each.node.name) for each in nodes], 10, min(most, 36))
    status = widest([node_status(each) for each in nodes], 8, 27)
    roles = widest([clean(listed(each.node.roles)) for each in nodes], 5, 20)

    def column(title: Callable[[], str], width: int, cell: Callable[[NodeView], Row], priority: int = 0,
               *, right: bool = False, grow: int = 0) -> Column[Item]:  # fmt: skip
        return _column(NodeView, title, width, cell, priority, right=right, grow=grow)

    def pods(view: NodeView) -> Row:
        limit = view.node.pods_limit
        return (Piece(f"{view.pods}/{limit}" if limit else str(view.pods)),)

    def memory(view: NodeView) -> Row:
        return _of_node(view.node.usage.memory, view.node.capacity.memory, human_bytes)

    return [
        column(lambda: _("name"), name, lambda v: (Piece(fit_middle(v.node.name, name), "strong"),)),
        column(lambda: _("state"), status, lambda v: (Piece(node_status(v), node_role(v)),), 1),
        column(lambda: _("pods"), 7, pods, 4, right=True),
        column(lambda: _("cpu"), 9, lambda v: _of_node(v.node.usage.cpu, v.node.capacity.cpu, cores_text), 2),
        column(lambda: _("memory"), 11, memory, 3),
        column(lambda: _("age"), 4, lambda v: (Piece(age_of(v.node.created, now), "muted"),), 6, right=True),
        column(lambda: _("version"), 9, lambda v: (Piece(clean(v.node.version), "muted"),), 7),
        *([column(lambda: _("roles"), roles, lambda v: (Piece(clean(listed(v.node.roles)), "muted"),), 8)]
          if any(each.node.roles for each in nodes) else []),
        column(lambda: _("why"), 8, lambda v: (Piece(reasons_text(v.reasons), ROLES[v.level]),), 5, grow=_SPARE),
    ]  # fmt: skip


def _of_node(used: float | None, capacity: float | None, text: Callable[[float | None], str]) -> Row:
    """A use in percent of what there is."""
    if used is None or not capacity:
        return (Piece(text(capacity), "muted"),)
    return (Piece(_("{percent:.0f}% of {whole}", percent=100 * used / capacity, whole=text(capacity))),)


def _event_columns(rows: Sequence[Item], now: datetime, most: int) -> list[Column[Item]]:
    events = [each for each in rows if isinstance(each, ClusterEvent)]
    reason = widest([clean(each.reason) for each in events], 8, 22)
    about = widest([object_text(each) for each in events], 10, min(most, 34))

    def column(title: Callable[[], str], width: int, cell: Callable[[ClusterEvent], Row], priority: int = 0,
               *, right: bool = False, grow: int = 0) -> Column[Item]:  # fmt: skip
        return _column(ClusterEvent, title, width, cell, priority, right=right, grow=grow)

    def times(event: ClusterEvent) -> Row:
        return (Piece(f"×{event.count}" if event.count > 1 else "", "accent"),)

    def role(event: ClusterEvent) -> str:
        return unless_good(event_level(event))

    return [
        column(lambda: _("age"), 4, lambda v: (Piece(age_of(v.last_seen, now), "muted"),), 1, right=True),
        column(lambda: _("reason"), reason, lambda v: (Piece(clean(v.reason), role(v)),)),
        column(lambda: _("object"), about, lambda v: (Piece(fit_middle(object_text(v), about)),), 2),
        column(lambda: _("repeats"), 7, times, 5),
        column(lambda: _("message"), 18, lambda v: (Piece(clean(v.message)),), 0, grow=_SPARE),
    ]


def level_of(item: Item) -> Level:
    """The level of a row."""
    return event_level(item) if isinstance(item, ClusterEvent) else item.level


def item_row(item: Item, chosen: Sequence[tuple[Column[Item], int]], glyphs: Glyphs) -> Row:
    """A row of a list."""
    return (mark_of(item, glyphs), *line(chosen, item))


def mark_of(item: Item, glyphs: Glyphs) -> Piece:
    """The sign of a row; an event that tells of nothing wrong is not good either."""
    level = level_of(item)
    quiet = isinstance(item, ClusterEvent) and level is Level.GOOD
    return Piece(f" {glyphs.separator if quiet else glyphs.level(level)} ", "muted" if quiet else ROLES[level])


# ---- to choose from ----------------------------------------------------------------------------------------------


class ClusterChoice(NamedTuple):
    """A cluster (``cluster/NAME``) or a workload (``cluster/NAME/NAMESPACE/KIND/NAME``) in a list to choose from."""

    id: str
    row: Row
    words: str
    name: str


def choices(clusters: Mapping[str, ClusterView], glyphs: Glyphs) -> list[ClusterChoice]:
    """The clusters and their workloads, each with what is wrong."""
    found: list[ClusterChoice] = []
    for name, view in clusters.items():
        told = (*context_pieces(view), Piece("  " + _("cluster"), "muted"))
        words = " ".join((name, view.context, "cluster", _("cluster")))
        found.append(ClusterChoice(f"cluster/{name}", (*_named(view.level, name, glyphs), *told), words, name))
        for each in view.workloads:
            of = each.workload
            text = clean(f"  {of.namespace}  {of.kind}  {short_reasons(each)}")
            row = (*_named(each.level, of.name, glyphs), *context_pieces(view), Piece(text, "muted"))
            key = f"cluster/{name}/{of.namespace}/{of.kind}/{of.name}"
            found.append(ClusterChoice(key, row, f"{of.name} {name} {view.context} {text}", of.name))
    return found


def _named(level: Level, name: str, glyphs: Glyphs) -> Row:
    return (Piece(glyphs.level(level) + " ", ROLES[level]), Piece(fit(clean(name), _CHOSEN) + " ", "strong"))
