"""Lint checks across a file: its steps, and problems that only show across fences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _
from lilfox_tui.hosts.addresses import Denied
from lilfox_tui.runbook.bash.asking import is_shell
from lilfox_tui.runbook.bash.carrying import ShellVariables
from lilfox_tui.runbook.bash.lexer import read_through
from lilfox_tui.runbook.lint.script_checks import FenceSource, hazard
from lilfox_tui.runbook.model import Command, Problem, Runbook, Step, Variable
from lilfox_tui.runbook.run.state import EACH, word_of
from lilfox_tui.runbook.run.variables import check_value, refusals

# Hazards of the steps of a runbook: what stands in the way of others, changes nothing, or cannot be undone.


_UNITS = re.compile(r"(?:^|\s)(?:systemctl\s+(?:re)?(?:start|load)|service\s+\S+\s+\w*start)\b")
_DESTROYS = re.compile(
    r"\brm\s+(?:-\w+\s+){0,20}-(?=\w*?r)(?=\w*?f)\w|\bmkfs\b|\bdd\s.{0,500}?of=/dev/|(?i:\bdrop\s+(?:database|table|schema)\b)"
)
_SEVERAL = re.compile(r"[*?\[,]|^(?:all|each)$")
_EXPORT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=")


def check_steps(runbook: Runbook, declared: Sequence[str]) -> Iterator[Problem]:
    """Yield the problems of one runbook; ``declared`` are the variables that its file gives a type."""
    undone = {command.attributes.rollback_of for step in runbook.steps for command in step.commands}
    told: set[str] = set()
    yield from _defaults(runbook)
    yield from _captures(runbook)
    unset = ShellVariables(runbook.steps)
    for step in runbook.steps:
        yield from _order(step)
        yield from _changes(step, undone)
        yield from _of_each(step)
        yield from _unconfirmed(step)
        for command in step.commands:
            yield from _unset(command, unset, told)
            yield from _shown(command)
            yield from _destroys(command)
            yield from _placeholders(command, runbook.variables, set(declared), told)
            if command.kind != "none" and re.search(
                r"\biptables\s+(?:-\w+\s+){0,20}(?:-A|--append)\s+INPUT\b", command.text
            ):
                yield hazard(
                    command.line,
                    "iptables-append",
                    _(
                        "has no effect after an ACCEPT rule, never expires, ignores IPv6 and may lock you out; use "
                        "an nft set with a timeout"
                    ),
                )


def _defaults(runbook: Runbook) -> Iterator[Problem]:
    for variable in runbook.variables:
        if variable.default is not None:
            try:
                check_value(variable, variable.default, denied=Denied())
            except LilFoxError as error:
                yield Problem(runbook.line, "error", "default-refused", str(error))


def _captures(runbook: Runbook) -> Iterator[Problem]:
    """Yield captures on several hosts that are used elsewhere: a captured value belongs to its host."""
    commands = [command for step in runbook.steps for command in step.commands if command.kind != "none"]
    several = {
        name: word
        for command in commands
        for name in command.attributes.capture
        if _SEVERAL.search(word := _where(command, runbook))
    }
    for command in commands:
        for name in dict.fromkeys(each.name for each in command.placeholders):
            if name in several and _where(command, runbook) != several[name]:
                text = _(
                    "<{name}> is captured per host on {hosts}: here, on {other}, it may have no value",
                    name=name, hosts=several[name], other=_where(command, runbook),
                )  # fmt: skip
                yield hazard(command.line, "capture-of-another-host", text)


def _where(command: Command, runbook: Runbook) -> str:
    """Return the command's hosts in the runbook's words; ``each`` (one by one) counts as the runbook's hosts."""
    word = word_of(command, runbook)
    return runbook.hosts or "each" if word == EACH else word


def _unset(command: Command, unset: ShellVariables, told: set[str]) -> Iterator[Problem]:
    """Yield variables that are empty in a command that changes something."""
    for name, other in unset.elsewhere(command):
        text = _(
            "${name} is set in another fence (line {other}) and empty here, so LilFox does not run this command; "
            "set it in this fence or in an earlier one",
            name=name,
            other=other,
        )
        yield Problem(command.line, "error", "variable-of-another-fence", text)
    for name in unset.stays(command):
        text = _("${name} does not pass to the next fences; set it in each fence that needs it", name=name)
        yield hazard(command.line, "variable-stays", text)
    names = [each.name for each in command.placeholders if is_shell(each)]
    for name in (each for each in names if f"${each}" not in told):
        told.add(f"${name}")
        text = _("nothing in this runbook sets ${name}: LilFox asks for it; give it a type under vars", name=name)
        yield hazard(command.line, "variable-unset", text)
    for name in unset.nowhere(command):
        if name not in names:
            yield hazard(
                command.line,
                "variable-unset",
                _(
                    "nothing in this runbook sets ${name}: unless the host's environment does, this command is not run",
                    name=name,
                ),
            )


