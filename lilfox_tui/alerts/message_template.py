"""Titles and messages of notifications as templates: the part of Alertmanager's that people use.

What is not supported is found by :func:`compiled_message`, in branches that no sample takes too: nothing of it is left
for the moment in which something fires. https://prometheus.io/docs/alerting/latest/notifications/"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Final

from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifier import Notification, webhook_payload
from lilfox_tui.alerts.template.evaluate import expand
from lilfox_tui.alerts.template.functions import BUILTINS, TemplateFunction, humanize_duration
from lilfox_tui.alerts.template.functions import FIXED as PROMETHEUS
from lilfox_tui.alerts.template.go_time import MOMENT_METHODS, SPAN_METHODS, GoDuration, GoTime, formatted
from lilfox_tui.alerts.template.parser import (
    ActionNode,
    BranchNode,
    ChainNode,
    CommandNode,
    ConstantNode,
    DotNode,
    FieldNode,
    IdentifierNode,
    Node,
    Operand,
    PipelineNode,
    TemplateNode,
    Trees,
    VariableNode,
    parse,
)
from lilfox_tui.alerts.template.values import ExpansionFailed, GoList, GoRecord, TemplateError
from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.core.text import encodable
from lilfox_tui.metrics.model import Labels

JSON_KINDS = ("webhook", "command", "alertmanager", "bell")
"""Kinds of notifiers that send no text of ours."""
_NAME = "message"
_NANO = 1_000_000_000


# The values that a message is made of.


class StringList(GoList):
    """``[]string``."""

    kind = "[]string"


class PairList(GoList):
    """``template.Pairs``: names and values of labels."""

    kind = "template.Pairs"


class AlertList(GoList):
    """``template.Alerts``."""

    kind = "template.Alerts"


class LabelMap(dict[str, str]):
    """``template.KV``: labels or annotations."""

    METHODS: Mapping[str, tuple[Callable[..., object], tuple[type, ...]]] = {}


def _pairs(labels: Mapping[str, str]) -> PairList:
    names = sorted(labels, key=lambda name: (name != "alertname", name))
    return PairList(GoRecord("template.Pair", (("Name", name), ("Value", labels[name]))) for name in names)


def _column(place: int, pairs: Iterable[GoRecord]) -> StringList:
    return StringList(pair.content[place][1] for pair in pairs)


def _without(labels: Mapping[str, str], names: StringList) -> LabelMap:
    return LabelMap((name, value) for name, value in labels.items() if name not in names)


def _with_status(status: str, alerts: AlertList) -> AlertList:
    return AlertList(one for one in alerts if dict(one.content)["Status"] == status)


LabelMap.METHODS = {
    "SortedPairs": (_pairs, ()),
    "Names": (lambda labels: _column(0, _pairs(labels)), ()),
    "Values": (lambda labels: _column(1, _pairs(labels)), ()),
    "Remove": (_without, (StringList,)),
    "String": (lambda labels: ", ".join(f"{name}={labels[name]}" for name in _column(0, _pairs(labels))), ()),
}
PairList.METHODS = {
    "Names": (partial(_column, 0), ()),
    "Values": (partial(_column, 1), ()),
    "String": (lambda pairs: ", ".join("=".join(str(value) for _n, value in pair.content) for pair in pairs), ()),
}
AlertList.METHODS = {
    "Firing": (partial(_with_status, "firing"), ()),
    "Resolved": (partial(_with_status, "resolved"), ()),
}


def _moment(at: datetime) -> GoTime:
    return GoTime(round(at.timestamp() * 1_000_000) * 1000)


_ZERO_TIME: Final = GoTime(-62_135_596_800 * _NANO)


def _alert(found: Mapping[str, str], alert: Alert, at: datetime) -> GoRecord:
    firing = alert.state is AlertState.FIRING
    return GoRecord(
        "template.Alert",
        (
            ("Status", "firing" if firing else "resolved"),
            ("Labels", LabelMap(alert.labels)),
            ("Annotations", LabelMap(alert.annotations)),
            ("StartsAt", _moment(alert.fired_at or alert.active_at)),
            ("EndsAt", _ZERO_TIME if firing else _moment(alert.resolved_at or at)),
            ("GeneratorURL", found["generatorURL"]),
            ("Fingerprint", found["fingerprint"]),
        ),
    )


def data_of(notice: Notification) -> GoRecord:
    """Return the data of a message, as Alertmanager has it."""
    found = webhook_payload(notice)
    alerts = (*notice.firing, *notice.resolved)
    return GoRecord(
        "template.Data",
        (
            ("Receiver", notice.receiver),
            ("Status", found["status"]),
            ("Alerts", AlertList(map(partial(_alert, at=notice.at), found["alerts"], alerts))),
            ("GroupLabels", LabelMap(found["groupLabels"])),
            ("CommonLabels", LabelMap(found["commonLabels"])),
            ("CommonAnnotations", LabelMap(found["commonAnnotations"])),
            ("ExternalURL", notice.external_url),
        ),
    )


# The functions that a message may call.


def _date(layout: str, at: object) -> str:
    if not isinstance(at, GoTime):
        raise ValueError("wrong type for value; expected time.Time")
    return formatted(at, layout)


def _since(at: object) -> GoDuration:
    if not isinstance(at, GoTime):
        raise ValueError("wrong type for value; expected time.Time")
    return GoDuration(time.time_ns() - at.nanoseconds)


def _duration(value: object) -> str:
    return humanize_duration(value.nanoseconds / _NANO if isinstance(value, GoDuration) else value)


FUNCTIONS: Mapping[str, TemplateFunction] = {
    **{name: made for name, made in BUILTINS.items() if name != "call"},
    **{name: PROMETHEUS[name] for name in ("toUpper", "toLower", "title", "match", "reReplaceAll")},
    "trimSpace": TemplateFunction(str.strip, ("string",)),
    "safeHtml": TemplateFunction(str, ("string",)),
    "safeUrl": TemplateFunction(str, ("string",)),
    "stringSlice": TemplateFunction(lambda *texts: StringList(texts), (), "string"),
    "join": TemplateFunction(lambda between, texts: between.join(texts), ("string", "[]string")),
    "date": TemplateFunction(_date, ("string", "interface {}")),
    "since": TemplateFunction(_since, ("interface {}",)),
    "humanizeDuration": TemplateFunction(_duration, ("interface {}",)),
}
_GIVES = {
    **dict.fromkeys(("toUpper", "toLower", "title", "reReplaceAll", "trimSpace", "safeHtml", "safeUrl"), "string"),
    **dict.fromkeys(("join", "date", "humanizeDuration", "print", "printf", "println", "html", "urlquery"), "string"),
    "stringSlice": "[]string",
    "since": "duration",
}


# What kind each part of a template has, so that what is not there is found without an alert.


_FIELDS: Mapping[str, Mapping[str, str]] = {
    "data": {
        "Receiver": "string", "Status": "string", "Alerts": "alerts", "GroupLabels": "labels",
        "CommonLabels": "labels", "CommonAnnotations": "labels", "ExternalURL": "string",
    },
    "alert": {
        "Status": "string", "Labels": "labels", "Annotations": "labels", "StartsAt": "time", "EndsAt": "time",
        "GeneratorURL": "string", "Fingerprint": "string",
    },
    "alerts": {"Firing": "alerts", "Resolved": "alerts"},
    "labels": {
        "SortedPairs": "pairs", "Names": "[]string", "Values": "[]string", "Remove": "labels", "String": "string",
    },
    "pairs": {"Names": "[]string", "Values": "[]string", "String": "string"},
    "pair": {"Name": "string", "Value": "string"},
    "time": dict.fromkeys(MOMENT_METHODS, "any"),
    "duration": dict.fromkeys(SPAN_METHODS, "any"),
    "string": {},
    "[]string": {},
}  # fmt: skip
_ELEMENTS = {"alerts": "alert", "pairs": "pair", "labels": "string", "[]string": "string"}
_NOT_PRINTED = ("data", "alert", "alerts", "pair")


class _Kinds:
    """Walks through the templates of ``trees``. Raises TemplateError for the first thing that is not supported."""

    def __init__(self, trees: Trees) -> None:
        self.trees = trees
        self.seen: set[tuple[str, str]] = set()
        self.variables: dict[str, str] = {}

    def template(self, name: str, dot: str) -> None:
        if (name, dot) in self.seen:
            return
        self.seen.add((name, dot))
        outer, self.variables = self.variables, {"$": dot}
        self.walk(self.trees[name], dot)
        self.variables = outer

    def walk(self, nodes: Iterable[Node], dot: str) -> None:
        for node in nodes:
            match node:
                case ActionNode():
                    kind = self.pipeline(node.pipeline, dot)
                    if not node.pipeline.variables and kind in _NOT_PRINTED:
                        raise _unsupported(str(node), _("this value cannot be printed; name one of its fields"))
                case BranchNode():
                    self.branch(node, dot)
                case TemplateNode():
                    if node.name not in self.trees:
                        raise _unsupported(str(node), _("LilFox does not have this template; define it in the text"))
                    self.template(node.name, "any" if node.pipeline is None else self.pipeline(node.pipeline, dot))
                case _:
                    pass

    def branch(self, node: BranchNode, dot: str) -> None:
        outer = dict(self.variables)
        kind = self.pipeline(node.pipeline, dot)
        inner = dot
        if node.word == "range":
            inner = _ELEMENTS.get(kind, "any")
            names = [variable.names[0] for variable in node.pipeline.variables]
            self.variables |= dict.fromkeys(names[:-1], "any") | dict.fromkeys(names[-1:], inner)
        elif node.word == "with":
            inner = kind
        self.walk(node.body, inner)
        self.variables = dict(outer)
        self.walk(node.otherwise, dot)
        self.variables = outer

    def pipeline(self, node: PipelineNode, dot: str) -> str:
        kind = "any"
        for command in node.commands:
            kind = self.command(command, dot)
        for variable in node.variables:
            known = self.variables.get(variable.names[0], kind)
            self.variables[variable.names[0]] = kind if not node.assigns or known == kind else "any"
        return kind

    def command(self, node: CommandNode, dot: str) -> str:
        kinds = [self.operand(each, dot) for each in node.operands]
        first = node.operands[0]
        if isinstance(first, IdentifierNode) and first.name == "index" and len(kinds) == 3:
            return _ELEMENTS.get(kinds[1], "any")
        return kinds[0]

    def operand(self, node: Operand, dot: str) -> str:
        match node:
            case DotNode():
                return dot
            case FieldNode():
                return self.fields(dot, node.names, str(node))
            case VariableNode():
                return self.fields(self.variables.get(node.names[0], "any"), node.names[1:], str(node))
            case ChainNode():
                return self.fields(self.operand(node.of, dot), node.names, str(node))
            case PipelineNode():
                return self.pipeline(node, dot)
            case IdentifierNode():
                return _GIVES.get(node.name, "any")
            case ConstantNode():
                return "string" if isinstance(node.value, str) else "any"
            case _:
                return "any"

    def fields(self, kind: str, names: Iterable[str], text: str) -> str:
        for name in names:
            known = _FIELDS.get(kind)
            if known is None:
                return "any"
            if name not in known and kind != "labels":
                raise _unsupported(text, _("there is no field {name} here", name=name))
            kind = known.get(name, "string")
        return kind


def _unsupported(text: str, why: str) -> TemplateError:
    return TemplateError(tr("{what}: {reason}", what=text, reason=why))


# Templates that are ready for messages.


class MessageTemplate:
    """A template for a title or a message."""

    def __init__(self, text: str) -> None:
        """Raises TemplateError for what is no template, or not supported."""
        self._text = text
        self._trees = parse(_NAME, text, FUNCTIONS)
        _Kinds(self._trees).template(_NAME, "data")

    def expand(self, notice: Notification) -> str:
        """Return the text for a notification. Raises TemplateError."""
        try:
            return encodable(expand(_NAME, self._text, self._trees, FUNCTIONS, data_of(notice)))
        except ExpansionFailed as error:
            raise TemplateError(str(error)) from None


@lru_cache(maxsize=256)
def compiled_message(text: str) -> MessageTemplate:
    """Return the template of ``text``. Raises TemplateError."""
    return MessageTemplate(text)


def with_texts(notice: Notification, options: NotifierConfig) -> Notification:
    """Return the notification with the texts of the receiver's templates; where one fails, without it: then the texts
    are LilFox's own."""
    texts = {}
    for key, text in (("title", options.title), ("message", options.message)):
        if text and options.kind not in JSON_KINDS:
            try:
                texts[key] = compiled_message(text).expand(notice)
            except TemplateError:
                texts[key] = ""
    return replace(notice, **texts) if texts else notice


