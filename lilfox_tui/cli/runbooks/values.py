"""Values of a run's variables: from the command line, by reference, asked for."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence

from lilfox_tui.cli.output import print_error, warn
from lilfox_tui.config.types import SecretRef
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.i18n import _, listed, tr
from lilfox_tui.runbook.model import Runbook, Variable
from lilfox_tui.runbook.variables import check_value, described

_REFERENCES = ("env:", "file:", "cmd:")


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

    return await resolve(SecretRef(reference))


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


def ask(variable: Variable) -> str:
    """Asks until a value is good; a secret one without showing it. Blocks. Raises UsageError at the end of input."""
    title = variable.title or variable.name
    while True:
        warn(f"{title} ({described(variable)})")
        if variable.type == "secret":
            value = getpass.getpass(f"<{variable.name}>: ", stream=None)
        else:
            warn(f"<{variable.name}>?")
            line = sys.stdin.readline()
            if not line:
                raise UsageError(tr("{name}: no value is given", name=variable.name))
            value = line.rstrip("\n")
        try:
            return check_value(variable, value, denied=Denied())
        except LilFoxError as error:
            print_error(error)
