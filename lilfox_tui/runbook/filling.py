"""A command with its values: they travel in the environment, the text only names them.

What reaches a shell is ``iptables -s "$LF_attack_ip"`` and a variable ``LF_attack_ip`` beside it. Inside quotes that is
not enough, for what stands there is often a program that somebody else reads; there a value must be of a type that
admits only letters, digits and ``._:/-``. Where a name would be calculated with, it must be a number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.redact import MASK
from lilfox_tui.runbook.model import Command, Variable
from lilfox_tui.runbook.placeholders import environment_name
from lilfox_tui.runbook.plain_variables import checked
from lilfox_tui.runbook.shell_sites import Place, Site, sites
from lilfox_tui.runbook.shell_words import Need
from lilfox_tui.runbook.variables import admits, is_number, is_safe

_SHELL = re.compile(r"(?:(?:\S*/)?env\s++(?:-S\s++)?)?(?:\S*/)?(?:ba|da|a|k|z)?sh(?:\s.*)?")


class Piece(Struct, frozen=True):
    """A part of a command as it is shown; untrusted text. ``open`` is a placeholder without a value."""

    text: str
    role: Literal["text", "value", "open"] = "text"


class Filled(Struct, frozen=True, kw_only=True):
    """What runs."""

    script: str
    env: dict[str, str]
    """Values, secrets among them: never shown and never stored."""
    shown: tuple[Piece, ...]

    @property
    def marked(self) -> str:
        """As text, each value between ``‹`` and ``›``; secrets are masked."""
        return marked(self.shown)


def marked(pieces: Sequence[Piece]) -> str:
    """Pieces as one text, each value between ``‹`` and ``›``."""
    return "".join(f"‹{piece.text}›" if piece.role == "value" else piece.text for piece in pieces)


def fill(command: Command, values: Mapping[str, str], variables: Sequence[Variable]) -> Filled:
    """The command as it runs with ``values`` (checked: ``variables.check_value``), whose types ``variables`` tell; a
    placeholder that none declares is ``text``.

    Raises LilFoxError for a placeholder without a value, and for one where its type or its value is not safe.
    """
    text, known = command.text, {variable.name: variable for variable in variables}
    found = sites(text)
    if found and (reason := _no_shell(command)):
        raise _refused(found[0], reason, command)
    script: list[str] = []
    env: dict[str, str] = {}
    at = 0
    for site in found:
        name = site.placeholder.name
        if name not in values:
            raise LilFoxError(
                tr("<{name}> has no value: the command is not run", name=name),
                hint=tr("Line {line}. Give it a value first.", line=command.line + text.count("\n", 0, _start(site))),
            )
        if reason := why_not(site, known.get(name, Variable(name=name)), values[name]):
            raise _refused(site, reason, command)
        variable = environment_name(name)
        if env.get(variable, values[name]) != values[name]:
            raise _refused(site, tr("another placeholder differs from it by - and _ alone"), command)
        env[variable] = values[name]
        script += [text[at : _start(site)], _written(site, values[name])]
        at = site.placeholder.end
    written = "".join([*script, text[at:]])
    if command.kind in ("read", "follow") and not command.script:
        written = checked(written, env)
    return Filled(script=written, env=env, shown=shown(text, values, variables))


def shown(text: str, values: Mapping[str, str], variables: Sequence[Variable]) -> tuple[Piece, ...]:
    """A command as people see it, with the values that there are so far in place."""
    secrets = {variable.name for variable in variables if variable.type == "secret"}
    pieces, at = [], 0
    for site in sites(text):
        start, end, name = _start(site), site.placeholder.end, site.placeholder.name
        pieces.append(Piece(text[at:start]))
        if name not in values:
            pieces.append(Piece(text[start:end], "open"))
        else:
            pieces.append(Piece(MASK if name in secrets else values[name], "value"))
        at = end
    return tuple(piece for piece in (*pieces, Piece(text[at:])) if piece.text)


def refusals(command: Command, variables: Sequence[Variable]) -> list[tuple[Site, Message]]:
    """Places where a placeholder can never be filled, whatever its value, and why: what lint says."""
    known = {variable.name: variable for variable in variables}
    reason = _no_shell(command)
    found = []
    for site in sites(command.text):
        name = site.placeholder.name
        if why := reason or _why_never(site, known.get(name, Variable(name=name))):
            found.append((site, why))
    return found


def why_not(site: Site, variable: Variable, value: str) -> Message | None:
    """Why ``value`` may not stand at ``site``; None where it may."""
    if never := _why_never(site, variable):
        return never
    if site.need is Need.SAFE and not is_safe(value):
        return tr("inside quotes only letters, digits and ._:/- are let in")
    if site.need is Need.NUMBER and not is_number(value):
        return tr("only a number can be calculated with")
    if site.option and value.startswith("-"):
        return tr("a value that begins with - would be read as an option here; the runbook can write -- before it")
    if site.place == "verbatim" and site.delimiter.find(value) >= 0:
        return tr("the value could end the heredoc that it stands in")
    if any(not char.isprintable() and char < "\xa0" for char in value):
        return tr("it has control characters")
    return None


_NEVER: dict[Place, Message] = {
    "backquotes": tr("inside backquotes it cannot be made safe; write $( ) instead"),
    "parameter": tr("inside ${{ }} it cannot be made safe"),
    "heredoc": tr("inside $( ) of a heredoc it cannot be made safe"),
}


def _why_never(site: Site, variable: Variable) -> Message | None:
    if site.escaped:
        return tr("a \\ or $ stands before it")
    if site.need is Need.NEVER:
        return _NEVER.get(site.place, tr("a value cannot be the name of a command"))
    if admits(variable) >= site.need:
        return None
    if site.need is Need.NUMBER:
        return tr("only a port, or an int with a minimum, can be calculated with")
    return tr(
        "inside quotes, $( ), a heredoc, or where its text is read as a program, a value of type {type} is not safe",
        type=variable.type,
    )


def _no_shell(command: Command) -> Message | None:
    """Why nothing can be filled in: what is no shell reads ``"$LF_name"`` as something else."""
    program = command.attributes.interpreter or ""
    if not program and command.script and command.text.startswith("#!"):
        program = command.text[2:].split("\n", 1)[0].strip()
    return tr("{program} is no shell", program=program) if program and not _SHELL.fullmatch(program) else None


def _refused(site: Site, why: Message, command: Command) -> LilFoxError:
    line = command.line + command.text.count("\n", 0, _start(site))
    return LilFoxError(
        tr("<{name}> in line {line} is not filled in: {why}", name=site.placeholder.name, line=line, why=why),
        hint=tr("Let the placeholder stand as a word of its own, or declare it with a type that fits."),
    )


def _start(site: Site) -> int:
    return site.placeholder.start


def _written(site: Site, value: str) -> str:
    variable = environment_name(site.placeholder.name)
    written: dict[Place, str] = {
        "word": f'"${variable}"',
        "single": f"'\"${variable}\"'",
        "ansi": f"'\"${variable}\"$'",
        "verbatim": value,  # nothing is expanded there; it is of the safe alphabet
    }
    return written.get(site.place, f"${{{variable}}}")