def template_problems(options: NotifierConfig) -> list[LilFoxError]:
    """Return what is wrong with the templates of a receiver, also on samples of alerts."""
    found: list[LilFoxError] = []
    for key, text in (("title", options.title), ("message", options.message)):
        if not text:
            continue
        if options.kind in JSON_KINDS:
            found.append(LilFoxError(tr("{key}: this kind sends no text; remove it", key=key)))
            continue
        try:
            made = compiled_message(text)
            for notice in SAMPLES:
                made.expand(notice)
        except TemplateError as error:
            found.append(LilFoxError(tr("{key}: {reason}", key=key, reason=error)))
    return found


def _sample(state: AlertState, labels: Labels, annotations: Labels) -> Alert:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    ended = at if state is AlertState.RESOLVED else None
    return Alert(tuple(sorted(labels)), annotations, state, at, 1.0, at, ended)


def _samples() -> tuple[Notification, ...]:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    labels = (("alertname", "HighErrorRate"), ("instance", "web-1:9100"), ("severity", "critical"))
    texts = (("description", "5 % of the requests fail\nfor 10 minutes"), ("summary", "requests fail"))
    firing = tuple(_sample(AlertState.FIRING, (*labels, ("job", name)), texts) for name in ("shop", "api"))
    ended = (_sample(AlertState.RESOLVED, (("alertname", "Watchdog"),), ()),)
    made = Notification("sample", "sample", at, "sample", "firing", labels[:1], external_url="https://lilfox.example")
    return (
        replace(made, firing=firing),
        replace(made, firing=firing, resolved=ended),
        replace(made, reason="resolved", resolved=ended, group=()),
    )


SAMPLES = _samples()
"""Notifications that templates are tried with."""
