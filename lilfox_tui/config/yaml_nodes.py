"""YAML as nodes with their positions in the file, and the problems found in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml
from msgspec import Struct, field

from lilfox_tui.core.i18n import _, listed
from lilfox_tui.core.text import clean, fit
from lilfox_tui.redact import redact

if TYPE_CHECKING:
    from yaml import YAMLError


# Findings about a configuration file, gathered so that all are told at once.


KeyPath = tuple[str, ...]
_LISTED_AT_MOST = 16
_QUOTED_CELLS = 40


def dotted(path: KeyPath) -> str:
    """The dotted form of a key path: ``hosts.web-1.port``."""
    return ".".join(clean(part) for part in path)


def quoted(value: str) -> str:
    """A value of the file for an error message: cleaned, masked if it looks like a secret, cut to one line."""
    return f"“{fit(clean(redact(value)), _QUOTED_CELLS).rstrip()}”"


def rather(word: str, known: Iterable[str]) -> str:
    """A suggestion instead of ``word``: the most similar of ``known``, or else the first few of them."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return _("did you mean {word}?", word=near[0])
    if not words:
        return _("none is defined")
    more = ["…"] if len(words) > _LISTED_AT_MOST else []
    return _("one of: {words}", words=listed([*words[:_LISTED_AT_MOST], *more]))


