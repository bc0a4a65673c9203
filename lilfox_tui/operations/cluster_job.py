"""The job of an operation on a cluster: what was shown still holds, the change is made by kubectl, and the objects of
the cluster prove what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from lilfox_tui.clusters.kubectl import ClusterError, Kubectl
from lilfox_tui.clusters.model import Pod
from lilfox_tui.clusters.objects import moment_of, part, pod_of, selector_text, text_of, whole
from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import CommandFailed, NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, _, clauses, ngettext, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.jobs.model import JobRequest, Outcome, Run
from lilfox_tui.operations.cluster_objects import (
    DrainPlan,
    condition,
    patience_s,
    read_drain,
    read_object,
    read_revisions,
    rollout_state,
    template_images,
    wanted_replicas,
)
from lilfox_tui.operations.clusters import ClusterChange, obstacle_key, undo_line
from lilfox_tui.operations.job import NotProved, make_change, opened_host
from lilfox_tui.operations.model import SETTLES_S, Operation

_LOOKS_S = 1.0
_WAITS_S, _TRIES_S = 600.0, 5.0
"""For an API server that does not answer, and between two tries."""
_TELLS_S = 10.0
"""A rollout may be without progress for so long before the reasons of its pods are told."""
_SLACK_S = 15.0
"""Beyond its progress deadline, before a rollout that Kubernetes does not give up is given up here."""
_ENDED_BY_SIGNAL = 128
_NAMED = 3
"""So many pods are named of those that are not ready."""

T = TypeVar("T")


class ClusterRequest(Struct, frozen=True):
    """``JobRequest.arguments``. ``config``: the path of the configuration, None for none."""

    config: str | None
    change: ClusterChange


def request_of(change: ClusterChange, config: str | None) -> JobRequest:
    """Return the request for a job that makes ``change``; ``config`` is the path of the configuration."""
    operation = change.operation
    return JobRequest(
        entry=f"{__name__}:run",
        kind=operation.kind,
        title=operation.title,
        key=operation.key,
        arguments=msgspec.to_builtins(ClusterRequest(config, change)),
    )


async def run(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Make one operation on a cluster, as a job."""
    asked = msgspec.convert(arguments, ClusterRequest)
    config = Config() if asked.config is None else load(Path(asked.config)).config
    change = asked.change
    found = config.clusters.get(change.cluster)
    if found is None:
        raise UsageError(tr("there is no cluster {name} in the configuration", name=change.cluster))
    host = opened_host(config, change.operation.host)
    proof = ClusterProof(run, Kubectl(host, change.cluster, found), change)
    try:
        await proof.check()
        return Outcome("ok", await make_change(run, host, change.operation, proof=proof))
    except NotProved as error:
        return error.outcome
    finally:
        await host.close()


