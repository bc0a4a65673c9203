"""Variables of a run: what each type accepts, and how values are inserted into a command."""

from __future__ import annotations

import ipaddress
import re
import shlex
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import re2
from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.addresses import Denied, Network, address, network, why_denied
from lilfox_tui.redact import MASK, names_a_secret, redact
from lilfox_tui.runbook.bash.asking import is_shell, shell_sites
from lilfox_tui.runbook.bash.carrying import environment_of, shell_name
from lilfox_tui.runbook.bash.placeholders import Need, Place, Site, environment_name, sites
from lilfox_tui.runbook.bash.variables import variables_of
from lilfox_tui.runbook.classify import checked
from lilfox_tui.runbook.model import Command, Variable, VariableType

# Values of variables: what each type admits. A value is taken whole or refused, and never changed to fit.


LONGEST = 4096
"""Characters of a value."""
MOST_CHOICES = 500
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})")
_UNIT = re.compile(r"[A-Za-z0-9_:.][A-Za-z0-9_:.\\@-]{0,254}")
_GIT_REV = re.compile(r"(?!.*(?:\.\.|//|\.lock(?:/|\Z)|[./]\Z))[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_SPLITS = re.compile(r"[\s*?\[\]\\]")
_SAFE = re.compile(r"(?!-)[A-Za-z0-9._:/-]+")
_BREAKS = frozenset("\u2028\u2029")


class ValueChoice(Struct, frozen=True):
    """A value to choose, already checked, and its description; ``note`` is untrusted text."""

    value: str
    note: str = ""


def check_value(variable: Variable, value: str, *, denied: Denied) -> str:
    """Return ``value`` as it is passed on: addresses in canonical form, anything else unchanged.

    Raises LilFoxError that says what is refused and why.
    """
    if not value:
        raise _refused(variable, tr("it is empty"))
    if len(value) > LONGEST:
        raise _refused(variable, tr("it is longer than {count} characters", count=LONGEST))
    if any(_is_control(char) for char in value):
        raise _refused(variable, tr("it contains control characters"))
    try:
        if variable.type in ("ip", "cidr", "host"):
            return _address_of(variable, value, denied)
    except ValueError:
        raise _refused(variable, tr("it does not match its type")) from None
    if not _fits(variable, value):
        raise _refused(variable, tr("it does not match its type"))
    return value


def admits(variable: Variable) -> Need:
    """Return the strictest place for which every value of the variable's type is safe."""
    if variable.type == "port" or (variable.type == "int" and variable.minimum is not None and variable.minimum >= 0):
        return Need.NUMBER
    if variable.type in ("ip", "cidr", "host", "git-rev", "namespace", "name"):
        return Need.SAFE
    if variable.type == "enum" and all(is_safe(choice) for choice in variable.choices):
        return Need.NUMBER if all(_NUMBER.fullmatch(choice) for choice in variable.choices) else Need.SAFE
    return Need.ANY


def is_safe(value: str) -> bool:
    """Return whether a shell reads the value literally in every kind of quotes. ``LF_…`` is the name of another value,
    which arithmetic would evaluate."""
    return _SAFE.fullmatch(value) is not None and "LF_" not in value


def is_number(value: str) -> bool:
    """Whether it consists of digits only, in decimal."""
    return _NUMBER.fullmatch(value) is not None


def choices_of(variable: Variable, output: str, *, denied: Denied) -> tuple[tuple[ValueChoice, ...], int]:
    """Return the choices in the output of ``from:``, and how many lines were dropped because their value is refused.
    Each line is a value, optionally with a tab and a description."""
    found: dict[str, ValueChoice] = {}
    refused = 0
    for line in output.split("\n"):
        value, _, note = line.strip("\r").partition("\t")
        if not value.strip():
            continue
        try:
            checked = check_value(variable, value.strip(), denied=denied)
        except LilFoxError:
            refused += 1
        else:
            found.setdefault(checked, ValueChoice(checked, note.strip()))
    return tuple(found.values())[:MOST_CHOICES], refused


def check_all(variables: Sequence[Variable], values: Mapping[str, str], *, denied: Denied) -> dict[str, str]:
    """Check every value; missing ones get their default, which is checked too, or are left out. Raises LilFoxError,
    also for a value that no variable asks for."""
    known = {variable.name: variable for variable in variables}
    if unknown := sorted(set(values) - set(known)):
        raise LilFoxError(
            tr("This runbook has no variable {name}", name=unknown[0]),
            hint=tr("Variables: {names}", names=listed(sorted(known)) or "-"),
        )
    given = {name: values.get(name, variable.default) for name, variable in known.items()}
    return {name: check_value(known[name], value, denied=denied) for name, value in given.items() if value is not None}


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in _BREAKS


def _refused(variable: Variable, why: Message) -> LilFoxError:
    """Return the error for a refused value, without the value if it is or could be a secret."""
    return LilFoxError(
        tr("{name}: the value is refused: {why}", name=variable.name, why=why),
        hint=tr("expected: {type}", type=described(variable)),
    )


def described(variable: Variable) -> Message:
    """Return what a variable accepts, in words."""
    if variable.type == "int":
        return _whole_number(variable.minimum, variable.maximum)
    if variable.type == "enum":
        return tr("one of {choices}", choices=listed(variable.choices))
    if variable.type == "regex":
        return tr("text that matches {pattern}", pattern=variable.pattern)
    return _WORDS[variable.type]


def _whole_number(low: int | None, high: int | None) -> Message:
    if low is None:
        return tr("a whole number") if high is None else tr("a whole number (at most {high})", high=high)
    if high is None:
        return tr("a whole number (at least {low})", low=low)
    return tr("a whole number ({low}…{high})", low=low, high=high)


_WORDS: dict[VariableType, Message] = {
    "ip": tr("an IP address (203.0.113.7, 2001:db8::7)"),
    "cidr": tr("an address range (203.0.113.0/24)"),
    "port": tr("a port (1…65535)"),
    "host": tr("a host's name or address"),
    "unit": tr("a systemd unit (nginx.service)"),
    "path": tr("an absolute path (/var/lib/…), without .."),
    "git-rev": tr("a Git commit, tag or branch"),
    "namespace": tr("a namespace (lower-case letters, digits and -)"),
    "name": tr("letters, digits and ._:/-"),
    "secret": tr("a secret"),
    "text": tr("text on one line"),
}


def _number_between(value: str, low: int | None, high: int | None) -> bool:
    number = is_number(value.removeprefix("-")) and value != "-0"
    return number and (low is None or int(value) >= low) and (high is None or int(value) <= high)


def _matches(variable: Variable, value: str) -> bool:
    """Match with RE2: a runbook's pattern cannot hang. An invalid pattern accepts nothing."""
    options = re2.Options()
    options.log_errors = False
    try:
        return bool(variable.pattern) and re2.compile(variable.pattern, options).fullmatch(value) is not None
    except (re2.error, UnicodeEncodeError):
        return False


def _fits(variable: Variable, value: str) -> bool:
    """Whether the whole ``value`` is of the variable's type."""
    match variable.type:
        case "port":
            return is_number(value) and 1 <= int(value) <= 65535
        case "int":
            return _number_between(value, variable.minimum, variable.maximum)
        case "unit":
            return _UNIT.fullmatch(value) is not None and value.strip(".") != ""
        case "path":
            return value.startswith("/") and ".." not in value.split("/")
        case "namespace":
            return _NAMESPACE.fullmatch(value) is not None
        case "name":
            return is_safe(value)
        case "git-rev":
            return _GIT_REV.fullmatch(value) is not None
        case "enum":
            return value in variable.choices
        case "regex":
            return _matches(variable, value)
        case _:
            return True


def _address_of(variable: Variable, value: str, denied: Denied) -> str:
    """Return the canonical form of an address, for ``ip``, ``cidr`` and ``host``. Raises ValueError if it is not
    one."""
    if variable.type == "cidr":
        wanted = network(value)
        _refuse_denied(variable, wanted, value, denied)
        return str(wanted)
    if variable.type == "host" and _HOST.fullmatch(value):
        return value
    found = address(value)
    _refuse_denied(variable, ipaddress.ip_network(found), value, denied)
    return str(found)


def _refuse_denied(variable: Variable, wanted: Network, text: str, denied: Denied) -> None:
    """Raise LilFoxError if ``wanted`` contains an address that the variable may not name."""
    if variable.deny and (why := why_denied(wanted, denied, variable.deny)) is not None:
        raise LilFoxError(
            tr("{name}: {value} is refused: {why}", name=variable.name, value=text, why=why),
            hint=tr("Enter a public address that is not yours, not a configured host's, and not in never_ban."),
        )


# A command with its values: they travel in the environment, the text only names them.
#
# What reaches a shell is ``iptables -s "$LF_attack_ip"`` and a variable ``LF_attack_ip`` beside it. Inside quotes
# that is not enough, for what stands there is often a program that somebody else reads; there a value must be of a
# type that admits only letters, digits and ``._:/-``, and never ``LF_``. Where a name would be calculated with, it must
# be a number.


_SHELL = re.compile(r"(?:(?:\S*/)?env\s++(?:-S\s++)?)?(?:\S*/)?(?:ba|da|a|k|z)?sh(?:\s.*)?")


_LONGEST_SHOWN = 500
"""Characters of a variable's value before a command."""


class CommandPiece(Struct, frozen=True):
    """A part of a command as displayed; untrusted text. ``open`` is a placeholder without a value."""

    text: str
    role: Literal["text", "value", "open"] = "text"


class FilledCommand(Struct, frozen=True, kw_only=True):
    """A command as it runs."""

    script: str
    env: dict[str, str]
    """Values, secrets among them: never shown and never stored."""
    shown: tuple[CommandPiece, ...]
    label: str = ""
    """The command as a person would type it, without the shell variables before it."""

    @property
    def plain(self) -> str:
        """Return the command as a person would type it; secrets are masked."""
        return plain(self.shown)


def marked(pieces: Sequence[CommandPiece]) -> str:
    """Return the pieces of a command that is yet to run as one text, with each value between ``‹`` and ``›``."""
    return "".join(f"‹{piece.text}›" if piece.role == "value" else piece.text for piece in pieces)


def plain(pieces: Sequence[CommandPiece]) -> str:
    """Return pieces as a command that can be pasted into a shell: values without marks, quoted where they must be."""
    return "".join(
        shlex.quote(piece.text) if piece.role == "value" and piece.text != MASK else piece.text for piece in pieces
    )


class PlaceRefusal(Struct, frozen=True):
    """Why a value may not be in a place, and what helps."""

    why: Message
    hint: Message


def fill(command: Command, values: Mapping[str, str], variables: Sequence[Variable]) -> FilledCommand:
    """Return the command as it runs with ``values`` (already checked by ``variables.check_value``). ``variables`` give
    their types; an undeclared placeholder is ``text``.

    Raises LilFoxError for a placeholder without a value, and for one where its type or its value is not safe.
    """
    text, known = command.text, {variable.name: variable for variable in variables}
    found = sites(text)
    if found and (refusal := _no_shell(command)):
        raise _refused_in_place(found[0], refusal, command)
    script: list[str] = []
    env: dict[str, str] = {}
    at = 0
    for site in found:
        name = site.placeholder.name
        if name not in values:
            raise LilFoxError(
                tr("<{name}> has no value: the command was not run", name=name),
                hint=tr(
                    "First set a value for the placeholder on line {line}.",
                    line=command.line + text.count("\n", 0, _start(site)),
                ),
            )
        if refusal := why_not(site, known.get(name, Variable(name=name)), values[name]):
            raise _refused_in_place(site, refusal, command)
        variable = environment_name(name)
        if env.get(variable, values[name]) != values[name]:
            raise _refused_in_place(site, _CLASH, command)
        env[variable] = values[name]
        script += [text[at : _start(site)], _written(site, values[name])]
        at = site.placeholder.end
    written = "".join([*script, text[at:]])
    env |= environment_of(values) | _asked(command, values, known)
    if command.kind in ("read", "follow") and not command.script:
        written = checked(written, env)
    pieces = shown(command, values, variables)
    label = plain(pieces[sum(bool(piece.text) for piece in _shown_before(command, values, _secrets(variables))) :])
    return FilledCommand(script=written, env=env, shown=pieces, label=label)


def _asked(command: Command, values: Mapping[str, str], known: Mapping[str, Variable]) -> dict[str, str]:
    """Return the shell variables that the command asks for, as they travel. Raises LilFoxError for one that has no
    value, or whose value is not safe where the command expands it."""
    names = [each.name for each in command.placeholders if is_shell(each)]
    for name in names:
        if name not in values:
            raise LilFoxError(
                tr("${name} has no value: the command was not run", name=name),
                hint=tr("First set a value for the variable, which nothing in the runbook sets."),
            )
    for site in shell_sites(command.text, names):
        name = site.placeholder.name
        if refusal := why_not(site, known.get(name, Variable(name=name)), values[name]):
            what = tr("${name} on line {line} cannot be used: {why}", name=name, line=command.line, why=refusal.why)
            raise LilFoxError(what, tr("Use another value, or write “${name}” as a quoted word of its own.", name=name))
    return environment_of({f"${name}": values[name] for name in names})


def shown(command: Command, values: Mapping[str, str], variables: Sequence[Variable]) -> tuple[CommandPiece, ...]:
    """Return a command for display, with the values known so far in place."""
    secrets = _secrets(variables)
    text = command.text
    pieces, at = _shown_before(command, values, secrets), 0
    for site in sites(text):
        start, end, name = _start(site), site.placeholder.end, site.placeholder.name
        pieces.append(CommandPiece(text[at:start]))
        if name not in values:
            pieces.append(CommandPiece(text[start:end], "open"))
        else:
            pieces.append(CommandPiece(MASK if name in secrets else values[name], "value"))
        at = end
    return tuple(piece for piece in (*pieces, CommandPiece(text[at:])) if piece.text)


def _secrets(variables: Sequence[Variable]) -> set[str]:
    return {variable.name for variable in variables if variable.type == "secret"}


def _shown_before(command: Command, values: Mapping[str, str], secrets: Collection[str]) -> list[CommandPiece]:
    """Return the shell variables that come from earlier fences or were asked for, as assignments before the command
    that uses them, and all that are exported, which programs may use."""
    pieces: list[CommandPiece] = []
    text = command.text
    for name in (each.name for each in command.placeholders if is_shell(each)):
        value = MASK if name in secrets and name in values else values.get(name)
        asked = CommandPiece(f"<{name}>", "open") if value is None else CommandPiece(value, "value")
        pieces += [CommandPiece(f"{name}="), asked, CommandPiece("\n")]
    used = variables_of(text).uses if any(map(shell_name, values)) and "$" in text else frozenset()
    for key in sorted(values, key=shell_name):
        name, exported = shell_name(key), key.startswith("export ")
        if not name or not (exported or name in used):
            continue
        value = values[key]
        if names_a_secret(name) or redact(value) != value or redact(f"{name}={value}") != f"{name}={value}":
            value = MASK
        elif len(value) > _LONGEST_SHOWN:
            value = value[:_LONGEST_SHOWN] + "…"
        begin = f"export {name}=" if exported else f"{name}="
        pieces += [CommandPiece(begin), CommandPiece(value, "value"), CommandPiece("\n")]
    return pieces


def refusals(command: Command, variables: Sequence[Variable]) -> list[tuple[Site, Message]]:
    """Return the places where a placeholder can never be filled, whatever its value, and why; lint reports them."""
    known = {variable.name: variable for variable in variables}
    no_shell = _no_shell(command)
    found = []
    shell = shell_sites(command.text, [each.name for each in command.placeholders if is_shell(each)])
    for site in (*sites(command.text), *shell):
        name = site.placeholder.name
        if refusal := no_shell or _why_never(site, known.get(name, Variable(name=name))):
            found.append((site, refusal.why))
    return found


_OTHER_VALUE = tr("Use another value, or write the placeholder as a separate word.")
_OTHER_TYPE = tr("Write the placeholder as a separate word, or declare a suitable type for it.")
_BY_VARIABLE = tr("Assign the value to a variable first, for example value=<name>, then use the variable.")
_NEVER: dict[Place, PlaceRefusal] = {
    "backquotes": PlaceRefusal(tr("a value inside backquotes cannot be made safe; write $( ) instead"), _BY_VARIABLE),
    "parameter": PlaceRefusal(tr("a value inside a parameter expansion cannot be made safe"), _BY_VARIABLE),
    "heredoc": PlaceRefusal(tr("a value inside $( ) in a heredoc cannot be made safe"), _BY_VARIABLE),
}
_COMMAND_NAME = PlaceRefusal(
    tr("a value cannot be the name of a command"),
    tr("Write the name of the command in the runbook; only its arguments can be values."),
)
_CLASH = PlaceRefusal(
    tr("its name clashes with another placeholder: - and _ count as the same character"), tr("Rename one of the two.")
)


def why_not(site: Site, variable: Variable, value: str) -> PlaceRefusal | None:
    """Return why ``value`` may not be at ``site``; None if it may."""
    if never := _why_never(site, variable):
        return never
    if site.need is Need.SAFE and not is_safe(value):
        why = tr("only letters, digits and ._:/- are allowed here, and the value must not begin with - or contain LF_")
        return PlaceRefusal(why, _OTHER_VALUE)
    if site.need is Need.NUMBER and not is_number(value):
        return PlaceRefusal(tr("only a number can be used in arithmetic"), _OTHER_VALUE)
    if site.option and value.startswith("-"):
        why = tr("a value that begins with - would be read as an option here")
        return PlaceRefusal(why, tr("In the runbook, write -- before the placeholder."))
    if site.splits and _SPLITS.search(value):
        why = tr("it is not in quotes here: bash would split the value at blanks, or expand *, ? and [ in it")
        return PlaceRefusal(why, _OTHER_VALUE)
    if site.place == "verbatim" and site.delimiter.find(value) >= 0:
        why = tr("the value could end the heredoc around it")
        return PlaceRefusal(why, tr("Use a delimiter that does not contain the value."))
    if any(not char.isprintable() and char < "\xa0" for char in value):
        return PlaceRefusal(tr("it contains control characters"), tr("Use a value without control characters."))
    return None


def _why_never(site: Site, variable: Variable) -> PlaceRefusal | None:
    if site.escaped:
        return PlaceRefusal(tr("it is preceded by \\ or $"), tr("Remove the \\ or $ before the placeholder."))
    if site.need is Need.NEVER:
        return _NEVER.get(site.place, _COMMAND_NAME)
    if admits(variable) >= site.need:
        return None
    if site.need is Need.NUMBER:
        why = tr("only a port, an enum of numbers, or an int with a minimum of 0 or more can be used in arithmetic")
    else:
        why = tr(
            "a value of type {type} is not safe inside quotes, $( ) or a heredoc, or where it would be interpreted "
            "as code",
            type=variable.type,
        )
    return PlaceRefusal(why, _OTHER_TYPE)


def _no_shell(command: Command) -> PlaceRefusal | None:
    """Return why nothing can be filled in: the command is read by a program other than a shell, which does not expand
    ``"$LF_name"``. None for a shell."""
    program = command.attributes.interpreter or ""
    if not program and command.script and command.text.startswith("#!"):
        program = command.text[2:].split("\n", 1)[0].strip()
    if not program or _SHELL.fullmatch(program):
        return None
    return PlaceRefusal(
        tr("{program} is not a shell", program=program),
        tr("Start the program from a bash fence, with the placeholder as an argument."),
    )


def _refused_in_place(site: Site, refusal: PlaceRefusal, command: Command) -> LilFoxError:
    line = command.line + command.text.count("\n", 0, _start(site))
    return LilFoxError(
        tr(
            "<{name}> on line {line} cannot be filled in: {why}", name=site.placeholder.name, line=line, why=refusal.why
        ),
        hint=refusal.hint,
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
