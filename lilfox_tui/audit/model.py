"""What an audit consists of: facts, which are questions with a pure parser of the answer; checks, which judge nothing
but facts; findings, checks that could not be made, and the report of all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Any, Generic, TypeVar, cast

from msgspec import MsgspecError, Struct

from lilfox_tui.core.i18n import Message, tr

T = TypeVar("T")


class NotKnown(Exception):
    """A fact could not be read, so what depends on it cannot be checked."""

    def __init__(self, reason: Message) -> None:
        super().__init__(reason)
        self.reason = reason


class Absent(Exception):
    """The target has nothing that a check is about."""


class Fact(Struct, Generic[T], frozen=True):
    """A question to a target, and how its answer is read. What ``question`` is depends on the kind of target: a script
    of sh (``targets/hosts.py``), a query (``targets/postgresql.py``), a command (``targets/redis.py``), a request or a
    handshake (``targets/services.py``). ``parse`` gets the answer of that kind; it is pure, and raises NotKnown or
    Absent."""

    name: str
    question: Any
    parse: Callable[[Any], T]


class Facts:
    """The facts of one target, parsed when they are first read. ``answers`` has NotKnown for a question that got no
    answer."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self._parsed: dict[str, Any] = {}

    def __getitem__(self, fact: Fact[T]) -> T:
        """The parsed ``fact``; raises NotKnown, Absent, and KeyError for one that its check does not declare."""
        if fact.name not in self._parsed:
            answer = self._answers[fact.name]
            if isinstance(answer, NotKnown):
                raise answer
            try:
                self._parsed[fact.name] = fact.parse(answer)
            except (ValueError, LookupError, TypeError, AttributeError, MsgspecError):  # not as it is documented
                raise NotKnown(tr("the answer about {fact} cannot be read", fact=fact.name)) from None
        return cast("T", self._parsed[fact.name])


class AuditSeverity(IntEnum):
    """How urgent a finding is; the higher, the worse."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


SEVERITY_TEXTS = {
    AuditSeverity.LOW: tr("low"),
    AuditSeverity.MEDIUM: tr("medium"),
    AuditSeverity.HIGH: tr("high"),
    AuditSeverity.CRITICAL: tr("critical"),
}


class Target(Struct, frozen=True, order=True):
    """What is checked: a host, a backend or a service by its name in the configuration, or the configuration itself."""

    kind: str
    name: str


class Fix(Struct, frozen=True):
    """How to mend a finding: what to do, the exact ``lines`` for ``file`` if it is one, and the ``commands`` that then
    put them into effect."""

    text: Message
    file: str = ""
    lines: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


SERVER_BLOCK = tr("Add these lines to the server block of nginx, or configure the equivalent in your web server.")
HEADER_LINES = tr("Add this line to the server block of nginx, and to each location that has its own add_header lines.")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./+-]+")


def plain(word: str, instead: str) -> str:
    """A word that a server sent, for a line of a fix: ``instead`` where it has characters that mean something in a
    configuration or a shell."""
    return word if _PLAIN_WORD.fullmatch(word) else instead


def nginx(*lines: str, text: Message = SERVER_BLOCK) -> Fix:
    """Lines for nginx, which is then told to read them."""
    return Fix(text, lines=lines, commands=("nginx -t", "systemctl reload nginx"))


class AuditFinding(Struct, frozen=True):
    """What is wrong. ``subject`` names it in its target and stays the same from run to run: a setting, a file, a route.
    ``evidence`` is what was read, without secrets. ``severity`` overrides that of the check."""

    subject: str
    evidence: Message
    fix: Fix
    severity: AuditSeverity | None = None


class AuditCheck(Struct, frozen=True):
    """A question about one kind of target. ``judge`` is pure; it raises NotKnown where a fact is not known, and Absent
    where the target has nothing to judge."""

    id: str
    severity: AuditSeverity
    title: Message
    """What is wrong when it finds something."""
    why: Message
    facts: tuple[Fact[Any], ...]
    judge: Callable[[Facts], Iterator[AuditFinding]]
    reference: str
    """Address of the document that the rule is from."""
    tags: tuple[str, ...] = ()
    """Names that ``--only`` takes too, for checks of several groups that belong together, such as ``performance``."""
    target: str = ""
    """The kind of target, where it is not that of the group."""


class Found(Struct, frozen=True):
    """A finding of a check on a target."""

    check: AuditCheck
    target: Target
    finding: AuditFinding

    @property
    def severity(self) -> AuditSeverity:
        """That of the finding, else that of its check."""
        return self.finding.severity or self.check.severity

    @property
    def fingerprint(self) -> str:
        """The same in every run: of check, target and subject, never of the evidence or a line number."""
        named = "\0".join((self.check.id, self.target.kind, self.target.name, self.finding.subject))
        return hashlib.sha256(named.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class NotChecked(Struct, frozen=True):
    """A check that could not be made on a target, or not to its end: no pass, whatever it found before."""

    check: AuditCheck
    target: Target
    reason: Message


class Passed(Struct, frozen=True):
    """A check that found nothing on a target."""

    check: AuditCheck
    target: Target


class Report(Struct, frozen=True):
    """The result of one run. A check of which a target has nothing to judge (no sshd on it) stands in none of the
    lists."""

    at: datetime
    found: tuple[Found, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    passed: tuple[Passed, ...] = ()