class Findings(Struct):
    """The problems in one file. ``lines`` has the line of each key path (from 1)."""

    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    _found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, path: KeyPath, what: str) -> None:
        """Records that ``what`` is wrong at ``path`` in that line; ``what`` also says what to write instead."""
        place = f"{clean(self.file)}:{line}: "
        self._found.append((line, place + (f"{dotted(path)}: {what}" if path else what)))

    def add_at(self, path: KeyPath, what: str) -> None:
        """Like ``add``, at the line of ``path`` or of the nearest known parent."""
        known = next((path[:end] for end in range(len(path), 0, -1) if path[:end] in self.lines), ())
        self.add(self.lines.get(known, 1), path, what)

    def add_unknown(self, names: Iterable[str], path: KeyPath, known: Collection[str]) -> None:
        """Records those of the ``names`` at ``path`` that are not ``known`` services, backends or hosts."""
        for number, name in enumerate(names):
            if name not in known:
                what = _("no other service, backend or host named {value}", value=quoted(name))
                self.add_at((*path, str(number)), f"{what}; {rather(name, known)}")

    def __bool__(self) -> bool:
        return bool(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def since(self, count: int) -> tuple[str, ...]:
        """The problems after the first ``count``, in the order of the file."""
        return _in_order(self._found[count:])

    def sorted(self) -> tuple[str, ...]:
        """All findings in the order of the file, each as ``file:line: key.path: what``."""
        return _in_order(self._found)


def _in_order(found: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(text for _line, text in sorted(found, key=lambda each: each[0]))


MAX_NODES = 20_000
MAX_DEPTH = 24


class ScalarNode(Struct, frozen=True):
    """A word or text as written. ``plain``: it has no quotes."""

    text: str
    plain: bool
    line: int
    size: int = 1


class ListNode(Struct, frozen=True):
    """A sequence."""

    items: tuple[Node, ...]
    line: int
    size: int


class MapNode(Struct, frozen=True):
    """A mapping in the file's order; no key occurs twice."""

    entries: tuple[tuple[ScalarNode, Node], ...]
    line: int
    size: int


Node: TypeAlias = ScalarNode | ListNode | MapNode


class Dialect(Struct, frozen=True):
    """What a file may contain beyond plain values; our own configuration allows none of it."""

    tags: bool = False
    """Tags are passed over instead of refused."""
    more_documents: bool = False
    """What follows the first document is not read."""
    tab_indents: bool = False
    """Tabs are left to YAML's own rules: it takes them in block texts."""
    max_nodes: int = MAX_NODES


OWN = Dialect()


class UnreadableYaml(Exception):
    """Raised when the rest of the file cannot be parsed; the problem is in the findings."""


def parse(text: str, findings: Findings, dialect: Dialect = OWN) -> Node | None:
    """The single document in ``text``; None if it is empty or malformed (then ``findings`` says how)."""
    if not dialect.tab_indents and _has_tab_indents(text, findings):
        return None
    loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events = yaml.parse(text, Loader=loader)
    try:
        return _NodeBuilder(events, findings, dialect).document()
    except yaml.YAMLError as error:
        findings.add(*_place_and_reason(error, text))
    except UnreadableYaml:
        pass
    return None


def _has_tab_indents(text: str, findings: Findings) -> bool:
    before = bool(findings)
    for number, line in enumerate(text.splitlines(), 1):
        indent = line[: len(line) - len(line.lstrip())]
        if "\t" in indent and line.strip():
            findings.add(number, (), _("a tab in the indentation; indent with spaces"))
    return bool(findings) and not before


def _place_and_reason(error: YAMLError, text: str) -> tuple[int, KeyPath, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
    # a reader error has no mark but the offset of a character that YAML does not allow
    line = mark.line + 1 if mark else text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
    return line, (), _("not valid YAML ({reason}); look at this line and the one above it", reason=reason)


class _NodeBuilder(Struct):
    events: Iterator[Any]
    findings: Findings
    dialect: Dialect
    anchors: dict[str, Node | None] = field(default_factory=dict)

    def document(self) -> Node | None:
        node: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    self.stop(event, _("a second document; put everything into one, without ---"))
                node = self.node(next(self.events), 0)
                if self.dialect.more_documents:
                    break
        return node

    def stop(self, event: Any, what: str) -> None:
        self.findings.add(event.start_mark.line + 1, (), what)
        raise UnreadableYaml

    def node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if depth > MAX_DEPTH:
            self.stop(event, _("nested deeper than {limit} levels; reduce the nesting", limit=MAX_DEPTH))
        if isinstance(event, yaml.AliasEvent):
            return self.aliased(event)
        if event.tag is not None and not self.dialect.tags:
            self.findings.add(
                line, (), _("YAML tag {tag} is not allowed; write the plain value", tag=quoted(event.tag))
            )
        if event.anchor:
            self.anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = ScalarNode(event.value, event.style is None or event.style == "", line)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(line, depth)
        else:
            node = self.mapping(line, depth)
        limit = self.dialect.max_nodes
        if node.size > limit:
            self.stop(event, _("more than {limit} values after all aliases are expanded; refused", limit=limit))
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def aliased(self, event: Any) -> Node:
        node = self.anchors.get(event.anchor)
        if node is None:
            self.stop(event, _("alias *{name} does not refer to a complete value above it", name=event.anchor))
            raise UnreadableYaml
        return node

    def sequence(self, line: int, depth: int) -> ListNode:
        items: list[Node] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return ListNode(tuple(items), line, 1 + sum(item.size for item in items))

    def mapping(self, line: int, depth: int) -> MapNode:
        entries: dict[str, tuple[ScalarNode, Node]] = {}
        size = 1
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            size += key.size + value.size
            if not isinstance(key, ScalarNode):
                self.findings.add(key.line, (), _("the key is a list or a mapping; a key must be a single word"))
            elif key.text in entries:
                first = entries[key.text][0].line
                what = _("this key is already on line {line}; keep one of them", line=first)
                self.findings.add(key.line, (key.text,), what)
            else:
                entries[key.text] = (key, value)
        return MapNode(tuple(entries.values()), line, size)


def keys_of(root: Node | None, section: str) -> tuple[str, ...]:
    """The keys of a section at the top of a document; none if it is not a mapping."""
    entries = root.entries if isinstance(root, MapNode) else ()
    found = next((value for key, value in entries if key.text == section), None)
    return tuple(key.text for key, _value in found.entries) if isinstance(found, MapNode) else ()
