"""Which series the selectors of rules can select: those of hosts, which LilFox makes itself, and those of pages that
were scraped. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum

from msgspec import Struct

from lilfox_tui.alerts.lint.model import MADE_BY_ALERTS, MADE_BY_SCRAPES, OF_HOSTS, name_of, walk
from lilfox_tui.alerts.rules import Rule
from lilfox_tui.audit.targets.configuration import Page
from lilfox_tui.core.i18n import Message
from lilfox_tui.promql.tree import Aggregation, BinaryOperation, FunctionApplication, Node, Selector, children
from lilfox_tui.scrape.labels import NAME, Matcher, matches

Matchers = tuple[Matcher, ...]


class Answer(IntEnum):
    """Whether a selector selects something; YES also where it will once such a series is there."""

    NO = 0
    UNKNOWN = 1
    YES = 2


class HostLabels(Struct, frozen=True):
    """The labels that the series of a host have in LilFox: its name and its address."""

    host: str
    instance: str


_CLOSED = OF_HOSTS | {"lilfox_host_up", "lilfox_host_level"}
"""Series of hosts that have no labels but those of :class:`HostLabels`."""
_OWN = "lilfox_"
_NOT_OF_HOSTS = tuple(
    _OWN + each
    for each in ("alert", "backend", "backup", "breaker", "build", "postgresql", "queue", "recovery", "redis", "rules",
                 "service")
)  # fmt: skip
"""Beginnings of LilFox's names that only the page of ``lilfox monitor`` has."""


def of_host(matchers: Matchers, host: HostLabels) -> Answer:
    """Whether a selector selects a series that LilFox makes of a host."""
    own = {"host": host.host, "instance": host.instance}
    if not _fit(matchers, own):
        return Answer.NO
    closed = [name for name in _CLOSED if _named(matchers, name)]
    others = [each for each in matchers if each.name not in (NAME, *own)]
    if closed and all(matches(each, "") for each in others):
        return Answer.YES
    names = [each.value for each in matchers if each.name == NAME]
    open_names = [name for name in names if name.startswith(_OWN) and not name.startswith(_NOT_OF_HOSTS)]
    return Answer.YES if any(name not in _CLOSED for name in open_names) else Answer.NO


def _fit(matchers: Matchers, labels: Mapping[str, str]) -> bool:
    return all(matches(each, labels[each.name]) for each in matchers if each.name in labels)


def _named(matchers: Matchers, name: str) -> bool:
    return all(matches(each, name) for each in matchers if each.name == NAME)


class PageIndex:
    """What is on a page, so that many selectors can be asked of it."""

    def __init__(self, page: Page) -> None:
        self.page, self.labels = page, dict(page.labels)
        self._metrics: dict[str, set[str]] = {}
        self.nodes: set[str] = set()
        """The names that node_exporter gives of its host."""
        pairs: set[tuple[str, str]] = set(page.labels)
        for one in page.series:
            labels = dict(one.pairs)
            self._metrics.setdefault(labels.get(NAME, ""), set()).update(labels)
            pairs.update(one.pairs)
            if labels.get(NAME) == "node_uname_info":
                self.nodes.add(labels.get("nodename", ""))
        self._said: dict[str, set[tuple[str, str]]] = {}
        """The labels by what their values say: the value itself, and each name and place in it."""
        for label, value in pairs:
            if label != NAME:
                for word in {value, *_PLACE_END.split(value)}:
                    self._said.setdefault(word, set()).add((label, value))

    def begins(self, *prefixes: str) -> bool:
        """Whether the name of a series begins with one of these."""
        return any(name.startswith(prefixes) for name in self._metrics)

    def answer(self, matchers: Matchers) -> Answer:
        """Whether a selector selects a series of the page."""
        labels = {} if self.page.honors_labels else self.labels
        if not _fit(matchers, labels):
            return Answer.NO
        others = [each for each in matchers if each.name != NAME and each.name not in labels]
        of_scrapes = any(_named(matchers, name) for name in MADE_BY_SCRAPES)
        if of_scrapes and all(matches(each, self.labels.get(each.name, "")) for each in others):
            return Answer.YES
        if self.page.problem is not None:
            return Answer.NO if name_of(matchers) in MADE_BY_SCRAPES else Answer.UNKNOWN
        if any(_named(matchers, name) for name in self.page.empty):
            return Answer.YES
        name = name_of(matchers)
        for metric in (name,) if name else self._metrics:
            known = self._metrics.get(metric)
            if known is None or metric in MADE_BY_SCRAPES or not _named(matchers, metric):
                continue
            # a label that a series has can get another value; one that none has stays empty
            if all(matches(each, "") or each.name in known for each in others):
                return Answer.YES
        return Answer.NO

    def mentions(self, mention: Mention) -> list[tuple[dict[str, str], frozenset[str]]]:
        """The labels of each series that mentions a thing, and the names of those that cannot change: those of the
        target, the name, and those that mention it."""
        said = (self._said.get(word, ()) for word in (mention.name, *mention.places))
        pairs = {each for found in said for each in found if mention.is_in(*each)}
        if not pairs:
            return []
        whole = not pairs.isdisjoint(self.page.labels)
        fixed = frozenset({NAME, *self.labels, *(label for label, _value in pairs)})
        return [(dict(one.pairs), fixed) for one in self.page.series if whole or not pairs.isdisjoint(one.pairs)]


