"""Alerting and recording rules: their model, the parser of rule files, and which files the configuration names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import Trouble
from lilfox_tui.alerts.template import TemplateError, compiled
from lilfox_tui.config.yaml_nodes import Findings, Node, parse, quoted
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse as parse_query
from lilfox_tui.scrape.labels import NAME
from lilfox_tui.scrape.prometheus_yaml import DIALECT, Fields, PrometheusNodes, read_text

if TYPE_CHECKING:
    from lilfox_tui.promql.query import Query


# Rules as a rule file has them (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules).


RuleKind = Literal["alert", "record"]


class RulePosition(Struct, frozen=True):
    """The line numbers of a rule's parts in its file, from 1. ``labels`` and ``annotations`` map each name to its
    line."""

    rule: int
    expression: int
    labels: Mapping[str, int]
    annotations: Mapping[str, int]
    wait: int = 0
    """The line of ``for``, 0 where there is none."""


class Rule(Struct, frozen=True):
    """One rule. ``name`` is the name of the alert or of the recorded series; ``query`` is the parsed ``expression``.

    ``labels`` are the group's with the rule's own over them. Those of an alert, and ``annotations``, are template
    texts (:mod:`lilfox_tui.alerts.template`); those of a recording rule are plain.
    """

    kind: RuleKind
    name: str
    expression: str
    query: Query
    for_s: float
    keep_firing_for_s: float
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    place: RulePosition
    problem: str = ""
    """Why it cannot be used, with its place; empty where it can."""

    @property
    def line(self) -> int:
        """The line where it begins in its file."""
        return self.place.rule


class RuleGroup(Struct, frozen=True):
    """Rules that are evaluated one after the other, in this order.

    ``interval_s`` is None where the file gives none (then it is the engine's). ``limit`` is how many alerts or series
    a rule may give, 0 for any number. ``query_offset_s`` sets its evaluations back in time; None for the engine's.
    """

    name: str
    interval_s: float | None
    limit: int
    query_offset_s: float | None
    labels: Mapping[str, str]
    rules: tuple[Rule, ...]
    line: int


class RuleFile(Struct, frozen=True):
    """A parsed rule file; ``name`` is its name in error messages, usually its path. ``refused`` maps unusable groups to
    the reason; ``problems`` are all errors in the file, including those of single rules."""

    name: str
    groups: tuple[RuleGroup, ...]
    refused: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()


# Patterns of files as Prometheus and promtool read them (Go's path/filepath.Glob): ``*`` also takes hidden files,
# ``**`` is nothing special, ``[^a]`` is what is not a, a backslash takes the next character as it is.


_SPECIAL = frozenset("*?[\\")


def matching_files(pattern: str, base: Path) -> list[Path]:
    """Return the existing files of ``pattern`` (relative to ``base``), sorted; empty if there are none. Raises
    LilFoxError for an invalid pattern."""
    whole = os.path.normpath(base / pattern) if pattern else ""
    if not _SPECIAL & set(whole):
        return [Path(whole)] if whole and Path(whole).exists() else []
    root, *parts = Path(whole).parts
    found = [Path(root)] if Path(whole).is_absolute() else _inside([Path()], root)
    for part in parts:
        found = _inside(found, part)
    return found


_PIECE = re.compile(r"\*|\?|\[\^?(?:\\.|[^\\\]])++\]|\\.|[^*?\[\\]", re.DOTALL)


def _inside(folders: list[Path], part: str) -> list[Path]:
    if not _SPECIAL & set(part):
        return [folder / part for folder in folders if (folder / part).exists()]
    wanted = _expression(part)
    return [folder / name for folder in folders for name in _names(folder) if wanted.fullmatch(name)]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(one.name for one in folder.iterdir())
    except OSError:
        return []


def _expression(part: str) -> re.Pattern[str]:
    pieces, at = [], 0
    while at < len(part):
        found = _PIECE.match(part, at)
        if found is None:
            raise LilFoxError(tr("{pattern} is not a valid file pattern; close the [", pattern=part))
        pieces.append(found[0])
        at = found.end()
    return re.compile("".join(_piece(piece) for piece in pieces), re.DOTALL)


def _piece(piece: str) -> str:
    if piece in ("*", "?"):
        return ".*" if piece == "*" else "."
    if piece.startswith("["):
        inner = piece[1:-1].replace("[", "\\[")
        return f"[{inner}]"
    return re.escape(piece[-1])


# Prometheus' rule files as they are: what ``promtool check rules`` takes is taken, what it refuses is refused.
#
# Like Prometheus 3, and unlike 2.53, groups may have ``labels``, and names of labels, annotations and recorded
# series may be any UTF-8.


_BRACES = re.compile(r"[{}]")
_STAND_IN = "vector(0)"  # for an expression that is wrong, while the rest of the file is read
_GROUP_FIELDS = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE_FIELDS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")


def read_rules(path: Path, *, trusted: bool = True) -> RuleFile:
    """Read the rules of a file (UTF-8, up to 8 MiB). ``trusted`` is False if they are only inspected. Raises
    NotTrusted, and ConfigError with all its problems, each as ``file:line: group/rule: what``."""
    return from_text(read_text(path, trusted=trusted), str(path))


def read_usable(path: Path) -> RuleFile:
    """Read like :func:`read_rules`, but keep the usable parts of a file that Prometheus would reject: a rule's problem
    is stored in the rule, a group with a problem is refused. Raises ConfigError if a problem belongs to neither."""
    return usable(read_text(path, trusted=True), str(path))


def from_text(text: str, name: str) -> RuleFile:
    """Parse the rules in ``text``; ``name`` is the file's name in error messages. Raises ConfigError like
    :func:`read_rules`."""
    file = usable(text, name)
    if file.problems:
        raise _refusal(file.problems)
    return file


def usable(text: str, name: str) -> RuleFile:
    """Parse ``text`` like :func:`read_usable`."""
    findings = Findings(name)
    reading = _RuleFileParser(PrometheusNodes(findings))
    root = parse(text, findings, DIALECT)
    groups = reading.groups(root) if root is not None else ()
    problems = findings.sorted()
    if len(findings) > reading.placed:
        raise _refusal(problems)
    return RuleFile(name, groups, reading.refused, problems)


def _refusal(problems: tuple[str, ...]) -> ConfigError:
    return ConfigError(tr("the rules cannot be used:\n{problems}", problems="\n".join(problems)), problems)


class _RuleFileParser:
    """Converts YAML nodes to groups; errors become findings. ``placed`` counts the findings that were assigned to a
    rule, which stores them, or to a group, which is ``refused``."""

    def __init__(self, nodes: PrometheusNodes) -> None:
        self.nodes = nodes
        self.group_name = ""
        self.placed = 0
        self.refused: dict[str, str] = {}

    def wrong(self, line: int, what: str, rule: str | None = None) -> None:
        where = self.group_name if rule is None else f"{self.group_name}/{rule}"
        self.nodes.findings.add(line, (where,) if where else (), what)

    def groups(self, root: Node) -> tuple[RuleGroup, ...]:
        top = self.nodes.fields(root, ("groups",), ())
        groups: dict[str, RuleGroup] = {}
        lines: dict[str, int] = {}
        for node in self.nodes.items(top.get("groups"), ()):
            before, placed = len(self.nodes.findings), self.placed
            group = self.group(node)
            if not group.name:
                self.wrong(group.line, _("the group has no name; add one, such as name: hosts"))
            elif group.name in lines:
                first = lines[group.name]
                self.wrong(group.line, _("line {line} already has a group with this name; rename one", line=first))
            if len(self.nodes.findings) - before == self.placed - placed:
                groups[group.name] = group
            else:
                name = group.name if group.name and group.name not in lines else f"{group.name}:{group.line}"
                self.refused[name] = self.place_since(before, placed)
            lines.setdefault(group.name, group.line)
        return tuple(groups.values())

    def place_since(self, before: int, placed: int) -> str:
        """Count the findings since ``before`` as assigned; return the first of them and how many more there are."""
        first, *others = self.nodes.findings.since(before)
        self.placed = placed + 1 + len(others)
        return f"{first} (+{len(others)})" if others else first

    def group(self, node: Node) -> RuleGroup:
        self.group_name = self.nodes.named(node, "name")
        at = (self.group_name,) if self.group_name else ()
        fields = self.nodes.fields(node, _GROUP_FIELDS, at)
        labels, lines = self.nodes.texts(fields.get("labels"), at)
        self.label_names(lines, None)
        interval = self.nodes.duration_s(fields.get("interval"), at)
        return RuleGroup(
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
        kind: RuleKind = "record" if record and not alert else "alert"
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
            place=RulePosition(
                node.line,
                line,
                group_lines | label_lines,
                annotation_lines,
                fields["for"].line if "for" in fields else 0,
            ),
        )
        if alert and record:
            self.wrong(node.line, _("both alert and record are set; split it into two rules"), name)
        elif not name:
            self.wrong(node.line, _("neither alert nor record is set; set one of them"), name)
        self.label_names(label_lines, name)
        for annotation, place in annotation_lines.items():
            if not annotation:
                self.wrong(place, _("{name} is not a valid annotation name", name=quoted(annotation)), name)
        if record:
            self.recording(rule, fields)
        if alert:
            self.templates(rule)
        return rule

    def label_names(self, lines: dict[str, int], rule: str | None) -> None:
        for label, line in lines.items():
            if label in ("", NAME):
                self.wrong(line, _("{name} is not a valid label name", name=quoted(label)), rule)

    def query(self, expression: str, line: int, rule: str) -> Query:
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
        what = _("a recording rule cannot have {field}; remove it", field="{field}")
        given = {"annotations": rule.annotations, "for": rule.for_s, "keep_firing_for": rule.keep_firing_for_s}
        for field, value in given.items():
            if value:
                self.wrong(fields[field].line, what.replace("{field}", field), rule.name)
        name = self.nodes.word(fields.get("record"))
        if _BRACES.search(name):  # that is an expression, which people write in the wrong place
            self.wrong(rule.line, _("{name} is not a valid series name", name=quoted(name)), rule.name)

    def templates(self, rule: Rule) -> None:
        parts = ((rule.labels, rule.place.labels), (rule.annotations, rule.place.annotations))
        for texts, lines in parts:
            for name, text in texts.items():
                try:
                    compiled(text, rule.name)
                except TemplateError as error:
                    self.wrong(lines[name], _("{name}: {reason}", name=name, reason=error), rule.name)


# The rule files that the configuration names, found and read; one that is broken takes no other with it.


Stamp = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and time of change (ns) of each file: another one means that something was written, or that other
people may write there now."""


class RuleFiles(Struct, frozen=True):
    """The result of reading all rule files. ``broken`` maps unusable files to the error; ``missing`` are patterns that
    match no file, and ``empty`` are files without a group: Prometheus accepts those, but usually they are half written.
    Other errors are in the rules and in ``refused`` groups."""

    files: tuple[RuleFile, ...]
    broken: Mapping[str, LilFoxError]
    missing: tuple[str, ...]
    stamp: Stamp
    empty: tuple[str, ...] = ()

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """The problems, as sentences."""
        lost = {pattern: tr("rules: no file matches {pattern}", pattern=pattern) for pattern in self.missing}
        broken = {path: tr("rules: {reason}", reason=_first_line(error)) for path, error in self.broken.items()}
        empty = {path: tr("rules: {path} contains no rules", path=path) for path in self.empty}
        told = (*lost.items(), *broken.items(), *empty.items())
        return tuple(Trouble(f"rules {what}", text, blind=True) for what, text in told)


def read_rule_files(patterns: Sequence[str], base: Path) -> RuleFiles:
    """Read all rule files; relative patterns are below ``base``. Blocks."""
    stamp = stamp_of(patterns, base)
    files: list[RuleFile] = []
    broken: dict[str, LilFoxError] = {}
    for path, *_change in stamp:
        try:
            files.append(read_usable(Path(path)))
        except LilFoxError as error:
            broken[path] = error
    missing = tuple(pattern for pattern in patterns if not _paths(pattern, base))
    empty = tuple(file.name for file in files if not (file.groups or file.refused))
    return RuleFiles(tuple(files), broken, missing, stamp, empty)


def stamp_of(patterns: Sequence[str], base: Path) -> Stamp:
    """Return the matching files with their inode, size and change time, each once, in the order of the patterns.
    Blocks."""
    found: dict[str, tuple[str, int, int, int]] = {}
    for pattern in patterns:
        for path in _paths(pattern, base):
            try:
                about = Path(path).stat()
                found.setdefault(path, (path, about.st_ino, about.st_size, about.st_ctime_ns))
            except OSError:
                found.setdefault(path, (path, 0, 0, 0))
    return tuple(found.values())


def _paths(pattern: str, base: Path) -> list[str]:

    try:
        return [str(path) for path in matching_files(str(Path(pattern).expanduser()), base)]
    except LilFoxError:
        return []  # no pattern fits no file


def _first_line(error: LilFoxError) -> str:
    problems = getattr(error, "problems", ())
    first = str(problems[0]) if problems else str(error)
    more = len(problems) - 1
    return f"{first} (+{more})" if more > 0 else first
