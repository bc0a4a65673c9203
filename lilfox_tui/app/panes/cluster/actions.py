"""The list of the Clusters pane; its actions: what is listed, logs and shells, changes of workloads, pods and nodes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.console import Console
from lilfox_tui.app.evidence import cause_of
from lilfox_tui.app.open_logs import PODS
from lilfox_tui.app.operations import HERE, Act, Chosen, choice_of, host_config, one_of, why_unchanged
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.cluster.state import ClusterState, key_of, namespace_of
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.app.rows.clusters import (
    Item,
    age_of,
    context_pieces,
    image_text,
    level_of,
    levels_text,
    reasons_text,
)
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.app.shared_actions import StateList
from lilfox_tui.clusters.kubectl import Kubectl
from lilfox_tui.clusters.model import ClusterEvent, ClusterView, NodeView, PodView, Workload, WorkloadView
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, _, ngettext, tr
from lilfox_tui.core.text import clean, fit
from lilfox_tui.hosts.ssh.openssh import shell_failure, terminal_argv
from lilfox_tui.operations.cluster_job import request_of
from lilfox_tui.operations.cluster_objects import read_revisions, read_workload
from lilfox_tui.operations.clusters import (
    MOST_REPLICAS,
    ClusterChange,
    ClusterPlace,
    RolloutVerb,
    cluster_place,
    drain_change,
    exec_argv,
    node_change,
    pod_change,
    rollout_change,
    scale_change,
    undo_change,
)

_NAMESPACE = 24
_CHOSEN = 34
"""Cells of a name in a list to choose from."""
Context = PaneContext[ClusterState]
Change = Callable[[ClusterPlace], Awaitable[ClusterChange | None]]
"""Asks for what is missing, and returns the operation; None if the user goes back."""


class ClusterList(StateList[ClusterState]):
    """The list of the Clusters pane. ``room`` returns how many rows of an open page are seen, and how many it has."""

    def __init__(self, context: Context, room: Callable[[], tuple[int, int]]) -> None:
        super().__init__(context)
        self._room = room

    def move(self, step: int) -> None:
        """Moves ``step`` rows down (or up, if negative) in the list or on the open page."""
        if self._state.page is not None:
            seen, rows = self._room()
            self._state.scroll = max(0, min(self._state.scroll + step, rows - seen))
        else:
            self._state.scroll = 0
            self._state.move(step)
        self._context.repaint_all()

    def lists_any(self) -> bool:
        return bool(self._state.rows)

    def open_selected(self) -> None:
        item = self._state.selected
        if self._state.page is not None and (inner := self._state.inner) is not None:
            self._state.open(inner)
        elif item is not None:
            self._state.select(item)
            self._state.open((self._state.kind, key_of(item)))
        self._context.repaint_all()

    def why_not_open(self) -> Message | None:
        return self._state.why_not_open()

    def back(self) -> None:
        self._state.back()
        self._context.repaint_all()

    def why_not_filter(self) -> Message | None:
        return self._state.why_no_cluster()

    def copy_selected(self) -> None:
        """Copies the name of the row, as kubectl takes it, and what is wrong."""
        match self._state.selected:
            case WorkloadView() as found:
                self._copy(f"{found.workload.resource} -n {found.workload.namespace}", found)
            case PodView() as found:
                self._copy(f"pod/{found.pod.name} -n {found.pod.namespace}", found)
            case NodeView() as found:
                self._copy(f"node/{found.node.name}", found)
            case ClusterEvent() as event:
                self._app.copy_text(f"{event.kind} {event.namespace}/{event.name}: {event.reason}: {event.message}")

    def _copy(self, name: str, item: WorkloadView | PodView | NodeView) -> None:
        why = reasons_text(item.reasons)
        self._app.copy_text(f"{name}: {why}" if why else name)

    def why_not_copy(self) -> Message | None:
        return self._state.why_nothing()


class ClusterViewActions(ActionGroup):
    """Actions that choose what is listed."""

    TASK = tr("Display")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_not(self) -> Message | None:
        return self._state.why_no_cluster()

    def _why_not_list(self) -> Message | None:
        """A list can be chosen before the cluster was read: keys that were typed at once after start are not lost."""
        return self._state.why_no_past()

    @action(
        "next-kind",
        "tab right",
        tr("next list"),
        tr("list the next kind: workloads, pods, nodes, events"),
        why_not=_why_not_list,
        footer=3,
    )
    def next_kind(self) -> None:
        self._state.next_kind(1)
        self._context.repaint_all()

    @action(
        "previous-kind",
        "left",
        tr("previous list"),
        tr("list the previous kind: workloads, pods, nodes, events"),
        why_not=_why_not_list,
    )
    def previous_kind(self) -> None:
        self._state.next_kind(-1)
        self._context.repaint_all()

    @action(
        "namespace",
        "o",
        tr("namespace"),
        tr("choose the namespace that is listed, or another cluster"),
        why_not=_why_not,
        footer=3,
    )
    def choose_namespace(self) -> None:
        view = self._state.cluster
        if view is not None:
            title = _("Namespace of {cluster}, or another cluster", cluster=view.name)
            choices = [*self._namespaces(view), *self._others(view)]
            self._app.push_screen(dialogs.Chooser(title, choices, wide=True, does=_("lists it")), self._take)

    def _namespaces(self, view: ClusterView) -> list[dialogs.Choice]:
        """All namespaces, and each with how much is in it and what is wrong there."""
        found: dict[str, list[Item]] = {name: [] for name in view.namespaces}
        everything: tuple[Item, ...] = (*view.workloads, *view.pods)
        for each in everything:
            found.setdefault(namespace_of(each), []).append(each)
        choices = [dialogs.Choice("namespace/", (Piece(_("all namespaces"), "strong"),), _("all namespaces"))]
        for name, items in sorted(found.items()):
            pods = sum(isinstance(each, PodView) for each in items)
            levels = Counter(level_of(each) for each in items if isinstance(each, WorkloadView))
            told = Piece(ngettext("{count} pod", "{count} pods", pods), "muted")
            row = (Piece(fit(clean(name), _NAMESPACE) + "  ", "strong"), told, *levels_text(levels, self._app.glyphs))
            choices.append(dialogs.Choice(f"namespace/{name}", row, name, names=(name,)))
        return choices

    def _others(self, view: ClusterView) -> list[dialogs.Choice]:
        choices = []
        for each in self._state.clusters:
            if each.name != view.name:
                mark = Piece(f"{self._app.glyphs.level(each.level)} ", ROLES[each.level])
                name = Piece(fit(clean(each.name), _NAMESPACE - 2) + "  ", "strong")
                row = (mark, name, *context_pieces(each))
                words = " ".join((each.name, each.context, _("cluster")))
                choices.append(dialogs.Choice(f"cluster/{each.name}", row, words, names=(each.name,)))
        return choices

    def _take(self, chosen: str | None) -> None:
        if chosen is None:
            return
        kind, _slash, name = chosen.partition("/")
        if kind == "cluster":
            self._state.choose(name)
        else:
            self._state.show_namespace(name)
        self._context.repaint_all()


class PodActions(ActionGroup):
    """What leads from a workload or a pod elsewhere, and looks at the cluster anew."""

    TASK = tr("Clusters")

    def __init__(self, context: Context) -> None:
        self._context, self._state, self._app = context, context.state, context.app

    def _why_no_logs(self) -> Message | None:
        why = self._state.why_nothing()
        if why is None and self._state.logs_of is None:
            why = tr("select a workload or a pod first")
        return why

    @action(
        "logs",
        "l",
        tr("logs"),
        tr("show the logs of all pods of the workload, or of one pod"),
        why_not=_why_no_logs,
        footer=2,
        fits=lambda self: self._state.logs_of is not None,
    )
    def show_logs(self) -> None:
        view, place = self._state.cluster, self._state.logs_of
        if view is not None and place is not None:
            self._app.go_to_logs(PODS, f"{view.name}/{place}", None)

    def _why_no_runbook(self) -> Message | None:
        why = self._state.why_nothing()
        if why is None and self._state.alert is None:
            why = tr("no alert fires about it; 4 lists all runbooks")
        return why

    @action(
        "runbook",
        "r",
        tr("runbook"),
        tr("runbooks for the alert about the selected row"),
        why_not=_why_no_runbook,
        footer=2,
    )
    def runbook(self) -> None:
        if (alert := self._state.alert) is not None:
            self._app.go_to_runbook(cause_of(alert))

    def _why_not_again(self) -> Message | None:
        return self._state.why_no_cluster()

    @action("read-again", "R", tr("refresh"), tr("look at the cluster now"), why_not=_why_not_again)
    def read_again(self) -> None:
        view, clusters = self._state.cluster, self._app.monitor.clusters
        if view is not None and clusters is not None:
            clusters.look_soon(view.name)


class _ChangeActions(ActionGroup):
    """Base of the actions that change a cluster. ``carry_out`` shows what will run, asks, and starts the job."""

    def __init__(self, context: Context, carry_out: Callable[[Act], object]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._carry_out = carry_out

    def _why_unchanged(self) -> Message | None:
        """Why nothing in the cluster can be changed."""
        why = self._state.why_nothing()
        view = self._state.cluster
        if why is not None or view is None:
            return why
        if (why := why_unchanged(self._app, host_of(self._app, view.name))) is not None:
            return why
        if self._app.monitor.clusters is None:
            return tr("no cluster was read yet")
        return tr("{name} cannot be reached now", name=view.name) if view.error is not None else None

    def _change(self, id_: str, title: str, make: Change) -> None:
        """Carries out the change that ``make`` returns."""
        view = self._state.cluster
        if view is None:
            return

        async def choose(app: Console) -> Chosen | None:
            change = await make(await cluster_place(app.config, kubectl_of(app, view.name)))
            if change is None:
                return None
            return Chosen(change.operation, request_of(change, app.monitor.backups.config_path))

        self._carry_out(Act(id_, title, "", choose))


class RolloutActions(_ChangeActions):
    """Actions that change a workload, or that of the selected pod."""

    TASK = tr("Workloads and pods")

    @property
    def _workload(self) -> Workload | None:
        found = self._state.workload
        return None if found is None else found.workload

    def _has_workload(self) -> bool:
        return self._workload is not None

    def _is_deployment(self) -> bool:
        return self._workload is not None and self._workload.kind == "Deployment"

    def _why_not(self) -> Message | None:
        why = self._why_unchanged()
        if why is None and self._workload is None:
            why = tr("select a workload first")
        return why

    def _why_no_rollout(self) -> Message | None:
        why, found = self._why_not(), self._workload
        if why is None and found is not None and found.paused:
            why = tr("its rollout is paused: resume it first")
        return why

    @action(
        "restart-workload",
        "",
        tr("restart"),
        tr("replace the pods of the workload, as its strategy allows"),
        why_not=_why_no_rollout,
        fits=_has_workload,
    )
    def restart(self) -> None:
        if (found := self._workload) is not None:
            names = found.kind, found.namespace, found.name
            self._change("restart", _("restart {name}", name=found.name),
                         lambda place: rollout_change(place, "restart", *names))  # fmt: skip

    def _why_no_undo(self) -> Message | None:
        why, found = self._why_no_rollout(), self._workload
        if why is None and found is not None and found.kind == "Deployment" and len(found.revisions) < 2:
            why = tr("{name} has no earlier revision", name=found.name)
        return why

    @action(
        "undo",
        "u",
        tr("undo"),
        tr("return the workload to an earlier revision; lists them first"),
        why_not=_why_no_undo,
        footer=9,
        fits=_has_workload,
    )
    def undo(self) -> None:
        if (found := self._workload) is not None:
            self._change("undo", _("undo {name}", name=found.name), partial(self._undo, found))

    async def _undo(self, found: Workload, place: ClusterPlace) -> ClusterChange | None:
        document = await read_workload(place.kubectl, found.kind, found.namespace, found.name)
        revisions = await read_revisions(place.kubectl, document)
        choices = []
        for each in revisions:
            name = f"{each.number:>4}  {image_text(image for _name, image in each.images)}"
            told = "  ".join(filter(None, (age_of(each.created, self._app.clock), each.cause)))
            present = tr("the present one") if each.present else None
            choices.append(choice_of(str(each.number), clean(name), clean(told), width=_CHOSEN, why_not=present))
        if all(each.present for each in revisions):
            raise UsageError(tr("{name} has no earlier revision", name=found.name))
        choices.sort(key=lambda each: not each.possible)
        title = _("Return {name} on {context} to which revision?", name=found.name, context=place.context.name)
        chosen = await one_of(self._app, title, choices)
        if chosen is None:
            return None
        return await undo_change(place, found.kind, found.namespace, found.name, int(chosen))

    def _why_no_scale(self) -> Message | None:
        why, found = self._why_not(), self._workload
        if why is None and found is not None and found.kind == "DaemonSet":
            why = tr("a DaemonSet has one pod on each node")
        return why

    @action(
        "scale",
        "",
        tr("scale"),
        tr("change how many pods the workload has"),
        why_not=_why_no_scale,
        fits=_has_workload,
    )
    def scale(self) -> None:
        if (found := self._workload) is not None:
            self._change("scale", _("scale {name}", name=found.name), partial(self._scale, found))

    async def _scale(self, found: Workload, place: ClusterPlace) -> ClusterChange | None:
        now = _("{name} on {context} has {wanted} pods, {ready} of them ready", name=found.name,
                context=place.context.name, wanted=found.wanted, ready=found.ready)  # fmt: skip
        prompt = dialogs.Prompt(
            _("Scale {name}: how many pods?", name=found.name), [(Piece(" " + clean(now)),)], check=checked_count,
            text=str(found.wanted), does=_("go on"),
        )  # fmt: skip
        answer = await self._app.push_screen_wait(prompt)
        if answer is None:
            return None
        return await scale_change(place, found.kind, found.namespace, found.name, int(answer.text))

    def _why_no_pause(self) -> Message | None:
        why, found = self._why_not(), self._workload
        if why is None and found is not None and found.kind != "Deployment":
            why = tr("only the rollout of a Deployment can be paused")
        return why

    def _pauses(self) -> Message | None:
        return tr("resume rollout") if self._workload is not None and self._workload.paused else None

    @action(
        "pause-rollout",
        "",
        tr("pause rollout"),
        tr("pause the rollout of the Deployment, or resume it"),
        why_not=_why_no_pause,
        now=_pauses,
        fits=_is_deployment,
    )
    def pause(self) -> None:
        if (found := self._workload) is not None:
            names = found.kind, found.namespace, found.name
            verb: RolloutVerb = "resume" if found.paused else "pause"
            self._change("pause", found.name, lambda place: rollout_change(place, verb, *names))

    # ---- pods ----------------------------------------------------------------------------------------------------

    def _is_pod(self) -> bool:
        return isinstance(self._state.selected, PodView)

    def _why_no_pod(self) -> Message | None:
        return self._why_unchanged() or (None if self._is_pod() else tr("select a pod first"))

    @action(
        "delete-pod",
        "",
        tr("delete pod"),
        tr("delete the selected pod; its workload makes another one"),
        why_not=_why_no_pod,
        fits=_is_pod,
    )
    def delete_pod(self) -> None:
        if isinstance(found := self._state.selected, PodView):
            pod = found.pod
            self._change("delete", pod.name, lambda place: pod_change(place, pod.namespace, pod.name))

    def _running(self) -> list[PodView]:
        """The pods of the selection that a program can be run in."""
        match self._state.selected:
            case PodView() as found:
                pods = [found]
            case WorkloadView() as of:
                pods = list(of.pods)
            case _:
                pods = []
        return [each for each in pods if any(one.state == "running" for one in each.pod.containers)]

    def _why_no_shell(self) -> Message | None:
        why = self._why_unchanged()
        if why is None and not isinstance(self._state.selected, PodView | WorkloadView):
            why = tr("select a workload or a pod first")
        if why is None and not self._running():
            why = tr("no container of it is running")
        return why

    @action(
        "shell",
        "x",
        tr("shell"),
        tr("open a shell in a container"),
        why_not=_why_no_shell,
        fits=lambda self: isinstance(self._state.selected, PodView | WorkloadView),
    )
    def shell(self) -> None:
        if (view := self._state.cluster) is not None:
            self._context.run(partial(self._shell, view, self._running()), group="shell", exclusive=True)

    async def _shell(self, view: ClusterView, pods: list[PodView]) -> None:
        places = [
            (each.pod, one.name) for each in pods for one in each.pod.containers if one.state == "running"
        ]  # fmt: skip
        at = "0"
        if len(places) > 1:
            choices = [choice_of(str(place), clean(pod.name), clean(name), width=_CHOSEN)
                       for place, (pod, name) in enumerate(places)]  # fmt: skip
            title = _("A shell on {context}: in which container?", context=view.context)
            at = await one_of(self._app, title, choices) or ""
        if not at:
            return
        pod, container = places[int(at)]
        place = await cluster_place(self._app.config, kubectl_of(self._app, view.name))
        await place.kubectl.confirm(view.context or None)
        host, words = host_of(self._app, view.name), exec_argv(place, pod.namespace, pod.name, container)
        config = host_config(self._app, host)
        argv = terminal_argv(host, config, self._app.config.ssh, words, {})
        heard, began_s = bytearray(), time.monotonic()
        status = self._app.step_aside_for(argv, None if config.local else heard)
        lasted_s = time.monotonic() - began_s
        if status is not None and (why := shell_failure(pod.name, argv, status, heard, lasted_s)) is not None:
            self._app.tell(LilFoxError(why))


class NodeActions(_ChangeActions):
    """Actions that change a node."""

    TASK = tr("Nodes")

    @property
    def _node(self) -> NodeView | None:
        return found if isinstance(found := self._state.selected, NodeView) else None

    def _is_node(self) -> bool:
        return self._node is not None

    def _why_not(self) -> Message | None:
        return self._why_unchanged() or (None if self._is_node() else tr("select a node first"))

    def _cordons(self) -> Message | None:
        return tr("uncordon") if self._node is not None and self._node.node.cordoned else None

    @action(
        "cordon",
        "",
        tr("cordon"),
        tr("place no new pods on the node, or place them again"),
        why_not=_why_not,
        now=_cordons,
        fits=_is_node,
    )
    def cordon(self) -> None:
        if (found := self._node) is not None:
            name, cordoned = found.node.name, found.node.cordoned
            self._change("cordon", name, lambda place: node_change(place, "uncordon" if cordoned else "cordon", name))

    @action(
        "drain",
        "",
        tr("drain"),
        tr("cordon the node and evict its pods; shows first which"),
        why_not=_why_not,
        fits=_is_node,
    )
    def drain(self) -> None:
        if (found := self._node) is not None:
            self._change("drain", found.node.name, partial(self._drain, found.node.name))

    async def _drain(self, name: str, place: ClusterPlace) -> ClusterChange | None:
        try:
            return await drain_change(place, name)
        except NotAllowed as error:
            lost = str(error.message)
        choices = [
            choice_of("keep", _("go back"), _("nothing is changed"), width=_CHOSEN),
            choice_of("lose", _("drain it all the same"), _("these pods or their data are lost"), width=_CHOSEN),
        ]
        if await one_of(self._app, clean(lost), choices) != "lose":
            return None
        return await drain_change(place, name, lose=True)


def host_of(app: Console, cluster: str) -> str:
    """The name of the host whose kubectl is asked, as jobs call it."""
    found = app.config.clusters.get(cluster)
    named = None if found is None else found.from_
    return named or next((name for name, host in app.config.hosts.items() if host.local), HERE)


def kubectl_of(app: Console, cluster: str) -> Kubectl:
    """kubectl for a cluster, as the monitor asks it. Raises LilFoxError before the first look."""
    if app.monitor.clusters is None:
        raise LilFoxError(tr("no cluster was read yet"))
    return app.monitor.clusters.kubectl(cluster)


def checked_count(text: str) -> str:
    """Return a number of pods as it was entered. Raises UsageError."""
    number = text.strip()
    if not (number.isascii() and number.isdigit() and len(number) < 6 and int(number) <= MOST_REPLICAS):
        raise UsageError(tr("enter a number between 0 and {most}", most=MOST_REPLICAS))
    return number
