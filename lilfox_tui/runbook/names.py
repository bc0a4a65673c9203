"""Names of fences and of variables within a runbook, and what undoes what: each name once, no circles."""

from __future__ import annotations

from msgspec import Struct

from lilfox_tui.i18n import _
from lilfox_tui.redact import names_a_secret
from lilfox_tui.runbook.model import Problem, Runbook


class _Named(Struct):
    name: str
    line: int
    undoes: str | None


def problems_of_names(runbook: Runbook) -> list[Problem]:
    """Names that are there twice, rollbacks of what is not there or in a circle, secrets that are captured."""
    fences = _fences(runbook)
    problems: list[Problem] = []
    first: dict[str, _Named] = {}
    for fence in fences:
        if not fence.name:
            continue
        if fence.name in first:
            what = _(
                "the name “{name}” is that of the fence in line {line} already",
                name=fence.name,
                line=first[fence.name].line,
            )
            problems.append(Problem(fence.line, "error", "name-twice", what))
        first.setdefault(fence.name, fence)
    for fence in fences:
        if fence.undoes is not None and fence.undoes not in first:
            what = _("rollback-of: no fence of this runbook has the name “{name}”", name=fence.undoes)
            problems.append(Problem(fence.line, "error", "rollback-unknown", what))
    return problems + _circles(first) + _captured_secrets(runbook)


def _captured_secrets(runbook: Runbook) -> list[Problem]:
    """What a command prints is kept and shown before anybody knows that a secret is in it."""
    secret = {variable.name for variable in runbook.variables if variable.type == "secret"}
    found: dict[int, Problem] = {}
    for command in (command for step in runbook.steps for command in step.commands):
        for name in command.attributes.capture:
            if name in secret or names_a_secret(name):
                what = _(
                    "capture: “{name}” is a secret, and what is printed is kept; the command that needs it can read it",
                    name=name,
                )
                found.setdefault(command.fence, Problem(command.line - 1, "error", "attribute-value", what))
    return list(found.values())


def _fences(runbook: Runbook) -> list[_Named]:
    """The fences that have a name or undo another, each once."""
    found: dict[int, _Named] = {}
    for step in runbook.steps:
        for command in step.commands:
            attributes = command.attributes
            if (attributes.name or attributes.rollback_of) and command.fence not in found:
                found[command.fence] = _Named(attributes.name or "", command.line - 1, attributes.rollback_of)
    return list(found.values())


def _circles(named: dict[str, _Named]) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[str] = set()
    for start in named:
        way: list[str] = []
        name: str | None = start
        while name is not None and name in named and name not in seen:
            seen.add(name)
            way.append(name)
            name = named[name].undoes
        if name in way:
            circle = [*way[way.index(name) :], name]
            what = _("rollbacks in a circle: {names}", names=" → ".join(circle))
            problems.append(Problem(named[name].line, "error", "rollback-circle", what))
    return problems