class ClusterProof:
    """Looks whether a change may still be made, and what came of it."""

    def __init__(
        self, run: Run, kubectl: Kubectl, change: ClusterChange, *, settles_s: float = SETTLES_S,
        looks_s: float = _LOOKS_S, tries_s: float = _TRIES_S, tells_s: float = _TELLS_S,
    ) -> None:  # fmt: skip
        self._run, self._kubectl, self._change = run, kubectl, change
        self._settles_s, self._looks_s, self._tries_s, self._tells_s = settles_s, looks_s, tries_s, tells_s
        self.lasts = False

    @property
    def _host(self) -> str:
        return self._kubectl.host.name

    # ---- before ------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Raise NotAllowed unless the context still leads to the cluster that was shown, and the object is the one
        that was shown; UsageError, ClusterError, HostError."""
        change, kubectl = self._change, self._kubectl
        known = await kubectl.confirm(change.context)
        if known.server != change.server:
            raise NotAllowed(
                tr("the context {context} led to {before} when this was shown, and leads to {now} now",
                   context=change.context, before=change.server, now=known.server),
                tr("Nothing was changed. Check the kubeconfig."),
            )  # fmt: skip
        words = kubectl.argv()
        if change.operation.argv[: len(words)] != words:
            raise NotAllowed(
                tr("{command} does not lead to the cluster {cluster} as it is configured now",
                   command=change.operation.command, cluster=change.cluster),
                tr("Nothing was changed. Choose the operation again."),
            )  # fmt: skip
        found = await self._target()
        if found is None:
            raise self._otherwise(tr("{resource} is gone", resource=change.target.resource))
        if text_of(found, "metadata", "uid") != change.target.uid:
            raise self._otherwise(tr("{resource} is another one now", resource=change.target.resource))
        if change.revision is not None:
            await self._check_revision({**found, "kind": change.target.kind})
        if change.operation.kind == "drain":
            self._check_drain(await read_drain(kubectl, change.target.name))

    async def _check_revision(self, workload: Mapping[str, Any]) -> None:
        revisions = await read_revisions(self._kubectl, workload)
        wanted = next((each for each in revisions if each.number == self._change.revision), None)
        if wanted is None or wanted.name != self._change.revision_name or wanted.present:
            raise self._otherwise(tr("revision {number} is not what it was", number=self._change.revision))

    def _check_drain(self, plan: DrainPlan) -> None:
        more = [
            each for each in plan.of("no controller", "emptyDir") if obstacle_key(each) not in self._change.obstacles
        ]
        if more:
            raise self._otherwise(more[0].text)

    def _otherwise(self, why: Message) -> NotAllowed:
        return NotAllowed(
            tr("{context} is not as it was when this was shown: {why}", context=self._change.context, why=why),
            tr("Nothing was changed. Choose the operation again."),
        )

    # ---- afterwards --------------------------------------------------------------------------------------------

    async def failed(self, host: Host, operation: Operation, status: int | None, said: str) -> CommandFailed | None:
        """Return why the command failed; None if the change is there all the same, and is to be looked at. Raises
        NotProved if the cluster does not tell, HostError."""
        error = self._kubectl.fault_of(status, said.encode())
        failure = CommandFailed(host.name, error.message, error.hint, outcome=status, stderr=said)
        if operation.kind == "drain":
            return await self._not_drained(host, failure)
        if error.fault != "unreachable" and not said.rstrip().endswith("EOF") and (status or 0) <= _ENDED_BY_SIGNAL:
            return failure
        self._run.say(str(error.message), "warning")
        if not await self._look(self._is_there):
            return failure
        self._run.say(_("the API server accepted the change nevertheless"))
        return None

    async def _not_drained(self, host: Host, failure: CommandFailed) -> CommandFailed:
        node = self._change.target.name
        plan = await self._look(lambda: read_drain(self._kubectl, node))
        self.lasts = plan.cordoned
        left = clauses(plan.evicted[:_NAMED]) or "-"
        held = clauses(str(each.text) for each in plan.of("budget")[:_NAMED])
        state = (
            _("node {node} is cordoned; still there: {pods}", node=node, pods=left)
            if plan.cordoned
            else _("node {node} is not cordoned", node=node)
        )
        return CommandFailed(
            host.name,
            tr("{message}; {state}", message=failure.message, state=clauses([state, *([held] if held else [])])),
            self._back() or failure.hint,
            outcome=failure.outcome,
            stderr=failure.stderr,
        )

    async def _is_there(self) -> bool:
        """Whether the cluster has what the command was to make."""
        found = await self._target()
        kind, change = self._change.operation.kind, self._change
        if found is None or self._is_another(found):
            return kind == "delete pod"
        if kind == "delete pod":
            return moment_of(found, "metadata", "deletionTimestamp") is not None
        if kind in ("cordon", "uncordon"):
            return _is_cordoned(found) is (kind == "cordon")
        return whole(found, "metadata", "generation") > change.generation

    async def proved(self, operation: Operation) -> str:
        """Return what came of it, in a sentence. Raises CommandFailed if that is not what was wanted, NotProved if the
        cluster does not tell, HostError."""
        self.lasts = True
        name = self._change.target.name
        if operation.kind in ("cordon", "uncordon", "drain"):
            return await self._of_node(operation)
        if operation.kind == "delete pod":
            return await self._deleted()
        found = await self._changed_workload()
        if operation.kind != "pause rollout":
            return await self._rolled_out(self._changed_workload)
        if part(found, "spec").get("paused") is not True:
            raise self._not_so(_("the rollout of {name} is not paused", name=name))
        return _("the rollout of {name} is paused", name=name)

    async def _changed_workload(self) -> dict[str, Any]:
        """The workload. Raises CommandFailed unless it has the change, and still asks for what it was to ask for."""
        change, name, workload = self._change, self._change.target.name, await self._workload()
        if whole(workload, "metadata", "generation") <= change.generation:
            self.lasts = False
            raise self._not_so(_("the cluster does not have the change"))
        if change.replicas is not None and wanted_replicas(workload) != change.replicas:
            count = wanted_replicas(workload)
            raise self._not_so(_("{name} was scaled to {count} in the meantime", name=name, count=count))
        if change.images and template_images(part(workload, "spec", "template")) != change.images:
            raise self._not_so(_("the images of {name} were changed in the meantime", name=name))
        return workload

    async def _of_node(self, operation: Operation) -> str:
        node = self._change.target.name
        found = await self._look(self._target)
        if found is None:
            raise self._not_so(_("node {node} is gone", node=node))
        cordoned = _is_cordoned(found)
        if cordoned is (operation.kind == "uncordon"):
            raise self._not_so(
                _("node {node} is cordoned", node=node) if cordoned else _("node {node} is not cordoned", node=node)
            )
        if operation.kind == "drain":
            plan = await self._look(lambda: read_drain(self._kubectl, node))
            if plan.evicted:
                left = clauses(plan.evicted[:_NAMED])
                raise self._not_so(_("node {node} is cordoned; still there: {pods}", node=node, pods=left))
            return _("node {node} is cordoned and has no pods left that can be evicted", node=node)
        return _("node {node} is cordoned", node=node) if cordoned else _("node {node} accepts pods again", node=node)

    # ---- pods --------------------------------------------------------------------------------------------------

    async def _deleted(self) -> str:
        """Wait until the pod is gone, and what controls it is as it should be."""
        target, loop = self._change.target, asyncio.get_running_loop()
        found = await self._look(self._target)
        grace_s = int(part(found, "metadata").get("deletionGracePeriodSeconds") or 30)
        last_s = loop.time() + grace_s + _SLACK_S
        owner = self._change.owner
        while found is not None and not self._is_another(found):
            if loop.time() > last_s:
                raise self._not_so(_("pod {name} is still terminating", name=target.name))
            await asyncio.sleep(self._looks_s)
            found = await self._look(self._target)
        gone = _("pod {name} is gone", name=target.name)
        if not owner:
            return gone

        async def workload() -> dict[str, Any]:
            there = await self._look(lambda: read_object(self._kubectl, owner, target.namespace))
            if there is None:
                raise self._not_so(_("{resource} is gone", resource=owner))
            return there

        return clauses([gone, await self._rolled_out(workload, strict=False)])

    # ---- rollouts ----------------------------------------------------------------------------------------------

    async def _rolled_out(self, look: Callable[[], Awaitable[dict[str, Any]]], *, strict: bool = True) -> str:
        """Wait until the workload is rolled out, and stays so for ``settles_s``; without ``strict`` it may take several
        times."""
        loop, told, since_s, explained = asyncio.get_running_loop(), "", 0.0, False
        while True:
            workload = await look()
            state = rollout_state(workload)
            if state.done and (proved := await self._settled(look, workload, strict=strict)):
                return proved
            if state.failure:
                raise await self._stuck(workload, state.failure)
            if state.text != told:
                told, since_s = state.text, loop.time()
                self._run.say(told)
            elif loop.time() - since_s > self._tells_s and not explained:
                explained = True
                for words in (await self._reasons(workload))[:_NAMED]:
                    self._run.say(words, "warning")
            elif loop.time() - since_s > patience_s(workload) + _SLACK_S:
                why = _("no progress for {seconds:.0f} s: {state}", seconds=loop.time() - since_s, state=told)
                raise await self._stuck(workload, why)
            await asyncio.sleep(self._looks_s)

    async def _settled(
        self, look: Callable[[], Awaitable[dict[str, Any]]], workload: Mapping[str, Any], *, strict: bool
    ) -> str:
        """The state in a sentence; empty if it is to be waited for again: another number of pods is wanted by now."""
        wanted, loop = wanted_replicas(workload), asyncio.get_running_loop()
        began_s, first = loop.time(), await self._pods(workload)
        self._run.say(_("checking that it stays so for {seconds:g} s", seconds=self._settles_s))
        while (after_s := loop.time() - began_s) < self._settles_s:
            await asyncio.sleep(min(self._looks_s, self._settles_s - after_s))
            workload = await look()
            state = rollout_state(workload)
            if not state.done and (wanted_replicas(workload) != wanted or not strict):
                return ""
            if not state.done:
                why = _("it was rolled out for {seconds:.0f} s, then: {state}", seconds=loop.time() - began_s,
                        state=state.failure or state.text)  # fmt: skip
                raise await self._stuck(workload, why)
        before = {each.uid: each.restarts for each in first}
        again = [each for each in await self._pods(workload) if each.restarts > before.get(each.uid, each.restarts)]
        if again:
            raise await self._stuck(
                workload,
                _("pods were restarted within {seconds:g} s: {names}", seconds=self._settles_s,
                  names=clauses(each.name for each in again[:_NAMED])),
            )  # fmt: skip
        name = _resource(workload)
        return _("{name} is rolled out: {state}", name=name, state=rollout_state(workload).text)

    async def _stuck(self, workload: Mapping[str, Any], why: str) -> CommandFailed:
        """The error for a rollout that does not come to its end, with the reasons of its pods."""
        reasons = await self._reasons(workload)
        more = len(reasons) - _NAMED
        shown = reasons[:_NAMED]
        if more > 0:
            shown.append(ngettext("{count} more pod is not ready", "{count} more pods are not ready", more))
        return self._not_so(clauses([why, *shown]))

    async def _reasons(self, workload: Mapping[str, Any]) -> list[str]:
        """Why a workload has not all of its pods ready, a line each."""
        failure = text_of(condition(workload, "ReplicaFailure"), "message")
        words = [pod_words(each) for each in await self._pods(workload)]
        return [each for each in (failure, *words) if each]

    async def _pods(self, workload: Mapping[str, Any]) -> list[Pod]:
        """The pods of a workload, the newest first."""
        selector = selector_text(part(workload, "spec", "selector"))
        namespace = text_of(workload, "metadata", "namespace")
        if not selector:
            return []
        found = await self._look(lambda: self._kubectl.get(["pods"], namespace, f"--selector={selector}"))
        pods = [pod_of(each, {}) for each in found]
        return sorted(pods, key=lambda each: "" if each.created is None else each.created.isoformat(), reverse=True)

    # ---- looking -----------------------------------------------------------------------------------------------

    async def _target(self) -> dict[str, Any] | None:
        target = self._change.target
        return await read_object(self._kubectl, target.resource, target.namespace or None)

    async def _workload(self) -> dict[str, Any]:
        found = await self._look(self._target)
        if found is None:
            raise self._not_so(_("{resource} is gone", resource=self._change.target.resource))
        if self._is_another(found):
            raise self._not_so(_("{resource} is another one now", resource=self._change.target.resource))
        return found

    def _is_another(self, found: Mapping[str, Any]) -> bool:
        return text_of(found, "metadata", "uid") != self._change.target.uid

    async def _look(self, look: Callable[[], Awaitable[T]]) -> T:
        """Return what a look finds. Waits for an API server that does not answer; raises NotProved if it stays away, or
        does not tell."""
        last_s = asyncio.get_running_loop().time() + _WAITS_S
        while True:
            try:
                return await look()
            except (ClusterError, UsageError) as error:
                waits = isinstance(error, ClusterError) and error.fault == "unreachable"
                if not waits or asyncio.get_running_loop().time() > last_s:
                    raise NotProved(
                        tr("{host}: the outcome of “{command}” is unknown: {why}", host=self._host,
                           command=self._change.operation.command, why=error.message),
                        error.hint,
                    ) from None  # fmt: skip
                self._run.say(str(error.message), "warning")
                await asyncio.sleep(self._tries_s)

    def _not_so(self, state: str) -> CommandFailed:
        return CommandFailed(
            self._host,
            tr("{title}: {state}", title=self._change.operation.title, state=state),
            self._back(),
            outcome=None,
            stderr="",
        )  # fmt: skip

    def _back(self) -> Message | str:
        line = undo_line(self._change.operation)
        return tr("To undo it: {command}", command=line) if line else ""


def _is_cordoned(node: Mapping[str, Any]) -> bool:
    return part(node, "spec").get("unschedulable") is True


def _resource(workload: Mapping[str, Any]) -> str:
    return f"{text_of(workload, 'kind').lower()}/{text_of(workload, 'metadata', 'name')}"


def pod_words(pod: Pod) -> str:
    """Why a pod is not ready, in a line; empty if it is, or has done its work."""
    if pod.ready or pod.status in ("Completed", "Terminating") or pod.phase == "Succeeded":
        return ""
    words = [pod.status]
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False" and scheduled.message:
        words.append(scheduled.message)
    for each in pod.containers:
        end = each.latest_end
        if each.ready or (end is not None and end.exit_code == 0 and each.init):
            continue
        if end is not None and end.exit_code is not None:
            reason = "" if end.reason in ("", "Error", pod.status) else f"{end.reason}, "
            words.append(_("{name} ended with {reason}exit code {code}", name=each.name, reason=reason,
                           code=end.exit_code))  # fmt: skip
        elif each.message:
            words.append(each.message)
        elif each.state == "running":
            words.append(_("{name} is not ready", name=each.name))
    if pod.restarts:
        words.append(ngettext("{count} restart", "{count} restarts", pod.restarts))
    return f"{pod.name}: " + ", ".join(dict.fromkeys(words))
