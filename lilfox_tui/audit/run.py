"""Runs checks: gathers the facts of all targets at once, then judges them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lilfox_tui.audit.catalogue import TARGETS, group_of
from lilfox_tui.audit.facts import LIMIT_BYTES, LIMIT_S, Absent, Fact, Facts, NotKnown, Printed, Question
from lilfox_tui.audit.model import Check, Found, NotChecked, Passed, Report, Target
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import HostError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host

Outcome = Found | NotChecked | Passed


async def audit(config: Config, checks: Sequence[Check], hosts: Sequence[str], *, timeout_s: float) -> Report:
    """The report of ``checks`` on the hosts of those names. A host that gives no answer within ``timeout_s`` seconds
    is not checked."""
    host_checks = [check for check in checks if TARGETS[group_of(check)] == "host"]
    dials = asyncio.Semaphore(config.ssh.dial_at_once)
    opened = [open_host(name, config.hosts[name], config.ssh, read_only=True, dials=dials) for name in hosts]
    tasks = [_audit_host(host, host_checks, sudo=config.hosts[host.name].sudo, timeout_s=timeout_s) for host in opened]
    outcomes = [each for outcomes in await asyncio.gather(*tasks) for each in outcomes]
    return Report(
        datetime.now(UTC),
        tuple(each for each in outcomes if isinstance(each, Found)),
        tuple(each for each in outcomes if isinstance(each, NotChecked)),
        tuple(each for each in outcomes if isinstance(each, Passed)),
    )


async def _audit_host(host: Host, checks: Sequence[Check], *, sudo: bool, timeout_s: float) -> list[Outcome]:
    target = Target("host", host.name)
    try:
        async with asyncio.timeout(timeout_s):
            printed = await gather_facts(host, [fact for check in checks for fact in check.facts], sudo=sudo)
    except (HostError, TimeoutError) as error:
        reason = tr("no result within {time} s", time=round(timeout_s))
        if isinstance(error, HostError):
            reason = error.message if isinstance(error.message, Message) else Message(error.message)
        return [NotChecked(check, target, reason) for check in checks]
    finally:
        await host.close()
    return list(judged(target, checks, printed))


async def gather_facts(host: Host, facts: Sequence[Fact[Any]], *, sudo: bool) -> dict[str, Printed]:
    """What the host prints for ``facts``, in one round trip; as root with ``sudo``. Raises HostError."""
    question = Question(facts)
    count = len({fact.name for fact in facts})
    completed = await host.run_script(
        question.script, timeout_s=count * LIMIT_S, limit_bytes=(count + 1) * (LIMIT_BYTES + 1024), sudo=sudo
    )
    answer = question.read(completed.stdout)
    if answer is None:
        raise HostError(
            host.name,
            tr("unexpected output from {host}: its shell does not run scripts", host=host.name),
            tr("Use a login that is not restricted to one command."),
        )
    return answer


def judged(target: Target, checks: Sequence[Check], printed: Mapping[str, Printed]) -> Iterator[Outcome]:
    """The outcomes of ``checks`` on ``target`` whose facts printed this."""
    facts = Facts(printed)
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
