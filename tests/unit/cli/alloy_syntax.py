"""A reader of Alloy's language as far as our export uses it: blocks, attributes, strings, lists, objects, references.

https://grafana.com/docs/alloy/latest/get-started/configuration-syntax/syntax/"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r'(?P<blank>[ \t]+|//[^\n]*)|(?P<end>\n)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<raw>`[^`]*`)'
    r"|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign>[{}\[\]=,])"
)


class AlloyBlock(NamedTuple):
    name: str
    label: str
    attributes: dict[str, Any]
    """References are texts that begin with ``=``."""
    blocks: list[AlloyBlock]


def read_alloy(text: str) -> list[AlloyBlock]:
    """The blocks of a file. Raises ValueError for anything else."""
    reader = _Reader(list(_tokens(text)))
    attributes, blocks = reader.body(until="")
    if attributes:
        raise ValueError(f"attributes outside of blocks: {list(attributes)}")
    names = [(each.name, each.label) for each in blocks]
    if len(names) != len(set(names)):
        raise ValueError("two components of one name")
    return blocks


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"not Alloy: {text[place : place + 40]!r}")
        place = match.end()
        if match.lastgroup != "blank":
            yield str(match.lastgroup), match[0]


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("", "")]

    def body(self, until: str) -> tuple[dict[str, Any], list[AlloyBlock]]:
        attributes: dict[str, Any] = {}
        blocks: list[AlloyBlock] = []
        while self._skip_ends() != until:
            name = self._take("name")
            if self._peek() == "=":
                self._take("sign", "=")
                if name in attributes:
                    raise ValueError(f"{name} stands twice")
                attributes[name] = self._value()
            else:
                label = json.loads(self._take("text")) if self._tokens[0][0] == "text" else ""
                self._take("sign", "{")
                blocks.append(AlloyBlock(name, label, *self.body(until="}")))
                self._take("sign", "}")
            if self._peek() not in ("\n", until):
                raise ValueError(f"{self._peek()!r} on the line of {name}")
        return attributes, blocks

    def _value(self) -> Any:
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return json.loads(text)
        if kind == "raw":
            return text[1:-1]
        if kind == "name":
            return {"true": True, "false": False}.get(text, f"={text}")
        if text == "[":
            found: list[Any] = []
            while self._peek() != "]":
                found.append(self._value())
                self._comma("]")
            self._take("sign", "]")
            return found
        if text == "{":
            pairs: dict[str, Any] = {}
            while self._skip_ends() != "}":
                key = json.loads(self._take("text")) if self._tokens[0][0] == "text" else self._take("name")
                self._take("sign", "=")
                pairs[key] = self._value()
                self._comma("}")
            self._take("sign", "}")
            return pairs
        raise ValueError(f"no value: {text!r}")

    def _comma(self, end: str) -> None:
        """A comma stands between elements, and after the last one where the end is on another line."""
        if self._peek() == ",":
            self._take("sign", ",")
        elif self._peek() != end:
            raise ValueError(f"{self._peek()!r} instead of a comma")

    def _peek(self) -> str:
        return self._tokens[0][1]

    def _skip_ends(self) -> str:
        while self._tokens[0][0] == "end":
            self._tokens.pop(0)
        return self._peek()

    def _take(self, kind: str, text: str | None = None) -> str:
        found, value = self._tokens.pop(0)
        if found != kind or (text is not None and value != text):
            raise ValueError(f"{value!r} instead of {text or kind}")
        return value