def _order(step: Step) -> Iterator[Problem]:
    """Yield commands that do not end by themselves but are followed by others of the same fence."""
    commands = step.commands
    for command, following in pairwise(commands):
        if command.fence != following.fence:
            continue
        if command.kind == "follow":
            yield hazard(
                command.line,
                "follow-first",
                _(
                    "does not end by itself: if the fence is pasted as a whole, the lines after it do not run; put "
                    "it last"
                ),
            )
        elif command.kind == "interactive":
            yield hazard(
                command.line,
                "interactive-first",
                _(
                    "takes over the terminal: if the fence is pasted as a whole, the lines after it become its "
                    "input; use a separate fence"
                ),
            )
    for at, command in enumerate(commands):
        found = _EXPORT.match(command.text)
        behind = [other for other in commands[at + 1 :] if other.fence == command.fence]
        if found and command.text.lstrip().startswith("export") and any(_UNITS.search(each.text) for each in behind):
            yield hazard(
                command.line,
                "export-no-effect",
                _(
                    "systemd units do not inherit a shell's exports: this has no effect on the unit; change its "
                    "EnvironmentFile"
                ),
            )


def _changes(step: Step, undone: set[str | None]) -> Iterator[Problem]:
    """Yield changes that are neither verified nor can be undone."""
    changing = [
        command
        for command in step.commands
        if command.kind == "change" and not command.attributes.rollback_of and command.attributes.risk != "read"
    ]
    if not changing or any(command.attributes.check for command in step.commands):
        return
    if any(command.attributes.name in undone for command in changing if command.attributes.name):
        return
    yield hazard(
        changing[0].line,
        "change-unchecked",
        _(
            "makes changes, but the step has neither a check nor a rollback; add {example}",
            example='{"check": true}',
        ),
    )


def _of_each(step: Step) -> Iterator[Problem]:
    """Yield fences of several commands with an expectation, a capture or the like: it applies to each command."""
    counts = Counter(command.fence for command in step.commands if command.kind != "none")
    told: set[int] = set()
    for command in step.commands:
        attributes = command.attributes
        found = {"capture": attributes.capture, "expect": attributes.expect, "unchanged": attributes.unchanged}
        name = next((name for name, value in found.items() if value not in (None, {})), "")
        if name and counts[command.fence] > 1 and command.fence not in told:
            told.add(command.fence)
            yield hazard(
                command.line,
                "of-each-command",
                _(
                    "“{name}” applies to each of the {count} commands of this fence; move the intended one into "
                    "its own fence",
                    name=name, count=counts[command.fence],
                ),
            )  # fmt: skip


def _shown(command: Command) -> Iterator[Problem]:
    if command.kind == "none" and command.language in ("python", "py", "sql", "javascript", "ruby"):
        yield hazard(
            command.line,
            "edit-in-no-process",
            _(
                "this code is only shown, not run: typing it in changes no running process; name the file to edit, "
                "then reload"
            ),
        )


def _unconfirmed(step: Step) -> Iterator[Problem]:
    """Yield destructive fences that ask for a weaker confirmation than the typed one, which they need."""
    told: set[int] = set()
    for command in step.commands:
        confirm = command.attributes.confirm
        if command.kind == "none" or command.attributes.risk != "destroy" or confirm in (None, "typed"):
            continue
        if command.fence not in told:
            told.add(command.fence)
            text = _(
                "confirm is “{confirm}”, but risk is “destroy”: the host names must be typed anyway; remove confirm",
                confirm=confirm,
            )
            yield Problem(command.line, "error" if confirm == "none" else "warning", "confirm-too-weak", text)


def _destroys(command: Command) -> Iterator[Problem]:
    """Yield commands that destroy data irreversibly without a typed confirmation."""
    attributes = command.attributes
    if command.kind == "none" or attributes.risk == "destroy" or attributes.confirm == "typed":
        return
    lines = command.text.split("\n")
    comments = read_through(command.text).comments if any(map(_DESTROYS.search, lines)) else ()
    at = 0
    for number, line in enumerate(lines):
        begins, at = at + len(line) - len(line.lstrip()), at + len(line) + 1
        if (found := _DESTROYS.search(line)) is not None and begins not in comments:
            yield hazard(
                command.line + number,
                "destroys",
                _(
                    "{command} cannot be undone; add {example}, so that the host names must be typed before it runs",
                    example='{"risk": "destroy"}',
                    command=found[0],
                ),
            )