class Mention(Struct, frozen=True):
    """What a label's value says of a thing: its name, or one of its ``places`` (``HOST:PORT``), also in a URL. Only
    ``labels`` of these names count; all if None."""

    name: str
    places: frozenset[str] = frozenset()
    labels: frozenset[str] | None = None

    def is_in(self, label: str, value: str) -> bool:
        """Whether the label mentions it."""
        if self.labels is not None and label not in self.labels:
            return False
        return value == self.name or any(place in value and place in _PLACE_END.split(value) for place in self.places)


_PLACE_END = re.compile(r"[^\w.:\[\]-]+")


def of_mentions(matchers: Matchers, mentions: Iterable[tuple[dict[str, str], frozenset[str]]]) -> Answer:
    """Whether a selector selects one of the series that mention a thing, such as those of a service on the page of its
    gateway. Labels that vary, such as a status, may get another value later."""
    for labels, fixed in mentions:
        if all(matches(each, labels.get(each.name, "")) for each in matchers
               if each.name in fixed or each.name not in labels):  # fmt: skip
            return Answer.YES
    return Answer.NO


class RuleSelection:
    """What the alerts of rules select, directly or through series that other rules record."""

    def __init__(self, alerts: Iterable[Rule], records: Iterable[Rule]) -> None:
        self._records: dict[str, list[Rule]] = {}
        for rule in records:
            self._records.setdefault(rule.name, []).append(rule)
        self.alerts = tuple(alerts)
        self.selectors = tuple(dict.fromkeys(matchers for rule in self.alerts for matchers in rule.query.selectors))

    def answer(self, ask: Callable[[Matchers], Answer], labels: Mapping[str, str]) -> Answer:
        """The best answer of all selectors. ``labels`` are those that what is asked for has."""
        return max((self.of(matchers, ask, labels) for matchers in self.selectors), default=Answer.NO)

    def of(
        self, matchers: Matchers, ask: Callable[[Matchers], Answer], labels: Mapping[str, str],
        seen: frozenset[str] = frozenset(),
    ) -> Answer:  # fmt: skip
        """The answer to one selector. That of a recorded series is the answer to the selectors of its rule, if its
        labels can be ``labels`` or be lost on the way."""
        name = name_of(matchers)
        if name in MADE_BY_ALERTS:
            return Answer.NO
        found = ask(matchers)
        for rule in self._records.get(name, ()) if name not in seen else ():
            own = {**labels, **rule.labels}
            if all(
                matches(each, own[each.name]) or (each.name not in rule.labels and matches(each, ""))
                for each in matchers
                if each.name in own
            ):
                inner = (self.of(each, ask, labels, seen | {name}) for each in rule.query.selectors)
                found = max(found, max(inner, default=Answer.NO))
        return found

    def records(self, name: str) -> bool:
        """Whether a rule records series of that name."""
        return name in self._records


_ALWAYS = frozenset({"absent", "absent_over_time", "scalar"})
"""Functions that have a result also where their argument selects nothing."""


def why_empty(node: Node, why_nothing: Callable[[Matchers], Message | None]) -> Message | None:
    """Why an expression never has a result, if ``why_nothing`` says why a selector selects nothing; None if it may have
    one."""
    match node:
        case Selector():
            return why_nothing(node.matchers)
        case FunctionApplication() if node.function.name in _ALWAYS:
            return None
        case BinaryOperation():
            return _why_no_pair(node, why_nothing)
        case Aggregation():
            return why_empty(node.inner, why_nothing)
    reasons = (why_empty(child, why_nothing) for child in children(node))
    return next((each for each in reasons if each is not None), None)


def _why_no_pair(node: BinaryOperation, why_nothing: Callable[[Matchers], Message | None]) -> Message | None:
    if node.matching.fill_many is not None or node.matching.fill_one is not None:
        return None
    left = why_empty(node.left, why_nothing)
    if node.op == "unless":
        return left
    right = why_empty(node.right, why_nothing)
    if node.op == "or":
        return left if right is not None else None
    return left if left is not None else right


_BY_TIME = frozenset({"time", "timestamp", "hour", "minute", "month", "year", "day_of_month", "day_of_week",
                      "day_of_year", "days_in_month"})  # fmt: skip


def is_constant(node: Node) -> bool:
    """Whether the result of an expression depends on neither series nor the time."""
    return not any(
        isinstance(each, Selector) or (isinstance(each, FunctionApplication) and each.function.name in _BY_TIME)
        for each in walk(node)
    )
