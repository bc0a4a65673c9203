"""Reads YAML files written for Prometheus like Prometheus' own library (gopkg.in/yaml.v3)."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from lilfox_tui.config.convert import is_null
from lilfox_tui.config.yaml_nodes import Dialect, Findings, KeyPath, ListNode, MapNode, Node, ScalarNode, quoted, rather
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.files import content, opened
from lilfox_tui.core.i18n import _
from lilfox_tui.scrape.labels import parse_duration

MAX_BYTES = 8 * 1024 * 1024


def read_text(path: Path, *, trusted: bool) -> str:
    """Read a regular file; ``trusted``: its content is acted upon, so nobody else may be able to write it. Raises
    ConfigError as ``file:line: what``, NotTrusted."""
    try:
        with opened(path, trusted=trusted) as (descriptor, found):
            if not stat.S_ISREG(found.st_mode):
                raise _unusable(path, _("not a regular file; name the file itself"))
            raw = content(descriptor, MAX_BYTES)
    except OSError as error:
        raise _unusable(path, _("cannot be read: {reason}", reason=error.strerror or type(error).__name__)) from None
    if len(raw) > MAX_BYTES:
        raise _unusable(path, _("larger than 8 MiB: too large for a Prometheus file"))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(path, _("not UTF-8 text; save it as UTF-8"), raw.count(b"\n", 0, error.start) + 1) from None


def _unusable(path: Path, what: str, line: int = 1) -> ConfigError:
    findings = Findings(str(path))
    findings.add(line, (), what)
    return ConfigError(findings.sorted()[0], findings.sorted())


Fields: TypeAlias = dict[str, Node]
DIALECT = Dialect(tags=True, more_documents=True, tab_indents=True, max_nodes=400_000)
"""Of all files that are written for Prometheus."""
_MERGE = "<<"
_LONGEST = 100
"""A number of more digits is none that fits."""
_WHOLE = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|[0-9]+)")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INT64 = 2**63
_FLAGS = {"true": True, "yes": True, "on": True, "y": True, "false": False, "no": False, "off": False, "n": False}


class PrometheusNodes(Struct):
    """Reads values; invalid ones are reported in ``findings``. A null counts as missing."""

    findings: Findings

    def fields(self, node: Node, known: tuple[str, ...], at: KeyPath) -> Fields:
        """Return the entries of a mapping with fixed keys, without nulls."""
        if not isinstance(node, MapNode):
            if not _is_nothing(node):
                self.findings.add(node.line, at, _("expected a mapping here, with keys such as {key}:", key=known[0]))
            return {}
        fields: Fields = {}
        for key, value in self._merged(node, at):
            if key.text not in known:
                what = _("unknown field {name}; {rather}", name=quoted(key.text), rather=rather(key.text, known))
                self.findings.add(key.line, at, what)
            elif not _is_nothing(value) or key.text in ("alert", "record", "expr"):
                fields[key.text] = value
        return fields

    def items(self, node: Node | None, at: KeyPath) -> tuple[Node, ...]:
        """Return the items of a list, without nulls."""
        if node is None or _is_nothing(node):
            return ()
        if isinstance(node, ListNode):
            return tuple(item for item in node.items if not _is_nothing(item))
        self.findings.add(node.line, at, _("expected a list here; begin each item with a dash"))
        return ()

    def text(self, node: Node | None, at: KeyPath) -> str:
        """Return a word as written, empty if missing."""
        if isinstance(node, ScalarNode):
            return "" if is_null(node) else node.text
        if node is not None:
            self.findings.add(node.line, at, _("expected text here; put it in quotes"))
        return ""

    def texts(self, node: Node | None, at: KeyPath) -> tuple[dict[str, str], dict[str, int]]:
        """Return a mapping of texts, and the lines of its keys."""
        entries = self.entries(node, at)
        return {key.text: self.text(value, at) for key, value in entries}, {key.text: key.line for key, _ in entries}

    def entries(self, node: Node | None, at: KeyPath) -> tuple[tuple[ScalarNode, Node], ...]:
        """Return the entries of a mapping with arbitrary keys."""
        if node is None or _is_nothing(node):
            return ()
        if not isinstance(node, MapNode):
            self.findings.add(node.line, at, _("expected a mapping here, with lines such as severity: page"))
            return ()
        return tuple(self._merged(node, at))

    def duration_s(self, node: Node | None, at: KeyPath) -> float | None:
        """Return a duration in seconds; None if there is none."""
        if node is None:
            return None
        if not isinstance(node, ScalarNode):
            self.findings.add(node.line, at, _("expected a duration here, such as 5m"))
            return None
        try:
            return parse_duration(node.text) / 1000
        except ValueError:
            what = _("{value} is not a duration; write one such as 30s, 5m or 1h30m", value=quoted(node.text))
            self.findings.add(node.line, at, what)
            return None

    def whole(self, node: Node | None, at: KeyPath) -> int:
        """Return an integer; as in yaml.v3, a fraction is cut off. 0 if there is none."""
        if node is None:
            return 0
        number = _whole(node.text.replace("_", "")) if isinstance(node, ScalarNode) and node.plain else None
        if number is None:
            self.findings.add(node.line, at, _("expected a whole number here, without quotes, such as 100"))
        return number or 0

    def flag(self, node: Node | None, at: KeyPath, *, default: bool) -> bool:
        """Return a boolean; ``default`` if there is none."""
        if node is None:
            return default
        word = node.text.lower() if isinstance(node, ScalarNode) and node.plain else ""
        if word not in _FLAGS:
            self.findings.add(node.line, at, _("expected true or false here, without quotes"))
        return _FLAGS.get(word, default)

    def named(self, node: Node, key: str) -> str:
        """Return the value of ``key``, which serves as the name of ``node``; reports no errors."""
        entries = _all_entries(node) if isinstance(node, MapNode) else ()
        return next((self.word(value) for name, value in entries if name.text == key), "")

    def word(self, node: Node | None) -> str:
        """Return a word as written; ``null`` is one too."""
        return node.text if isinstance(node, ScalarNode) else ""

    def line(self, node: Node | None, otherwise: Node) -> int:
        """Return the line of ``node``, or of the node that should contain it."""
        return (node or otherwise).line

    def _merged(self, node: MapNode, at: KeyPath) -> Iterator[tuple[ScalarNode, Node]]:
        for key, value in node.entries:
            sources = value.items if isinstance(value, ListNode) else (value,)
            if _is_merge(key) and not all(isinstance(source, MapNode) for source in sources):
                self.findings.add(key.line, at, _("<< takes a mapping or a list of mappings"))
        yield from _all_entries(node)


def _all_entries(node: MapNode) -> Iterator[tuple[ScalarNode, Node]]:
    """Yield entries including those merged by ``<<``; the mapping's own entries take precedence, then the first merge
    that has the key."""
    seen: set[str] = set()
    own = [entry for entry in node.entries if not _is_merge(entry[0])]
    merged = [value for key, value in node.entries if _is_merge(key)]
    sources = [source for value in merged for source in (value.items if isinstance(value, ListNode) else (value,))]
    brought = [entry for source in sources if isinstance(source, MapNode) for entry in _all_entries(source)]
    for key, value in (*own, *brought):
        if key.text not in seen:
            seen.add(key.text)
            yield key, value


def _is_merge(key: ScalarNode) -> bool:
    return key.plain and key.text == _MERGE


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and is_null(node)


def _whole(text: str) -> int | None:
    if len(text) > _LONGEST:
        return None
    if _WHOLE.fullmatch(text):
        digits = text.lstrip("+-")
        base = 8 if digits.startswith("0") and digits.isdigit() else 0  # 017 is octal, as in Go
        try:
            number = int(text, base)
        except ValueError:
            number = int(float(text))  # 089 is a decimal fraction without one
    elif _DECIMAL.fullmatch(text) and abs(float(text)) < _INT64:
        number = int(float(text))
    else:
        return None
    return number if -_INT64 <= number < _INT64 else None
