"""`runbook run --dry-run`, and the variables that a run takes from the command line."""

from __future__ import annotations

import argparse
import asyncio
import getpass
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from lilfox_tui.cli.output import ask_line, print_error, print_json, print_line, warn
from lilfox_tui.config.model import Config, refuse_change
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import _, clauses, listed, tr
from lilfox_tui.core.text import cell_width, fit
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.redact import redact
from lilfox_tui.runbook.bash.carrying import ShellVariables
from lilfox_tui.runbook.model import Command, Kind, Runbook, Variable
from lilfox_tui.runbook.run import output
from lilfox_tui.runbook.run.gate import READS, kind_with, let_through, offered, words
from lilfox_tui.runbook.run.state import CommandResult, RunState, hosts_of, kind_text
from lilfox_tui.runbook.run.variables import ValueChoice, check_value, described, fill, is_number, marked, shown

# Values of a run's variables: from the command line, by reference, asked for.


_REFERENCES = ("env:", "file:", "cmd:")
_MOST_SHOWN = 40


def pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` of ``--var``; for argparse."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(_("write NAME=VALUE"))
    return name, value


def given(runbook: Runbook, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The checked values of ``--var``; a secret is given as a reference, which is read here. Raises UsageError."""
    known = {variable.name: variable for variable in runbook.variables}
    values: dict[str, str] = {}
    for name, text in pairs:
        if name not in known:
            raise UsageError(
                tr("this runbook has no variable {name}", name=name),
                tr("available: {names}", names=listed(known) or "-"),
            )
        if known[name].type == "secret":
            if not text.startswith(_REFERENCES):
                raise UsageError(
                    tr("{name} is a secret; all users of this machine can read command lines", name=name),
                    tr(
                        "use a reference: --var {name}=env:NAME, file:PATH or cmd:ARGV; or omit it to be prompted",
                        name=name,
                    ),
                )
            values[name] = _checked(known[name], asyncio.run(_resolved(text)))
        else:
            values[name] = _checked(known[name], text)
    return values


async def _resolved(reference: str) -> str:
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
    """The variables to ask for: those with no value, no default and no command that captures them."""
    commands = [command for step in runbook.steps for command in step.commands]
    captured = {name for command in commands for name in command.attributes.capture}
    return [
        variable
        for variable in runbook.variables
        if variable.name not in values and variable.default is None and variable.name not in captured
    ]


def about(variable: Variable) -> str:
    """A variable on one line: its allowed values, and the ones offered."""
    admits = described(variable)
    facts = [_("{title}: {message}", title=variable.title, message=admits) if variable.title else str(admits)]
    if variable.default is not None and variable.type != "secret":
        facts.append(_("default: {value}", value=variable.default))
    if variable.from_:
        facts.append(_("choices come from the output of: {command}", command=redact(variable.from_.strip())))
    return f"<{variable.name}>  {clauses(facts)}"


async def offers(config: Config, variable: Variable, hosts: tuple[str, ...]) -> tuple[ValueChoice, ...]:
    """The values that the variable's ``from:`` offers on the first of ``hosts``; reports why if it offers none."""
    if not variable.from_ or variable.type == "secret":
        return ()
    warn(tr("{name}: querying the choices", name=variable.name))
    try:
        return await offered(config, variable, hosts)
    except LilFoxError as error:
        warn(error.message)
        return ()


def ask(variable: Variable, choices: Sequence[ValueChoice] = ()) -> str:
    """Asks until the value is valid, offering ``choices``; a secret value is not echoed. Blocks. Raises UsageError at
    the end of input."""
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
                raise UsageError(tr("{name}: no value given", name=variable.name))
            value = _picked(line, choices, mark)
        try:
            return check_value(variable, value, denied=Denied())
        except LilFoxError as error:
            print_error(error)


def _mark(variable: Variable) -> str:
    """The prefix of a choice's number if a bare number may be the value itself."""
    return "#" if variable.type in ("int", "port", "text", "regex", "enum") else ""


def _show(choices: Sequence[ValueChoice], mark: str) -> None:
    width = max((cell_width(each.value) for each in choices[:_MOST_SHOWN]), default=0)
    for number, each in enumerate(choices[:_MOST_SHOWN], 1):
        warn(f"  {mark + str(number):>4}  {fit(each.value, width) if each.note else each.value}  {each.note}".rstrip())
    if len(choices) > _MOST_SHOWN:
        warn("        " + _("… and {count} more", count=len(choices) - _MOST_SHOWN))
    if choices:
        warn(tr("type a value, or a number from the list ({example})", example=f"{mark}1"))


def _picked(typed: str, choices: Sequence[ValueChoice], mark: str) -> str:
    """The value whose number was typed, else the typed text."""
    number = typed.strip().removeprefix(mark)
    if typed.strip() != mark + number or not is_number(number) or not 1 <= int(number) <= len(choices):
        return typed
    return choices[int(number) - 1].value


def dry_run(config: Config, runbook: Runbook, values: Mapping[str, str], *, as_json: bool) -> int:
    """Shows the whole run without running anything; returns 1 if a part of it could not run as it is."""
    hosts = words(config, runbook)
    values = with_defaults(runbook, values)
    captured, unset = _captured(runbook), ShellVariables(runbook.steps)
    good = True
    steps = []
    for variable in () if as_json else runbook.variables:
        print_line(about(variable))
    for number, step in enumerate(runbook.steps):
        commands = []
        if not as_json:
            print_line(f"{number + 1}. {step.title}")
            if not step.commands:
                print_line("   " + _("manual step"))
        for command in step.commands:
            names = hosts_of(command, runbook, hosts, values)
            problem = _problem(config, runbook, command, names, values, captured, unset)
            good = good and not problem
            text = redact(marked(shown(command, values, runbook.variables)))
            missing = any(each.name not in values for each in command.placeholders)
            kind = command.kind if missing else kind_with(command, values, runbook)
            if as_json:
                commands.append({"text": text, "kind": kind, "hosts": list(names), "problem": problem})
            else:
                _print_command(command, kind, names, text, problem)
        steps.append({"title": step.title, "commands": commands})
    if as_json:
        print_json({"runbook": runbook.id, "title": runbook.title, "path": runbook.path, "sha256": runbook.sha256,
                    "variables": [_variable(each) for each in runbook.variables], "steps": steps})  # fmt: skip
    return 0 if good else 1


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "type": variable.type,
        "title": variable.title,
        "from": redact(variable.from_.strip()),
    }


def refuse_unsafe(config: Config, runbook: Runbook, values: Mapping[str, str]) -> None:
    """Raises UsageError for the first command that could not be run with these values, before any has run."""
    hosts = words(config, runbook)
    values = with_defaults(runbook, values)
    captured, unset = _captured(runbook), ShellVariables(runbook.steps)
    for step in runbook.steps:
        for command in step.commands:
            names = hosts_of(command, runbook, hosts, values)
            if problem := _problem(config, runbook, command, names, values, captured, unset):
                raise UsageError(
                    tr("line {line}: {problem}; nothing was run", line=command.line, problem=problem),
                    tr("preview the whole run: lilfox runbook run … --dry-run"),
                )


def with_defaults(runbook: Runbook, values: Mapping[str, str]) -> dict[str, str]:
    """The initial values of a run."""
    return {each.name: each.default for each in runbook.variables if each.default is not None} | dict(values)


def _captured(runbook: Runbook) -> frozenset[str]:
    """The names of the values captured from outputs."""
    return frozenset(name for step in runbook.steps for each in step.commands for name in each.attributes.capture)


def _problem(
    config: Config,
    runbook: Runbook,
    command: Command,
    hosts: tuple[str, ...],
    values: Mapping[str, str],
    captured: Collection[str],
    unset: ShellVariables,
) -> str:
    """Why the command could not be run; empty if it could, or if it needs a ``captured`` value that is only known
    during the run."""
    if command.kind == "none":
        return command.refused
    try:
        late = {each.name for each in command.placeholders if each.name in captured and each.name not in values}
        if late and command.kind not in READS:
            refuse_change(config, hosts)
        unset.refuse(command)
        if not late:
            let_through(config, hosts, command, fill(command, values, runbook.variables), runbook)
    except NotAllowed as error:
        return f"{error.message}; {error.hint}"
    except LilFoxError as error:
        return str(error.message)
    return ""


def _print_command(command: Command, kind: Kind, hosts: tuple[str, ...], text: str, problem: str) -> None:
    where = listed(hosts) or command.attributes.host or "?"
    words = [kind_text(kind)]
    attributes = command.attributes
    words += [_("sudo")] if attributes.sudo else []
    words += [_("check")] if attributes.check else []
    words += [_("rollback of {name}", name=attributes.rollback_of)] if attributes.rollback_of else []
    print_line(f"   {where}: {listed(words)}" if command.kind != "none" else f"   {words[0]}")
    for line in text.split("\n"):
        print_line(f"     {line}")
    if problem:
        print_line(f"     ! {problem}")


def dry_run_document(state: RunState, folder: Path) -> dict[str, Any]:
    """A run in the format of ``--json``."""
    return {
        "run": folder.name,
        "runbook": state.runbook.id,
        "title": state.runbook.title,
        "path": state.runbook.path,
        "sha256": state.sha256,
        "incident": state.incident,
        "changes_in_force": [f"{each.host}: {redact(each.shown)}" for each in state.changes],
        "steps": [
            {
                "title": state.runbook.steps[number].title,
                "state": step.state,
                "commands": [
                    {
                        "text": state.runbook.steps[number].commands[at].text,
                        "kind": state.runbook.steps[number].commands[at].kind,
                        "state": command.state,
                        "reason": command.reason or step.reason,
                        "hosts": [_result(each, folder) for each in command.results],
                    }
                    for at, command in enumerate(step.commands)
                ],
            }
            for number, step in enumerate(state.steps)
        ],
    }


def _result(result: CommandResult, folder: Path) -> dict[str, Any]:
    kept = output.read_output(folder, result.run)
    return {
        "host": result.host,
        "state": result.state,
        "shown": redact(result.shown),
        "message": result.message,
        "exit_status": result.exit_status,
        "began": result.began.isoformat(),
        "ended": None if result.ended is None else result.ended.isoformat(),
        "attempts": result.attempts,
        "output": {
            "head": kept.head,
            "tail": kept.tail,
            "bytes": result.size_bytes,
            "lines": result.lines,
            "left_out_bytes": result.left_out_bytes,
            "counted": not result.uncounted,
        },
    }
