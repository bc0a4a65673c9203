"""In which order the commands of a runbook are run, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from lilfox_tui.runbook.model import Command, Runbook, Step

HERE = "local"
"""The host word for this machine."""
EACH = "each"
"""The host word for the hosts of the run, one after the other: all commands of a step that have it are done on one
before the next one's turn."""


class Turn(Struct, frozen=True):
    """What is run at once: one command of a step on its hosts. ``command`` None: a step that is done by hand."""

    step: int
    command: int | None
    hosts: tuple[str, ...] = ()


def word_of(command: Command, runbook: Runbook) -> str:
    """Where the command says that it runs, else where the runbook does, else here."""
    return command.attributes.host or runbook.hosts or HERE


def named_host(command: Command, runbook: Runbook) -> str | None:
    """The variable that says where it runs, if one does."""
    word = word_of(command, runbook)
    return word[1:-1] if word.startswith("<") and word.endswith(">") else None


def hosts_of(
    command: Command, runbook: Runbook, hosts: Mapping[str, tuple[str, ...]], values: Mapping[str, str]
) -> tuple[str, ...]:
    """Names of the hosts where it runs: ``hosts`` tells what each word means, ``values`` those that a variable says.
    None where that is not known yet."""
    if (name := named_host(command, runbook)) is not None:
        return (values[name],) if name in values else ()
    return hosts.get(word_of(command, runbook), ())


def asks(command: Command) -> bool:
    """Whether somebody confirms it before it runs. ``confirm: none`` lets a change run unasked, except one that its
    fence calls ``read``: what it says of it is not so."""
    attributes = command.attributes
    if command.kind == "change" and attributes.risk == "read":
        return True
    return attributes.confirm != "none" if attributes.confirm else command.kind == "change"


def runnable(command: Command) -> bool:
    """Whether it has its turn by itself: not what is only shown, undoes another, or is left out of running all."""
    attributes = command.attributes
    return command.kind != "none" and attributes.rollback_of is None and not attributes.exclude_from_run_all


def turns(runbook: Runbook, hosts: Mapping[str, tuple[str, ...]], values: Mapping[str, str]) -> Iterator[Turn]:
    """All turns in their order, with the hosts that are known by now (``hosts_of``)."""
    for number, step in enumerate(runbook.steps):
        commands = [at for at, command in enumerate(step.commands) if runnable(command)]
        if all(command.kind == "none" for command in step.commands):
            yield Turn(number, None)
        while commands:
            block = _leading(step, commands)
            if step.commands[block[0]].attributes.host == EACH:
                for host in hosts.get(EACH, ()):
                    yield from (Turn(number, at, (host,)) for at in block)
            else:
                for at in block:
                    yield Turn(number, at, hosts_of(step.commands[at], runbook, hosts, values))
            commands = commands[len(block) :]


def _leading(step: Step, commands: list[int]) -> list[int]:
    """Those at the front that are all on each host in turn, or all not."""
    each = step.commands[commands[0]].attributes.host == EACH
    for number, at in enumerate(commands):
        if (step.commands[at].attributes.host == EACH) is not each:
            return commands[:number]
    return commands


def rollbacks(runbook: Runbook) -> dict[str, list[tuple[int, int]]]:
    """Name of a fence → step and number of the commands that take it back."""
    found: dict[str, list[tuple[int, int]]] = {}
    for step, each in enumerate(runbook.steps):
        for number, command in enumerate(each.commands):
            if command.attributes.rollback_of is not None:
                found.setdefault(command.attributes.rollback_of, []).append((step, number))
    return found
