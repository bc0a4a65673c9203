"""Values of variables: what each type admits. A value is taken whole or refused, and never changed to fit."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping, Sequence

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.addresses import Denied, Network, address, network, why_denied
from lilfox_tui.i18n import Message, listed, tr
from lilfox_tui.runbook.model import Variable, VariableType
from lilfox_tui.runbook.shell_words import Need

LONGEST = 4096
"""Characters of a value."""
MOST_CHOICES = 500
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})")
_UNIT = re.compile(r"[A-Za-z0-9_:.][A-Za-z0-9_:.\\@-]{0,254}")
_GIT_REV = re.compile(r"(?!.*(?:\.\.|//|\.lock(?:/|\Z)|[./]\Z))[A-Za-z0-9][A-Za-z0-9._/-]{0,254}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_SAFE = re.compile(r"(?!-)[A-Za-z0-9._:/-]+")
_BREAKS = frozenset("\u2028\u2029")


class Choice(Struct, frozen=True):
    """A value that can be chosen, checked, and what is said of it; ``note`` is untrusted text."""

    value: str
    note: str = ""


def check_value(variable: Variable, value: str, *, denied: Denied) -> str:
    """``value`` as it is passed on: addresses in their one spelling, anything else as it was given.

    Raises LilFoxError that says what is refused and why.
    """
    if not value:
        raise _refused(variable, tr("it is empty"))
    if len(value) > LONGEST:
        raise _refused(variable, tr("it is longer than {count} characters", count=LONGEST))
    if any(_is_control(char) for char in value):
        raise _refused(variable, tr("it has control characters"))
    try:
        if variable.type in ("ip", "cidr", "host"):
            return _address_of(variable, value, denied)
    except ValueError:
        raise _refused(variable, tr("it does not fit its type")) from None
    if not _fits(variable, value):
        raise _refused(variable, tr("it does not fit its type"))
    return value


def admits(variable: Variable) -> Need:
    """The strictest place that every value of the variable's type is good for."""
    if variable.type == "port" or (variable.type == "int" and variable.minimum is not None and variable.minimum >= 0):
        return Need.NUMBER
    if variable.type in ("ip", "cidr", "host", "git-rev"):
        return Need.SAFE
    if variable.type == "enum" and all(is_safe(choice) for choice in variable.choices):
        return Need.NUMBER if all(_NUMBER.fullmatch(choice) for choice in variable.choices) else Need.SAFE
    return Need.ANY


def is_safe(value: str) -> bool:
    """Whether a shell reads it as itself in every kind of quotes. ``LF_…`` is the name of another value: where names
    are calculated with, that would be read."""
    return _SAFE.fullmatch(value) is not None and "LF_" not in value


def is_number(value: str) -> bool:
    """Whether it is digits alone, as written in tens."""
    return _NUMBER.fullmatch(value) is not None


def choices_of(variable: Variable, output: str, *, denied: Denied) -> tuple[tuple[Choice, ...], int]:
    """What the output of ``from:`` offers, and how many lines were left out since their value is refused. A line is a
    value; behind a tab it may say something about it."""
    found: dict[str, Choice] = {}
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
            found.setdefault(checked, Choice(checked, note.strip()))
    return tuple(found.values())[:MOST_CHOICES], refused


def check_all(variables: Sequence[Variable], values: Mapping[str, str], *, denied: Denied) -> dict[str, str]:
    """Every value checked; those that are not given have their default, which is checked as they are, or are not in
    it. Raises LilFoxError, also for a value that no variable asks for."""
    known = {variable.name: variable for variable in variables}
    if unknown := sorted(set(values) - set(known)):
        raise LilFoxError(
            tr("There is no variable {name} here", name=unknown[0]),
            hint=tr("Variables: {names}", names=listed(sorted(known)) or "-"),
        )
    given = {name: values.get(name, variable.default) for name, variable in known.items()}
    return {name: check_value(known[name], value, denied=denied) for name, value in given.items() if value is not None}


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in _BREAKS


def _refused(variable: Variable, why: Message) -> LilFoxError:
    """Without the value where it is a secret, or could be one."""
    return LilFoxError(
        tr("{name}: the value is refused: {why}", name=variable.name, why=why),
        hint=tr("what it may be: {type}", type=described(variable)),
    )


def described(variable: Variable) -> Message:
    """What a variable admits, in words."""
    if variable.type == "int":
        low = "" if variable.minimum is None else str(variable.minimum)
        high = "" if variable.maximum is None else str(variable.maximum)
        return tr("a whole number ({low}…{high})", low=low, high=high)
    if variable.type == "enum":
        return tr("one of {choices}", choices=listed(variable.choices))
    if variable.type == "regex":
        return tr("text that matches {pattern}", pattern=variable.pattern)
    return _WORDS[variable.type]


_WORDS: dict[VariableType, Message] = {
    "ip": tr("an address (203.0.113.7, 2001:db8::7)"),
    "cidr": tr("a range of addresses (203.0.113.0/24)"),
    "port": tr("a port (1…65535)"),
    "host": tr("a host's name or address"),
    "unit": tr("a systemd unit (nginx.service)"),
    "path": tr("an absolute path (/var/lib/…), without .."),
    "git-rev": tr("a commit, tag or branch of Git"),
    "secret": tr("a secret"),
    "text": tr("text on one line"),
}


def _number_between(value: str, low: int | None, high: int | None) -> bool:
    number = is_number(value.removeprefix("-")) and value != "-0"
    return number and (low is None or int(value) >= low) and (high is None or int(value) <= high)


def _matches(variable: Variable, value: str) -> bool:
    """By RE2: a runbook's pattern cannot hang. One that cannot be read lets nothing in."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return bool(variable.pattern) and re2.compile(variable.pattern, options).fullmatch(value) is not None
    except (re2.error, UnicodeEncodeError):
        return False


def _fits(variable: Variable, value: str) -> bool:
    """Whether ``value`` is of the variable's type, in full."""
    match variable.type:
        case "port":
            return is_number(value) and 1 <= int(value) <= 65535
        case "int":
            return _number_between(value, variable.minimum, variable.maximum)
        case "unit":
            return _UNIT.fullmatch(value) is not None and value.strip(".") != ""
        case "path":
            return value.startswith("/") and ".." not in value.split("/")
        case "git-rev":
            return _GIT_REV.fullmatch(value) is not None
        case "enum":
            return value in variable.choices
        case "regex":
            return _matches(variable, value)
        case _:
            return True


def _address_of(variable: Variable, value: str, denied: Denied) -> str:
    """Of ``ip``, ``cidr`` and ``host``: the one spelling of an address. Raises ValueError for what is none."""
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
    """Raises LilFoxError when ``wanted`` holds an address that the variable may not name."""
    if variable.deny and (why := why_denied(wanted, denied, variable.deny)) is not None:
        raise LilFoxError(
            tr("{name}: {value} is refused: {why}", name=variable.name, value=text, why=why),
            hint=tr("Give an address of the internet that is not yours and not of never_ban."),
        )
