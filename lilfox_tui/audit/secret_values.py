"""Finds secrets in a text that was read for an audit: what ``redact`` masks, without what it masks to be on the safe
side. A finding must hold; a mask may be too large."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from lilfox_tui.redact import MASK, names_a_secret, redact

SHORTEST_TOKEN = 16
"""A word that is not a password is a secret if it has this many characters, letters and digits among them."""
_NO_VALUE = re.compile(
    r"(?i)(?:[/~$%{<@]|\.{1,2}/|[a-z]:\\|file:|env:|(?:your|example|placeholder|dummy|todo)\b|your[_-]|!?change[_-]?(?:me|it)\b)"
    r"|.*\.(?:pem|key|crt|json|ya?ml|txt|env|cnf|conf)\Z"
    r"|(?:amd64|arm64|i386|all|none|null|true|false|password|secret|token)\Z"
)
_NAME_BEFORE = re.compile(
    r"([\w.-]{1,99})[\"'\]]{0,3}[ \t]{0,99}(?:=>|[:?]?=|::?|>)?[ \t]{0,99}"
    r"[\"'`]?(?:(?:Bearer|Basic|Token)[ \t]{1,9})?\Z"
)
_PASSWORD = re.compile(r"(?i)pass|pwd|pw\Z|://")
_CHOSEN = re.compile(r"(?i)pass|pwd|pw\d?\Z|secret")
_ASSIGNED = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)")


class Secret(Struct, frozen=True):
    """A secret in a text: the name that stands before it (an option, a variable, the scheme of a URL), and its
    value, which is never shown."""

    name: str
    value: str

    @property
    def is_password(self) -> bool:
        """Whether people chose it, so that it may be short."""
        return bool(_PASSWORD.search(self.name))


def secrets_in(text: str) -> list[Secret]:
    """The secrets in one line of a log or of a process's arguments."""
    masked = redact(text)
    if masked == text:
        return []
    found = []
    for before, value in _masked_parts(text, masked):
        if is_value(value):
            named = _NAME_BEFORE.search(before)
            url = re.search(r"[a-z][a-z0-9+.-]{0,30}://[^\s/]*\Z", before)
            found.append(Secret(url[0].split("//")[0] + "//" if url else named[1] if named else "", value))
    return found


def _masked_parts(text: str, masked: str) -> list[tuple[str, str]]:
    """What ``masked`` hides of ``text``, each with what stands before it; nothing where the two do not fit."""
    first, *pieces = masked.split(MASK)
    if not text.startswith(first):
        return []
    found: list[tuple[str, str]] = []
    at, before = len(first), first
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        end = len(text) - len(piece) if last and text.endswith(piece) else text.find(piece, at)
        if end < at:
            return found
        found.append((before, text[at:end]))
        at, before = end + len(piece), piece
    return found


def is_value(text: str) -> bool:
    """Whether ``text`` can be a secret itself: no path of a file that has it, no variable, no example."""
    value = text.strip("\"'`\\ ")
    return len(value) >= 4 and len(set(value)) > 1 and not _NO_VALUE.match(value)


def is_token(value: str) -> bool:
    """Whether ``value`` looks made by a machine."""
    return (
        len(value) >= SHORTEST_TOKEN
        and any(letter.isalpha() for letter in value)
        and any(letter.isdigit() for letter in value)
    )


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable holds a secret. What is called a token, a key or a cookie may be its kind or its name
    (``SMTP_AUTH=login``, ``SESSION_COOKIE=shop_session``)."""
    if not names_a_secret(name):
        return bool(secrets_in(value))
    is_made = len(value) >= 8 and any(each.isdigit() or each.isupper() for each in value)
    return is_value(value) and (is_made or bool(_CHOSEN.search(name)))


def secret_names(lines: Sequence[str]) -> list[str]:
    """The variables of an env file that hold secrets, and what else in it has one."""
    found = []
    for line in lines:
        assigned = _ASSIGNED.fullmatch(line)
        if assigned is not None:
            found += [assigned[1]] * is_secret_variable(assigned[1], assigned[2].split(" #")[0])
        elif not line.lstrip().startswith("#"):
            found += ["password"] * bool(secrets_in(line))
    return list(dict.fromkeys(found))
