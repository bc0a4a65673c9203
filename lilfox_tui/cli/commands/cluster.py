"""``lilfox cluster``: lists and changes Kubernetes clusters. Each change is shown, confirmed, made by kubectl in a job,
and proved by the cluster's objects."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import TypeVar

from lilfox_tui.cli.cluster_list import add_list_arguments, run_list
from lilfox_tui.cli.job_output import follow_job
from lilfox_tui.cli.main import Subcommand, subcommands
from lilfox_tui.cli.output import Cell, ask_line, print_line, print_table, shape
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.clusters.kubectl import Kubectl
from lilfox_tui.config.loader import LoadedConfig
from lilfox_tui.config.model import Config, HostConfig, refuse_change
from lilfox_tui.core.errors import NotAllowed, UsageError
from lilfox_tui.core.i18n import _, listed, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.hosts.open import open_host
from lilfox_tui.hosts.ssh.openssh import terminal_argv
from lilfox_tui.jobs.start import start
from lilfox_tui.metrics.model import Level
from lilfox_tui.operations.cluster_job import request_of
from lilfox_tui.operations.cluster_objects import RolloutRevision, read_revisions, read_workload
from lilfox_tui.operations.clusters import (
    DRAIN_S,
    ClusterChange,
    ClusterPlace,
    RolloutVerb,
    cluster_place,
    drain_change,
    exec_argv,
    image_change,
    job_host,
    node_change,
    pod_change,
    rollout_change,
    scale_change,
    undo_change,
    undo_line,
)

_RESOURCE = tr("a workload: deployment/web, statefulset/db, daemonset/agent; web is deployment/web")
Shown = Callable[[ClusterPlace, argparse.Namespace], Awaitable[ClusterChange]]
T = TypeVar("T")
Adds = Callable[[argparse.ArgumentParser], None]


def _adds(*more: Adds, namespaced: bool = True, changes: bool = True) -> Adds:
    """What adds the arguments that actions have in common, and ``more`` before them."""

    def add(parser: argparse.ArgumentParser) -> None:
        for each in more:
            each(parser)
        if namespaced:
            parser.add_argument(
                "-n", "--namespace", default="", metavar="NAME", help=_("default: that of the context, else default")
            )
        parser.add_argument(
            "--cluster", default="", metavar="NAME", help=_("a cluster of the configuration; default: the only one")
        )
        parser.add_argument(
            "--context", default="", metavar="NAME",
            help=_("the context that you mean: any other is refused; with --yes it confirms a change in production"),
        )  # fmt: skip
        if changes:
            parser.add_argument("--dry-run", action="store_true", help=_("only show what would happen"))
            parser.add_argument("--yes", action="store_true", help=_("do not ask for confirmation"))

    return add


def _resource(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("resource", metavar="WORKLOAD", help=str(_RESOURCE))


def _revision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", metavar="REVISION", type=int, help=_("its number: see lilfox cluster history"))


def _count(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("count", metavar="COUNT", type=int, help=_("how many pods it is to have"))


def _image(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", help=_("the new image, with its tag or digest"))
    _container(parser)


def _container(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--container", default="", metavar="NAME", help=_("needed where there are several"))


def _node(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", metavar="NODE", help=_("the name of a node"))


def _drain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", type=duration, default=DRAIN_S, metavar="DURATION", help=_("how long kubectl waits for the pods")
    )
    parser.add_argument(
        "--lose", action="store_true",
        help=_("also evict pods that do not come back, and delete data in emptyDir volumes"),
    )  # fmt: skip


def _pod(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pod", metavar="POD", help=_("the name of a pod"))


def _program(parser: argparse.ArgumentParser) -> None:
    _container(parser)
    parser.add_argument(
        "--run", dest="program", default="", metavar="COMMAND",
        help=_("a program with its arguments, quoted as for a shell; default: a shell"),
    )  # fmt: skip


# Which cluster.


def _cluster(config: Config, args: argparse.Namespace) -> str:
    """The name of the cluster that is meant. Raises UsageError."""
    if not config.clusters:
        raise UsageError(tr("the configuration names no clusters"), tr("Add clusters: to it (docs/kubernetes.md)."))
    if args.cluster and args.cluster not in config.clusters:
        raise UsageError(tr("{name}: no such cluster in the config", name=args.cluster),
                         tr("one of: {names}", names=listed(config.clusters)))  # fmt: skip
    if not args.cluster and len(config.clusters) > 1:
        raise UsageError(tr("the configuration names several clusters"),
                         tr("Add --cluster: one of {names}", names=listed(config.clusters)))  # fmt: skip
    return str(args.cluster or next(iter(config.clusters)))


async def _at(config: Config, args: argparse.Namespace, ask: Callable[[ClusterPlace], Awaitable[T]]) -> T:
    """What ``ask`` returns for the cluster that is meant."""
    name = _cluster(config, args)
    on = job_host(config, name)
    host = open_host(on, config.hosts.get(on, HostConfig(local=True)), config.ssh)
    try:
        place = await cluster_place(config, Kubectl(host, name, config.clusters[name]))
        if args.context and args.context != place.context.name:
            raise NotAllowed(
                tr("cluster {cluster} is the context {known}, not {context}", cluster=name, known=place.context.name,
                   context=args.context),
                tr("Nothing was changed. Choose the cluster whose context you mean."),
            )  # fmt: skip
        return await ask(place)
    finally:
        await host.close()


def _namespace(place: ClusterPlace, args: argparse.Namespace) -> str:
    return str(args.namespace or place.context.namespace or "default")


def _workload(place: ClusterPlace, args: argparse.Namespace) -> tuple[str, str, str]:
    kind, slash, name = args.resource.partition("/")
    return (kind, _namespace(place, args), name) if slash else ("deployment", _namespace(place, args), kind)


# Changes.


def _changes(ask: Shown) -> Callable[[argparse.Namespace], int]:
    """What runs an action that changes the cluster."""

    def run(args: argparse.Namespace) -> int:
        loaded = load_settings(args)
        name = _cluster(loaded.config, args)
        if not args.dry_run:
            refuse_change(loaded.config, (job_host(loaded.config, name),))
        change = asyncio.run(_at(loaded.config, args, lambda place: ask(place, args)))
        _print_change(change)
        if args.dry_run:
            return 0
        if not _is_confirmed(change, args):
            print_line(_("nothing was changed"))
            return 1
        return follow_job(start(request_of(change, _path(loaded))))

    return run


def _path(loaded: LoadedConfig) -> str | None:
    return None if loaded.path is None else str(loaded.path.absolute())


def _print_change(change: ClusterChange) -> None:
    """Prints what will run, where, what it changes, and what takes it back."""
    operation = change.operation
    print_line(operation.title)
    rows = [(_("host"), operation.host), *((_("runs"), line) for line in operation.shown)]
    rows += [(_("changes"), line) for line in operation.changes]
    if line := undo_line(operation):
        rows.append((_("undo"), line))
    print_table([[Cell(label), Cell(text, folds=True)] for label, text in rows])


def _is_confirmed(change: ClusterChange, args: argparse.Namespace) -> bool:
    """Whether the change is confirmed: in production, and where something goes down, with the name of the context.
    Raises UsageError if nobody can be asked."""
    word = change.operation.confirm
    if args.yes and (not word or args.context == word):
        return True
    if args.yes or not sys.stdin.isatty():
        raise UsageError(
            tr("{title}: nobody has confirmed it, and nothing was changed", title=change.operation.title),
            tr("add --yes and --context {context}", context=word) if word else tr("add --yes"),
        )
    question = tr("To confirm, type yes:")
    if word:
        question = tr("To confirm, type the name of the context, {context}:", context=word)
    return (ask_line(question) or "").strip() == (word or "yes")


def _rollout(verb: RolloutVerb) -> Shown:
    return lambda place, args: rollout_change(place, verb, *_workload(place, args))


# What changes nothing.


def _history(args: argparse.Namespace) -> int:
    """Lists the revisions of a workload."""

    async def ask(place: ClusterPlace) -> tuple[RolloutRevision, ...]:
        return await read_revisions(place.kubectl, await read_workload(place.kubectl, *_workload(place, args)))

    revisions = asyncio.run(_at(load_settings(args).config, args, ask))
    print_table(_revision_rows(revisions, datetime.now(UTC)))
    return 0


def _revision_rows(revisions: tuple[RolloutRevision, ...], now: datetime) -> Iterator[list[Cell]]:
    if not revisions:
        yield [shape(Level.UNKNOWN), Cell(_("no revisions are kept"))]
    for each in revisions:
        age = "" if each.created is None else human_duration(round(max(0.0, (now - each.created).total_seconds())))
        images = "  ".join(f"{name}={image}" for name, image in each.images)
        yield [
            Cell(str(each.number), right=True), Cell(_("now") if each.present else ""), Cell(age, right=True),
            Cell(images, folds=True), Cell(each.cause, folds=True),
        ]  # fmt: skip


def _exec(args: argparse.Namespace) -> int:
    """Prints the command that runs a program in a container, for a shell."""
    try:
        words = shlex.split(args.program)
    except ValueError as error:
        raise UsageError(tr("{command}: {reason}", command=args.program, reason=str(error))) from None
    config = load_settings(args).config
    name = job_host(config, _cluster(config, args))

    async def ask(place: ClusterPlace) -> tuple[str, ...]:
        return exec_argv(place, _namespace(place, args), args.pod, args.container, words)

    argv = asyncio.run(_at(config, args, ask))
    print_line(shlex.join(terminal_argv(name, config.hosts.get(name, HostConfig(local=True)), config.ssh, argv, {})))
    return 0


_ACTIONS = {
    "list": Subcommand(
        tr("list workloads, pods, nodes and events, worst first"), add_list_arguments, run_list,
    ),
    "history": Subcommand(
        tr("list the revisions of a workload"), _adds(_resource, changes=False), _history,
    ),
    "restart": Subcommand(
        tr("restart a workload, pod by pod"), _adds(_resource), _changes(_rollout("restart")),
    ),
    "image": Subcommand(
        tr("update a container of a workload to another image"), _adds(_resource, _image),
        _changes(lambda place, args: image_change(place, *_workload(place, args), args.image, args.container)),
    ),
    "undo": Subcommand(
        tr("return a workload to an earlier revision"), _adds(_resource, _revision),
        _changes(lambda place, args: undo_change(place, *_workload(place, args), args.revision)),
    ),
    "scale": Subcommand(
        tr("change how many pods a workload has"), _adds(_resource, _count),
        _changes(lambda place, args: scale_change(place, *_workload(place, args), args.count)),
    ),
    "pause": Subcommand(
        tr("pause the rollout of a Deployment"), _adds(_resource), _changes(_rollout("pause")),
    ),
    "resume": Subcommand(
        tr("resume the rollout of a Deployment"), _adds(_resource), _changes(_rollout("resume")),
    ),
    "cordon": Subcommand(
        tr("let a node accept no new pods"), _adds(_node, namespaced=False),
        _changes(lambda place, args: node_change(place, "cordon", args.node)),
    ),
    "uncordon": Subcommand(
        tr("let a node accept pods again"), _adds(_node, namespaced=False),
        _changes(lambda place, args: node_change(place, "uncordon", args.node)),
    ),
    "drain": Subcommand(
        tr("cordon a node and evict its pods"), _adds(_node, _drain, namespaced=False),
        _changes(lambda place, args: drain_change(place, args.node, timeout_s=args.timeout, lose=args.lose)),
    ),
    "delete-pod": Subcommand(
        tr("delete a pod; what controls it makes another one"), _adds(_pod),
        _changes(lambda place, args: pod_change(place, _namespace(place, args), args.pod)),
    ),
    "exec": Subcommand(
        tr("print the command that runs a program in a container"), _adds(_pod, _program, changes=False), _exec,
    ),
}  # fmt: skip

add_arguments, run = subcommands(_ACTIONS)
