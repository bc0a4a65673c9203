"""``lilfox containers``: the containers of all hosts, worst first: state, health, restarts, use and limits."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from lilfox_tui.cli.output import Cell, print_json, print_table, shape
from lilfox_tui.cli.parser import duration, load_settings
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.containers.model import (
    Container,
    ContainerView,
    EngineView,
    cpu_text,
    image_text,
    memory_text,
    state_text,
)
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, clauses, listed, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import level_name
from lilfox_tui.monitor.export_sections import iso
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``containers``."""
    parser.add_argument("hosts", nargs="*", metavar="HOST", help=_("only these hosts; all when not given"))
    parser.add_argument("--project", metavar="NAME", help=_("only the containers of this Compose project"))
    parser.add_argument("--label", metavar="NAME[=VALUE]", help=_("only the containers with this label"))
    parser.add_argument("--json", action="store_true", help=_("print the result as one JSON document"))
    parser.add_argument("--json-schema", action="store_true", help=_("print the JSON schema of that document and exit"))
    parser.add_argument(
        "--timeout", type=duration, default=15.0, metavar="DURATION", help=_("time limit for all checks together")
    )


def run(args: argparse.Namespace) -> int:
    """Lists the containers; 1 if one of them or an engine fails."""
    if args.json_schema:
        print_schema("containers")
        return 0
    config = load_settings(args).config
    if unknown := [name for name in args.hosts if name not in config.hosts]:
        raise UsageError(tr("{host}: no such host in the config", host=unknown[0]),
                         tr("one of: {names}", names=listed(config.hosts) or "-"))  # fmt: skip
    hosts = {name: each for name, each in config.hosts.items() if not args.hosts or name in args.hosts}
    alone = msgspec.structs.replace(
        config, hosts=hosts, services={}, backends={}, scrape={}, prometheus_config=None, rules=(), recovery={}
    )
    overview = asyncio.run(Monitor(alone).check_once(args.timeout))
    engines = [_selected(each, args) for each in sorted_engines(overview)]
    if args.json:
        print_json(containers_document(overview, engines))
    else:
        print_table(_rows(overview, engines))
    levels = [each.worst for each in engines]
    down = any(view.summary is None for view in overview.hosts.values())
    return 1 if down or Level.FAILING in levels else 0


def sorted_engines(overview: Overview) -> list[EngineView]:
    """The engines of all hosts, in the order of the configuration."""
    return [each for name in overview.hosts for each in overview.containers.get(name, ())]


def _selected(engine: EngineView, args: argparse.Namespace) -> EngineView:
    name, has_value, value = (args.label or "").partition("=")

    def wanted(container: Container) -> bool:
        labels = dict(container.labels)
        return (args.project is None or container.project == args.project) and (
            not name or (name in labels and (not has_value or labels[name] == value))
        )

    return msgspec.structs.replace(
        engine, containers=tuple(each for each in engine.containers if wanted(each.container))
    )


def _rows(overview: Overview, engines: list[EngineView]) -> Iterator[list[Cell]]:
    for host in overview.hosts.values():
        if host.summary is None:
            yield [shape(host.level), Cell(host.name), Cell(""), Cell(clauses(map(str, host.reasons)))]
    views = [(each.level, engine, each) for engine in engines for each in engine.containers]
    views.sort(key=lambda each: -each[0])
    for engine in engines:
        if engine.error is not None:
            yield [shape(engine.level), Cell(engine.host), Cell(engine.place), Cell(clauses(map(str, engine.reasons)))]
    for _level, _engine, view in views:
        yield _row(view, overview.at)
    if not views and not any(each.error for each in engines) and all(host.summary for host in overview.hosts.values()):
        yield [shape(Level.UNKNOWN), Cell(_("no containers were found"))]


def _row(view: ContainerView, now: datetime) -> list[Cell]:
    container = view.container
    return [
        shape(view.level), Cell(view.host), Cell(container.name), Cell(state_text(container, now)),
        Cell(image_text(container, now)), Cell(cpu_text(view), right=True), Cell(memory_text(view), right=True),
        Cell(" ".join(port.text for port in container.ports if port.host_port)), Cell(container.project),
        Cell(clauses(map(str, view.reasons)), folds=True),
    ]  # fmt: skip


def containers_document(overview: Overview, engines: list[EngineView]) -> dict[str, Any]:
    """The document of ``--json``. Sizes are bytes, times ISO 8601, CPU is in cores; null is not known."""
    return {
        "timestamp": iso(overview.at),
        "hosts": {
            name: {"reached": view.summary is not None, "reasons": [str(reason) for reason in view.reasons]}
            for name, view in overview.hosts.items()
        },
        "engines": [
            {
                "host": each.host,
                "place": each.place,
                "version": each.version,
                "level": level_name(each.level),
                "reasons": [str(reason) for reason in each.reasons],
                "containers": [_document(view) for view in each.containers],
            }
            for each in engines
        ],
    }


def _document(view: ContainerView) -> dict[str, Any]:
    container, usage, rates = view.container, view.usage, view.rates
    times = {"created": container.created, "started": container.started, "finished": container.finished}
    return {
        "id": container.id,
        "name": container.name,
        "level": level_name(view.level),
        "reasons": [str(reason) for reason in view.reasons],
        "image": container.image,
        "image_id": container.image_id,
        "image_created": None if container.image_created is None else iso(container.image_created),
        "state": container.state,
        "health": container.health or None,
        "restarts": container.restarts,
        "recent_restarts": view.recent_restarts,
        "exit_code": container.exit_code,
        "oom_killed": container.oom_killed,
        "error": container.error or None,
        **{name: None if at is None else iso(at) for name, at in times.items()},
        "cpu_cores": rates.cpu,
        "cpu_limit": container.cpu_limit,
        "memory_bytes": usage.memory,
        "memory_limit": container.memory_limit,
        "network_receive_bytes_per_second": rates.receive,
        "network_transmit_bytes_per_second": rates.transmit,
        "read_bytes_per_second": rates.read,
        "written_bytes_per_second": rates.write,
        "host_network": container.host_network,
        "privileged": container.privileged,
        "restart_policy": container.restart_policy,
        "ports": [
            {"container": port.container, "address": port.address, "host_port": port.host_port}
            for port in container.ports
        ],
        "project": container.project or None,
        "service": container.service or None,
        "labels": dict(container.labels),
    }
