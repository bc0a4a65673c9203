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


def runnable(command: Command) -> bool:
    """Whether it has its turn by itself: not what is only shown, undoes another, or is left out of running all."""
    attributes = command.attributes
    return command.kind != "none" and attributes.rollback_of is None and not attributes.exclude_from_run_all


def turns(runbook: Runbook, hosts: Mapping[str, tuple[str, ...]]) -> Iterator[Turn]:
    """All turns in their order; ``hosts``: what each host word means. A word that is not there has no hosts (yet)."""
    for number, step in enumerate(runbook.steps):
        commands = [at for at, command in enumerate(step.commands) if runnable(command)]
        if not commands and not any(command.kind != "none" for command in step.commands):
            yield Turn(number, None)
        while commands:
            block = _leading(step, commands)
            if step.commands[block[0]].attributes.host == EACH:
                for host in hosts.get(EACH, ()):
                    yield from (Turn(number, at, (host,)) for at in block)
            else:
                for at in block:
                    yield Turn(number, at, hosts.get(word_of(step.commands[at], runbook), ()))
            commands = commands[len(block) :]


def _leading(step: Step, commands: list[int]) -> list[int]:
    """Those at the front that are all on each host in turn, or all not."""
    each = step.commands[commands[0]].attributes.host == EACH
    for number, at in enumerate(commands):
        if (step.commands[at].attributes.host == EACH) is not each:
            return commands[:number]
    return commands
