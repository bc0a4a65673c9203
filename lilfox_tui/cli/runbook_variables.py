"""Values of a run's variables: from the command line, by reference, asked for."""

from __future__ import annotations

import argparse
import asyncio
import getpass
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import print_error, warn
from lilfox_tui.cli.prompt import ask_line
from lilfox_tui.config.model import SecretRef
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.i18n import _, clauses, listed, tr
from lilfox_tui.redact import redact
from lilfox_tui.runbook.model import Runbook, Variable
from lilfox_tui.runbook.run.variables import ValueChoice, check_value, described, is_number
from lilfox_tui.text import cell_width, fit

if TYPE_CHECKING:
    from lilfox_tui.config.model import Config


_REFERENCES = ("env:", "file:", "cmd:")
_MOST_SHOWN = 40


def pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` of ``--var``; for argparse."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(_("write NAME=VALUE"))
    return name, value


def given(runbook: Runbook, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The values of ``--var``, checked; a secret one is a reference, which is read here. Raises UsageError."""
    known = {variable.name: variable for variable in runbook.variables}
    values: dict[str, str] = {}
    for name, words in pairs:
        if name not in known:
            raise UsageError(
                tr("there is no variable {name} in this runbook", name=name),
                tr("it has: {names}", names=listed(known) or "-"),
            )
        if known[name].type == "secret":
            if not words.startswith(_REFERENCES):
                raise UsageError(
                    tr("{name} is a secret; on a command line everybody on this machine can read it", name=name),
                    tr("say where it is: --var {name}=env:NAME, file:PATH or cmd:ARGV; or let it be asked", name=name),
                )
            values[name] = _checked(known[name], asyncio.run(_resolved(words)))
        else:
            values[name] = _checked(known[name], words)
    return values


async def _resolved(reference: str) -> str:
    from lilfox_tui.config.secrets import resolve

    try:
        return await resolve(SecretRef(reference))
    except LilFoxError as error:
        raise UsageError(error.message, error.hint) from None


def _checked(variable: Variable, value: str) -> str:
    try:
        return check_value(variable, value, denied=Denied())
    except LilFoxError as error:
        raise UsageError(error.message, error.hint) from None


def missing(runbook: Runbook, values: dict[str, str]) -> list[Variable]:
    """What must be asked for: has no value, no default, and is captured from no output."""
    commands = [command for step in runbook.steps for command in step.commands]
    captured = {name for command in commands for name in command.attributes.capture}
    return [
        variable
        for variable in runbook.variables
        if variable.name not in values and variable.default is None and variable.name not in captured
    ]


def about(variable: Variable) -> str:
    """A variable in a line: what it admits, and what is offered where it is asked."""
    admits = described(variable)
    facts = [_("{title}: {message}", title=variable.title, message=admits) if variable.title else str(admits)]
    if variable.default is not None and variable.type != "secret":
        facts.append(_("{value} where nothing is given", value=variable.default))
    if variable.from_:
        facts.append(_("offered is what this prints: {command}", command=redact(variable.from_.strip())))
    return f"<{variable.name}>  {clauses(facts)}"


async def offers(config: Config, variable: Variable, hosts: tuple[str, ...]) -> tuple[ValueChoice, ...]:
    """What the variable's ``from:`` offers on the first of ``hosts``; why nothing can be offered is told."""
    if not variable.from_ or variable.type == "secret":
        return ()
    from lilfox_tui.runbook.run.targets import offered

    warn(tr("{name}: asking what there is to choose", name=variable.name))
    try:
        return await offered(config, variable, hosts)
    except LilFoxError as error:
        warn(error.message)
        return ()


def ask(variable: Variable, choices: Sequence[ValueChoice] = ()) -> str:
    """Asks until a value is good, which may be one of ``choices``; a secret one without showing it. Blocks. Raises
    UsageError at the end of input."""
    title = variable.title or variable.name
    mark = _mark(variable)
    while True:
        warn(f"{title} ({described(variable)})")
        _show(choices, mark)
        if variable.type == "secret":
            value = getpass.getpass(f"<{variable.name}>: ", stream=None)
        else:
            line = ask_line(f"<{variable.name}>?")
            if line is None:
                raise UsageError(tr("{name}: no value is given", name=variable.name))
            value = _picked(line, choices, mark)
        try:
            return check_value(variable, value, denied=Denied())
        except LilFoxError as error:
            print_error(error)


def _mark(variable: Variable) -> str:
    """What stands before the number of a choice where a number may be meant as the value itself."""
    return "#" if variable.type in ("int", "port", "text", "regex", "enum") else ""


def _show(choices: Sequence[ValueChoice], mark: str) -> None:
    width = max((cell_width(each.value) for each in choices[:_MOST_SHOWN]), default=0)
    for number, each in enumerate(choices[:_MOST_SHOWN], 1):
        warn(f"  {mark + str(number):>4}  {fit(each.value, width) if each.note else each.value}  {each.note}".rstrip())
    if len(choices) > _MOST_SHOWN:
        warn("        " + _("… and {count} more", count=len(choices) - _MOST_SHOWN))
    if choices:
        warn(tr("type a value, or a number of the list ({example})", example=f"{mark}1"))


def _picked(typed: str, choices: Sequence[ValueChoice], mark: str) -> str:
    """The value whose number was typed, else what was."""
    number = typed.strip().removeprefix(mark)
    if typed.strip() != mark + number or not is_number(number) or not 1 <= int(number) <= len(choices):
        return typed
    return choices[int(number) - 1].value
