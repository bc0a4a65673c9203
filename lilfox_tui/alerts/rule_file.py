"""Prometheus' rule files as they are: what ``promtool check rules`` takes is taken, what it refuses is refused.

Like Prometheus 3, and unlike 2.53, groups may have ``labels``, and names of labels, annotations and recorded series may
be any UTF-8.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lilfox_tui.alerts.rule import Group, Kind, Place, Rule, RuleFile
from lilfox_tui.alerts.template import TemplateError, compiled
from lilfox_tui.config.problems import Findings, quoted
from lilfox_tui.config.yaml_nodes import Node, parse
from lilfox_tui.errors import ConfigError
from lilfox_tui.i18n import _, tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.scrape.labels import NAME
from lilfox_tui.scrape.prometheus_nodes import DIALECT, Fields, PrometheusNodes
from lilfox_tui.scrape.prometheus_text import read_text

if TYPE_CHECKING:
    from lilfox_tui.promql.query import Query

_BRACES = re.compile(r"[{}]")
_STAND_IN = "vector(0)"  # for an expression that is wrong, while the rest of the file is read
_GROUP_FIELDS = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE_FIELDS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")


def read_rules(path: Path, *, trusted: bool = True) -> RuleFile:
    """The rules of a file (UTF-8, up to 8 MiB). ``trusted`` is False where they are only looked at. Raises NotTrusted,
    and ConfigError with all its problems, each as ``file:line: group/rule: what``."""
    return from_text(read_text(path, trusted=trusted), str(path))


def read_usable(path: Path) -> RuleFile:
    """As :func:`read_rules`, and of a file that Prometheus would refuse what can be used: a rule with a problem keeps
    it, a group with one is refused. Raises ConfigError where nothing can be told apart."""
    return usable(read_text(path, trusted=True), str(path))


def from_text(text: str, name: str) -> RuleFile:
    """The rules in ``text``; ``name`` is what problems call the file. Raises ConfigError as :func:`read_rules`."""
    file = usable(text, name)
    if file.problems:
        raise _refusal(file.problems)
    return file


def usable(text: str, name: str) -> RuleFile:
    """As :func:`read_usable`, of ``text``."""
    findings = Findings(name)
    reading = _Reading(PrometheusNodes(findings))
    root = parse(text, findings, DIALECT)
    groups = reading.groups(root) if root is not None else ()
    problems = findings.sorted()
    if len(findings) > reading.placed:
        raise _refusal(problems)
    return RuleFile(name, groups, reading.refused, problems)


def _refusal(problems: tuple[str, ...]) -> ConfigError:
    return ConfigError(tr("the rules cannot be used:\n{problems}", problems="\n".join(problems)), problems)


class _Reading:
    """From nodes to groups; what is wrong goes into the findings, and so many of them are ``placed``: of a rule, which
    keeps them, or of a group, which is ``refused``."""

    def __init__(self, nodes: PrometheusNodes) -> None:
        self.nodes = nodes
        self.group_name = ""
        self.placed = 0
        self.refused: dict[str, str] = {}

    def wrong(self, line: int, what: str, rule: str | None = None) -> None:
        where = self.group_name if rule is None else f"{self.group_name}/{rule}"
        self.nodes.findings.add(line, (where,) if where else (), what)

    def groups(self, root: Node) -> tuple[Group, ...]:
        top = self.nodes.fields(root, ("groups",), ())
        groups: dict[str, Group] = {}
        lines: dict[str, int] = {}
        for node in self.nodes.items(top.get("groups"), ()):
            before, placed = len(self.nodes.findings), self.placed
            group = self.group(node)
            if not group.name:
                self.wrong(group.line, _("a group without a name; give it one, such as name: hosts"))
            elif group.name in lines:
                first = lines[group.name]
                self.wrong(group.line, _("a group of this name is in line {line} already; rename one", line=first))
            if len(self.nodes.findings) - before == self.placed - placed:
                groups[group.name] = group
            else:
                name = group.name if group.name and group.name not in lines else f"{group.name}:{group.line}"
                self.refused[name] = self.place_since(before, placed)
            lines.setdefault(group.name, group.line)
        return tuple(groups.values())

    def place_since(self, before: int, placed: int) -> str:
        """Takes all findings since then as told with what they are about; the first of them, and how many more."""
        first, *others = self.nodes.findings.since(before)
        self.placed = placed + 1 + len(others)
        return f"{first} (+{len(others)})" if others else first

    def group(self, node: Node) -> Group:
        self.group_name = self.nodes.named(node, "name")
        at = (self.group_name,) if self.group_name else ()
        fields = self.nodes.fields(node, _GROUP_FIELDS, at)
        labels, lines = self.nodes.texts(fields.get("labels"), at)
        self.label_names(lines, None)
        interval = self.nodes.duration_s(fields.get("interval"), at)
        return Group(
            name=self.nodes.text(fields.get("name"), at),
            interval_s=interval or None,  # Prometheus takes 0 as not given
            limit=self.nodes.whole(fields.get("limit"), at),
            query_offset_s=self.nodes.duration_s(fields.get("query_offset"), at),
            labels=labels,
            rules=tuple(self.rule(item, labels, lines) for item in self.nodes.items(fields.get("rules"), at)),
            line=node.line,
        )

    def rule(self, node: Node, group_labels: dict[str, str], group_lines: dict[str, int]) -> Rule:
        before, placed = len(self.nodes.findings), self.placed
        rule = self.judged(node, group_labels, group_lines)
        if len(self.nodes.findings) == before:
            return rule
        return replace(rule, problem=self.place_since(before, placed))

    def judged(self, node: Node, group_labels: dict[str, str], group_lines: dict[str, int]) -> Rule:
        alert, record = self.nodes.named(node, "alert"), self.nodes.named(node, "record")
        kind: Kind = "record" if record and not alert else "alert"
        name = alert or record
        at = (f"{self.group_name}/{name}",)
        fields = self.nodes.fields(node, _RULE_FIELDS, at)
        labels, label_lines = self.nodes.texts(fields.get("labels"), at)
        annotations, annotation_lines = self.nodes.texts(fields.get("annotations"), at)
        expression, line = self.nodes.word(fields.get("expr")), self.nodes.line(fields.get("expr"), node)
        rule = Rule(
            kind=kind,
            name=name,
            expression=expression,
            query=self.query(expression, line, name),
            for_s=self.nodes.duration_s(fields.get("for"), at) or 0.0,
            keep_firing_for_s=self.nodes.duration_s(fields.get("keep_firing_for"), at) or 0.0,
            labels=group_labels | labels,
            annotations=annotations,
            place=Place(
                node.line,
                line,
                group_lines | label_lines,
                annotation_lines,
                fields["for"].line if "for" in fields else 0,
            ),
        )
        if alert and record:
            self.wrong(node.line, _("both an alert and a record; make two rules of it"), name)
        elif not name:
            self.wrong(node.line, _("neither an alert nor a record; give it one of them"), name)
        self.label_names(label_lines, name)
        for annotation, place in annotation_lines.items():
            if not annotation:
                self.wrong(place, _("{name} cannot be the name of an annotation", name=quoted(annotation)), name)
        if record:
            self.recording(rule, fields)
        if alert:
            self.templates(rule)
        return rule

    def label_names(self, lines: dict[str, int], rule: str | None) -> None:
        for label, line in lines.items():
            if label in ("", NAME):
                self.wrong(line, _("{name} cannot be the name of a label", name=quoted(label)), rule)

    def query(self, expression: str, line: int, rule: str) -> Query:
        from lilfox_tui.promql.query import parse as parse_query

        if not expression:
            self.wrong(line, _("expr is missing"), rule)
            return parse_query(_STAND_IN)
        try:
            return parse_query(expression)
        except QueryError as error:
            reason = str(error).partition("\n")[0]  # a picture of the place follows, which has no room here
            self.wrong(line, _("expr: {reason}", reason=reason), rule)
            return parse_query(_STAND_IN)

    def recording(self, rule: Rule, fields: Fields) -> None:
        what = _("a recording rule has no {field}; take it off", field="{field}")
        given = {"annotations": rule.annotations, "for": rule.for_s, "keep_firing_for": rule.keep_firing_for_s}
        for field, value in given.items():
            if value:
                self.wrong(fields[field].line, what.replace("{field}", field), rule.name)
        name = self.nodes.word(fields.get("record"))
        if _BRACES.search(name):  # that is an expression, which people write in the wrong place
            self.wrong(rule.line, _("{name} cannot be the name of a series", name=quoted(name)), rule.name)

    def templates(self, rule: Rule) -> None:
        parts = ((rule.labels, rule.place.labels), (rule.annotations, rule.place.annotations))
        for texts, lines in parts:
            for name, text in texts.items():
                try:
                    compiled(text, rule.name)
                except TemplateError as error:
                    self.wrong(lines[name], _("{name}: {reason}", name=name, reason=error), rule.name)
