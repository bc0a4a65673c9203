"""Runs checks: asks all targets for their facts at once, then judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from lilfox_tui.audit.catalogue import group_of, target_kind
from lilfox_tui.audit.facts import Absent, Fact, Facts, NotKnown
from lilfox_tui.audit.model import AuditCheck, Found, NotChecked, Passed, Report, Target
from lilfox_tui.audit.targets import hosts as host_facts
from lilfox_tui.audit.targets import plans, postgresql, redis
from lilfox_tui.backends.kinds.postgresql import open_session
from lilfox_tui.backends.redis_transport import RedisTransport
from lilfox_tui.backup.context import BackupContext
from lilfox_tui.config.model import BackendConfig, Config
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host

Outcome = Found | NotChecked | Passed
Gather = Callable[[Sequence[Fact[Any]]], Awaitable[Mapping[str, Any]]]


def targets_of(config: Config, hosts: Sequence[str] = ()) -> dict[str, list[Target]]:
    """The targets of each kind: all of the configuration, or with ``hosts`` those hosts and the backends that are asked
    through them."""
    found = {"host": [Target("host", name) for name in hosts or config.hosts]}
    for name, backend in config.backends.items():
        if not hosts or backend.host in hosts:
            found.setdefault(backend.kind, []).append(Target("backend", name))
    if not hosts:
        found["plan"] = [Target("plan", name) for name in config.backup.plans]
    return found


class Audit:
    """One run over the targets of a configuration. Hosts are opened once, and shared by the backends behind them;
    ``lent`` returns those that need not be opened."""

    def __init__(
        self, config: Config, *, timeout_s: float, lent: Callable[[str], Host | None] = lambda _name: None
    ) -> None:
        self._config = config
        self._timeout_s = timeout_s
        self._lent = lent
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
            made = [check for check in checks if target_kind(group_of(check)) == kind]
            tasks += [self._outcomes(target, made, self._gatherer(kind, target)) for target in named if made]
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

    def _gatherer(self, kind: str, target: Target) -> Gather:
        if kind == "plan":
            return lambda facts: plans.gather(self._config, target.name, self._backups, facts)
        if kind == "host":
            sudo = self._config.hosts[target.name].sudo
            return lambda facts: host_facts.gather(self._host(target.name), facts, sudo=sudo)
        options = self._config.backends[target.name]
        return {"postgresql": self._ask_postgresql, "redis": self._ask_redis}[kind](target.name, options)

    def _ask_postgresql(self, name: str, options: Any) -> Gather:
        async def gather(facts: Sequence[Fact[Any]]) -> Mapping[str, Any]:
            session = open_session(name, options, self._behind(options))
            self._opened.push_async_callback(session.close)
            return await postgresql.gather(session, facts)

        return gather

    def _ask_redis(self, _name: str, options: Any) -> Gather:
        async def gather(facts: Sequence[Fact[Any]]) -> Mapping[str, Any]:
            transport = RedisTransport(options, self._behind(options))
            self._opened.push_async_callback(transport.close)
            return await redis.gather(transport, facts)

        return gather

    def _behind(self, options: BackendConfig) -> Host | None:
        return None if options.host is None else self._host(options.host)

    async def _outcomes(self, target: Target, checks: Sequence[AuditCheck], gather: Gather) -> list[Outcome]:
        try:
            async with asyncio.timeout(self._timeout_s):
                answers = await gather([fact for check in checks for fact in check.facts])
        except TimeoutError:
            reason = tr("no result within {time} s", time=round(self._timeout_s))
            return [NotChecked(check, target, reason) for check in checks]
        except LilFoxError as error:
            text = error.message if isinstance(error.message, Message) else Message(error.message)
            return [NotChecked(check, target, text) for check in checks]
        return list(judged(target, checks, answers))


def judged(target: Target, checks: Sequence[AuditCheck], answers: Mapping[str, Any]) -> Iterator[Outcome]:
    """The outcomes of ``checks`` on ``target``, which gave these answers."""
    facts = Facts(answers)
    for check in checks:
        try:
            found = [Found(check, target, finding) for finding in check.judge(facts)]
        except Absent:
            continue
        except NotKnown as error:
            yield NotChecked(check, target, error.reason)
        else:
            yield from found
            if not found:
                yield Passed(check, target)
