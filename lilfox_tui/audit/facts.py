"""Facts: what a target is asked, and a pure parser of its answer. Checks judge nothing but facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