def _placeholders(
    command: Command, variables: Sequence[Variable], declared: set[str], told: set[str]
) -> Iterator[Problem]:
    for placeholder in command.placeholders:
        if placeholder.name not in {*declared, *told} and not is_shell(placeholder):
            told.add(placeholder.name)
            yield hazard(
                command.line,
                "placeholder-untyped",
                _(
                    "a shell reads <{name}> as a redirection; LilFox guesses its type by its name: give it one "
                    "under vars",
                    name=placeholder.name,
                ),
            )
    if command.placeholders and command.kind != "none":
        for site, why in refusals(command, variables):
            yield Problem(command.line, "error", "placeholder-refused", f"<{site.placeholder.name}>: {why}")


# Hazards that only show where the fences of a file are seen together.


_DATED = re.compile(r"(/[\w/.-]{0,200})/(\w{1,100}?_)\$\{?\w{0,60}(?:DATE|STAMP|version|VERSION)")
_READS = re.compile(r"\btar\s+-?\w*x|\bgunzip\s+-c|\bpsql\b.*<|^cp\s+\S*/")
_LOCAL_PORT = re.compile(r"(?:localhost|127\.0\.0\.1):(\d{2,5})")
_PORT = re.compile(r"^(?=\w*?PORT)(\w++)=[\"']?(\d{2,5})\b")


def check_file(sources: Sequence[FenceSource]) -> Iterator[Problem]:
    """Yield the problems across all fences of one file."""
    yield from _places(sources)
    yield from _retention(sources)
    yield from _ports(sources)
    yield from _exceptions(sources)


def _places(sources: Sequence[FenceSource]) -> Iterator[Problem]:
    """Yield backups written where no restore looks, and restores that look where no backup is written."""
    written: dict[tuple[str, str], int] = {}
    read: dict[tuple[str, str], int] = {}
    for source in sources:
        for line, text in source.lines if source.shell else ():
            for folder, prefix in _DATED.findall(source.filled(text)):
                (read if _READS.search(source.filled(text)) else written).setdefault((folder, prefix), line)
    for (folder, prefix), line in written.items():
        others = [place for place in read if place[1] == prefix]
        if others and (folder, prefix) not in read:
            other = others[0]
            yield hazard(
                line,
                "restored-from-elsewhere",
                _(
                    "written to {folder}, but the restore on line {line} looks in {other}",
                    folder=folder, line=read[other], other=other[0],
                ),
            )  # fmt: skip
    folders = {folder for folder, _prefix in written}
    for (folder, prefix), line in read.items():
        if folder not in folders:
            yield hazard(
                line,
                "nobody-writes-it",
                _(
                    "reads {path}…, but nothing in this file writes it; add the command that creates it",
                    path=f"{folder}/{prefix}",
                ),
            )


def _retention(sources: Sequence[FenceSource]) -> Iterator[Problem]:
    found = [
        (number, match[1])
        for source in sources
        if source.shell
        for number, match in source.each(r"-mtime\s+\+(\d+).*-delete")
    ]
    for number, days in found[1:]:
        if days != found[0][1]:
            yield hazard(
                number,
                "retention-differs",
                _(
                    "-mtime +{days} here, but +{other} on line {line}: older sets are incomplete; use the same "
                    "retention for all",
                    days=days, line=found[0][0], other=found[0][1],
                ),
            )  # fmt: skip


def _ports(sources: Sequence[FenceSource]) -> Iterator[Problem]:
    """Yield ports that a script may switch to, but that another service uses."""
    for source in sources:
        ports = [(number, found[1], found[2]) for number, found in source.each(_PORT.pattern)] if source.script else []
        for number, name, port in ports[1:]:
            if port == ports[0][2]:
                continue
            others = [
                line
                for other in sources
                if other is not source
                for line, found in other.each(_LOCAL_PORT.pattern)
                if port in _LOCAL_PORT.findall(found.string)
            ]
            if others:
                yield hazard(
                    number,
                    "port-taken",
                    _(
                        "{name}: port {port} is already used by another service (line {line})",
                        name=name,
                        port=port,
                        line=others[0],
                    ),
                )


def _exceptions(sources: Sequence[FenceSource]) -> Iterator[Problem]:
    if not any(source.has(r"\[\"exception\"\]\s*=\s*self\.formatException") for source in sources):
        return
    for source in sources:
        for line, _found in source.each(r"\.get\(\"exception\",\s*\{\}\)\.get\("):
            yield hazard(
                line, "exception-is-text", _("“exception” is a string in these logs and has no .get; handle both forms")
            )
