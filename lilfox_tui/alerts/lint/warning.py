"""What a rule file is warned of."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.i18n import Message


class Remark(NamedTuple):
    """One thing about one rule: in which line, of what kind, what it is, and what would be right (often an
    expression)."""

    line: int
    code: str
    what: Message
    hint: Message | str


class RuleWarning(Struct, frozen=True):
    """A remark with its place. ``rule`` is the alert's or the series' name; both names are untrusted text."""

    file: str
    line: int
    group: str
    rule: str
    code: str
    what: Message
    hint: Message | str
