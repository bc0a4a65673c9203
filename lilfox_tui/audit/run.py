"""Runs checks: asks all targets for their facts at once, then judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lilfox_tui.audit.catalogue import kind_of
from lilfox_tui.audit.model import Absent, AuditCheck, Fact, Facts, Found, NotChecked, NotKnown, Passed, Report, Target
from lilfox_tui.audit.targets import configuration, kubernetes, plans, postgresql, redis, source
from lilfox_tui.audit.targets import hosts as host_facts
from lilfox_tui.audit.targets import services as service_facts
from lilfox_tui.audit.targets.hosts import CONTAINERS, EXPORTED, SETTINGS, ExportedFile
from lilfox_tui.backends.kinds.postgresql import open_session
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.config.foreign import own_plans
from lilfox_tui.config.model import BackendConfig, Config, HostConfig
from lilfox_tui.config.probes import speaks_http
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.addresses import is_loopback
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host

PATIENCE_S = 20
"""The least time limit of a look at a backend: an audit asks for more than the monitor does."""
QUEUES = frozenset({"arq", "celery", "rq"})
"""Kinds of backends whose queues are in a Redis."""
Outcome = Found | NotChecked | Passed
Exports = Callable[[str], Mapping[str, ExportedFile]]
Gather = Callable[[Sequence[Fact[Any]]], Awaitable[Mapping[str, Any]]]


def targets_of(config: Config, hosts: Sequence[str] = (), services: Sequence[str] = ()) -> dict[str, list[Target]]:
    """The targets of each kind: all of the configuration, or those ``services``, and those ``hosts`` with the services
    and backends that are asked through them."""
    every = not hosts and not services
    found = {
        "host": [Target("host", name) for name in (config.hosts if every else hosts)],
        "service": [
            Target("service", name)
            for name, service in config.services.items()
            if speaks_http(service) and (every or name in services or service.from_ in hosts)
        ],
    }
    for name, kind in _audited_kinds(config).items():
        if every or config.backends[name].host in hosts:
            found.setdefault(kind, []).append(Target("backend", name))
    if every:
        found["plan"] = [Target("plan", name) for name in own_plans(config.backup)]
        found["configuration"] = [Target("configuration", config.name or "configuration")]
        if config.audit.source is not None:
            found["source"] = [Target("source", Path(config.audit.source).name)]
    found["kubernetes"] = [
        Target("cluster", name) for name, cluster in config.audit.clusters.items() if every or cluster.host in hosts
    ]
    if every and config.audit.manifests is not None:
        found["kubernetes"].append(Target("manifests", Path(config.audit.manifests).name))
    return found


def _audited_kinds(config: Config) -> dict[str, str]:
    """The kind of target that each backend is. Queues in a Redis are one of kind ``redis``, for all that are in the
    same server, unless a backend of that kind is that server."""
    servers = {_place(each) for each in config.backends.values() if each.kind == "redis"}
    found = {}
    for name, backend in config.backends.items():
        found[name] = backend.kind
        if backend.kind in QUEUES and _place(backend) not in servers:
            servers.add(_place(backend))
            found[name] = "redis"
    return found


def _place(backend: Any) -> tuple[str | None, str, int]:
    address = "127.0.0.1" if is_loopback(backend.address) else backend.address
    return backend.host, address, backend.port


def use_of(config: Config, name: str) -> redis.RedisUse:
    """What the configuration says of the Redis server that the backend ``name`` is on."""
    options = config.backends[name]
    at_place = [
        each for each in config.backends.values() if isinstance(each, RedisOptions) and _place(each) == _place(options)
    ]
    neighbours = []
    if is_loopback(options.address):
        neighbours = [
            other
            for other, each in config.backends.items()
            if each not in at_place and each.host == options.host and is_loopback(getattr(each, "address", ""))
        ]
        neighbours += [
            other
            for other, each in config.services.items()
            if each.from_ == options.host and is_loopback(urlsplit(each.url).hostname or "")
        ]
    queues = dict.fromkeys(each.kind for each in at_place if each.kind in QUEUES)
    return redis.RedisUse(options.user, tuple(queues), tuple(dict.fromkeys(neighbours)))


def logs_of(config: Config, host: str) -> list[str]:
    """The paths and patterns of the log files that the configuration has on a host."""
    places = (host, None) if config.hosts[host].local else (host,)
    files = [each for each in config.logs.values() if each.kind == "file" and each.host in places]
    return [each.path for each in files if each.path]


def repositories_of(config: Config, host: str) -> list[str]:
    """The paths of the repositories of backups that the configuration has on a host."""
    found = []
    for place in config.audit.repositories:
        named, _slash, path = place.partition("/")
        if named == f"{host}:" or (not named and config.hosts[host].local):
            found.append(f"/{path}")
    return found


class Audit:
    """One run over the targets of a configuration, which is that of ``config_file`` (None: the default one). Hosts are
    opened once, and shared by the backends behind them.

    ``active`` allows what sends test credentials or many requests. ``exports`` makes the files that ``lilfox export``
    would make for a host, by their kinds. ``progress`` is told how many targets are done, and the names of the others.
    ``lent`` returns hosts that need not be opened.
    """

    def __init__(
        self,
        config: Config,
        config_file: Path | None = None,
        *,
        timeout_s: float,
        active: bool = False,
        exports: Exports | None = None,
        lent: Callable[[str], Host | None] = lambda _name: None,
        progress: Callable[[int, Sequence[str]], None] = lambda _done, _waiting: None,
    ) -> None:
        self._config, self._config_file = config, config_file
        self._timeout_s, self._progress = timeout_s, progress
        self._active, self._exports, self._lent = active, exports, lent
        self._done, self._waiting = 0, list[Target]()
        self._dials = asyncio.Semaphore(config.ssh.dial_at_once)
        self._hosts: dict[str, Host] = {}
        self._backups = BackupContext(config)
        self._opened = AsyncExitStack()
        self._opened.push_async_callback(self._backups.close)

    async def run(self, checks: Sequence[AuditCheck], targets: Mapping[str, Sequence[Target]]) -> Report:
        """The report of ``checks`` on ``targets``, which are named by their kinds. A target that gives no answer in
        time is not checked."""
        tasks = []
        for kind, named in targets.items():
            made = [check for check in checks if kind_of(check) == kind]
            for target in named if made else ():
                self._waiting.append(target)
                tasks.append(self._outcomes(target, made, self._gatherer(kind, target)))
        self._progress(0, [each.name for each in self._waiting])
        async with self._opened:
            outcomes = [each for found in await asyncio.gather(*tasks) for each in found]
        return Report(
            datetime.now(UTC),
            tuple(each for each in outcomes if isinstance(each, Found)),
            tuple(each for each in outcomes if isinstance(each, NotChecked)),
            tuple(each for each in outcomes if isinstance(each, Passed)),
        )

    def _host(self, name: str) -> Host:
        if (lent := self._lent(name)) is not None:
            return lent
        if name not in self._hosts:
            self._hosts[name] = open_host(
                name, self._config.hosts[name], self._config.ssh, read_only=True, dials=self._dials
            )
            self._opened.push_async_callback(self._hosts[name].close)
        return self._hosts[name]

    def _here(self) -> Host:
        """This machine, whether or not the configuration has it."""
        host = open_host("localhost", HostConfig(local=True), self._config.ssh, read_only=True)
        self._opened.push_async_callback(host.close)
        return host

    def _gatherer(self, kind: str, target: Target) -> Gather:
        if kind == "plan":
            return lambda facts: plans.gather(self._config, target.name, self._backups, facts)
        if kind == "configuration":
            return self._ask_configuration()
        if kind == "host":
            sudo = self._config.hosts[target.name].sudo
            return lambda facts: self._ask_host(target.name, facts, sudo=sudo)
        if kind == "source":
            return lambda facts: source.gather(Path(self._config.audit.source or "."), facts)
        if kind == "kubernetes":
            return lambda facts: self._ask_kubernetes(target, facts)
        if kind == "service":
            return self._ask_service(target.name)
        options = self._config.backends[target.name]
        return {"postgresql": self._ask_postgresql, "redis": self._ask_redis}[kind](target.name, options)

    async def _ask_host(self, name: str, facts: Sequence[Fact[Any]], *, sudo: bool) -> Mapping[str, Any]:
        logs, repositories = logs_of(self._config, name), repositories_of(self._config, name)
        host = self._host(name)
        own: dict[str, Any] = {}
        if CONTAINERS in facts:
            facts = [fact for fact in facts if fact != CONTAINERS]
            sockets = self._config.hosts[name].containers
            own[CONTAINERS.name] = await host_facts.gather_containers(host, sockets, sudo=sudo)
        answers: Mapping[str, Any] = {}
        if facts:
            answers = await host_facts.gather(host, facts, sudo=sudo, logs=logs, repositories=repositories)
        exported = NotKnown(tr("what LilFox exports for this host is not known"))
        own[EXPORTED.name] = exported if self._exports is None else self._exports(name)
        return {**answers, **own, SETTINGS.name: self._config.audit}

    async def _ask_kubernetes(self, target: Target, facts: Sequence[Fact[Any]]) -> Mapping[str, Any]:
        if target.kind == "manifests":
            answer = await kubernetes.gather_manifests(Path(self._config.audit.manifests or "."))
        else:
            cluster = self._config.audit.clusters[target.name]
            host = self._here() if cluster.host is None else self._host(cluster.host)
            answer = await kubernetes.gather_cluster(host, cluster)
        return {fact.name: answer for fact in facts}

    def _ask_service(self, name: str) -> Gather:
        service = self._config.services[name]
        host = None if service.from_ is None else self._host(service.from_)
        account = self._config.audit.services.get(name)
        return lambda facts: service_facts.gather(service, host, facts, account, active=self._active)

    def _ask_configuration(self) -> Gather:
        databases = {
            name: self._ask_postgresql(name, options)
            for name, options in self._config.backends.items()
            if options.kind == "postgresql"
        }
        return lambda facts: configuration.gather(self._config, self._config_file, self._host, databases, facts)

    def _ask_postgresql(self, name: str, options: Any) -> Gather:
        async def gather(facts: Sequence[Fact[Any]]) -> Mapping[str, Any]:
            patient = msgspec.structs.replace(options, timeout=Seconds(max(options.timeout, PATIENCE_S)))
            session = open_session(name, patient, self._behind(options))
            self._opened.push_async_callback(session.close)
            of_host = [fact for fact in facts if isinstance(fact.question, host_facts.HostQuestion)]
            found = await postgresql.gather(session, [fact for fact in facts if fact not in of_host])
            there = options.by == "psql" or is_loopback(options.address)
            return {**found, **await self._ask_host_of(options, of_host, there=there)}

        return gather

    def _ask_redis(self, name: str, options: Any) -> Gather:
        async def gather(facts: Sequence[Fact[Any]]) -> Mapping[str, Any]:
            patient = msgspec.structs.replace(options, timeout=Seconds(max(options.timeout, PATIENCE_S)))
            transport = RedisTransport(patient, self._behind(options))
            self._opened.push_async_callback(transport.close)
            of_host = [fact for fact in facts if isinstance(fact.question, host_facts.HostQuestion)]
            asked = [fact for fact in facts if fact not in of_host]
            found = await redis.gather(transport, asked, use_of(self._config, name))
            there = is_loopback(options.address)
            return {**found, **await self._ask_host_of(options, of_host, there=there)}

        return gather

    async def _ask_host_of(
        self, options: BackendConfig, facts: Sequence[Fact[Any]], *, there: bool
    ) -> Mapping[str, Any]:
        """What the host of a backend's server answers. ``there``: the server runs on the host that it is asked
        through."""
        if options.host is None or not there:
            reason = tr("the server's host is not known: name it as host: of this backend, with a loopback address")
            return {fact.name: NotKnown(reason) for fact in facts}
        asked = [msgspec.structs.replace(fact, question=fact.question.script) for fact in facts]
        try:
            sudo = self._config.hosts[options.host].sudo
            return await host_facts.gather(self._host(options.host), asked, sudo=sudo) if asked else {}
        except LilFoxError as error:
            return {fact.name: NotKnown(error.message) for fact in facts}

    def _behind(self, options: BackendConfig) -> Host | None:
        return None if options.host is None else self._host(options.host)

    async def _outcomes(self, target: Target, checks: Sequence[AuditCheck], gather: Gather) -> list[Outcome]:
        outcomes = await self._answered(target, checks, gather)
        self._waiting.remove(target)
        self._done += 1
        self._progress(self._done, [each.name for each in self._waiting])
        return outcomes

    async def _answered(self, target: Target, checks: Sequence[AuditCheck], gather: Gather) -> list[Outcome]:
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await gather([fact for check in checks for fact in check.facts])
        except TimeoutError:
            reason = tr("no result within {time} s", time=round(self._timeout_s))
            return [NotChecked(check, target, reason) for check in checks]
        except LilFoxError as error:
            return [NotChecked(check, target, error.message) for check in checks]
        return list(judged(target, checks, answers))


def judged(target: Target, checks: Sequence[AuditCheck], answers: Mapping[str, Any]) -> Iterator[Outcome]:
    """The outcomes of ``checks`` on ``target``, which gave these answers. What a check found before it met something
    that is not known is found."""
    facts = Facts(answers)
    for check in checks:
        found = False
        try:
            for finding in check.judge(facts):
                found = True
                yield Found(check, target, finding)
        except Absent:
            continue
        except NotKnown as error:
            yield NotChecked(check, target, error.reason)
        else:
            if not found:
                yield Passed(check, target)
