"""A run on paper: every command as it would run, or as it ran, for people and as JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lilfox_tui.cli.output import print_json, print_line
from lilfox_tui.cli.runbook_variables import about
from lilfox_tui.config.model import Config, refuse_change
from lilfox_tui.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.i18n import _, listed, tr
from lilfox_tui.redact import redact
from lilfox_tui.runbook.bash.launcher import UnsetVariables
from lilfox_tui.runbook.model import Command, Kind, Runbook, Variable
from lilfox_tui.runbook.run import output
from lilfox_tui.runbook.run.gate import READS, kind_with, let_through
from lilfox_tui.runbook.run.state import CommandResult, RunState, hosts_of, kind_text
from lilfox_tui.runbook.run.targets import words
from lilfox_tui.runbook.run.variables import fill, marked, shown


def dry_run(config: Config, runbook: Runbook, values: Mapping[str, str], *, as_json: bool) -> int:
    """Shows everything and runs nothing; 1 where something of it could not be run as it is."""
    hosts = words(config, runbook)
    values = with_defaults(runbook, values)
    captured, unset = _captured(runbook), UnsetVariables(runbook)
    good = True
    steps = []
    for variable in () if as_json else runbook.variables:
        print_line(about(variable))
    for number, step in enumerate(runbook.steps):
        commands = []
        if not as_json:
            print_line(f"{number + 1}. {step.title}")
            if not step.commands:
                print_line("   " + _("by hand"))
        for command in step.commands:
            names = hosts_of(command, runbook, hosts, values)
            problem = _problem(config, runbook, command, names, values, captured, unset)
            good = good and not problem
            text = redact(marked(shown(command.text, values, runbook.variables)))
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
    captured, unset = _captured(runbook), UnsetVariables(runbook)
    for step in runbook.steps:
        for command in step.commands:
            names = hosts_of(command, runbook, hosts, values)
            if problem := _problem(config, runbook, command, names, values, captured, unset):
                raise UsageError(
                    tr("line {line}: {problem}; nothing was run", line=command.line, problem=problem),
                    tr("see all of it: lilfox runbook run … --dry-run"),
                )


def with_defaults(runbook: Runbook, values: Mapping[str, str]) -> dict[str, str]:
    """What a run begins with."""
    return {each.name: each.default for each in runbook.variables if each.default is not None} | dict(values)


def _captured(runbook: Runbook) -> frozenset[str]:
    """Names of the values that outputs give."""
    return frozenset(name for step in runbook.steps for each in step.commands for name in each.attributes.capture)


def _problem(
    config: Config,
    runbook: Runbook,
    command: Command,
    hosts: tuple[str, ...],
    values: Mapping[str, str],
    captured: Collection[str],
    unset: UnsetVariables,
) -> str:
    """Why it could not be run; empty where it could, or needs a value that comes while the run goes on: one that is
    ``captured``."""
    if command.kind == "none":
        return ""
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
    words += [_("takes back {name}", name=attributes.rollback_of)] if attributes.rollback_of else []
    print_line(f"   {where}: {listed(words)}" if command.kind != "none" else f"   {words[0]}")
    for line in text.split("\n"):
        print_line(f"     {line}")
    if problem:
        print_line(f"     ! {problem}")


def dry_run_document(state: RunState, folder: Path) -> dict[str, Any]:
    """A run as ``--json`` has it."""
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
