"""A stand-in for Grafana Loki that answers ``query_range`` as its HTTP API documents: inclusive start, exclusive end, a
limit counted over all streams, the newest first when backward, one list of values a stream, errors as plain text.

Of LogQL it knows stream selectors and line filters; anything else is refused as a parse error is."""

from __future__ import annotations

import re
import time
from collections import defaultdict

from tests.services.http_stand_in import Reply, Request, StandIn

_SELECTOR = re.compile(r'\{\s*((?:\w+\s*(?:=~|!~|!=|=)\s*"(?:[^"\\]|\\.)*"\s*,?\s*)*)\}')
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_LINE = re.compile(r'\s*(\|=|!=|\|~|!~)\s*((?:"(?:[^"\\]|\\.)*"|`[^`]*`)(?:\s+or\s+(?:"(?:[^"\\]|\\.)*"|`[^`]*`))*)')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|`([^`]*)`')
_PATH = "/loki/api/v1/query_range"
MOST_NS = 721 * 3600 * 10**9
"""``max_query_length`` of a Loki that is not told another."""

Labels = tuple[tuple[str, str], ...]


class LokiServer(StandIn):
    """``add`` puts a line in; lines of one stream at one time keep their order, the same line twice is one."""

    def __init__(self, max_entries: int = 5000) -> None:
        super().__init__(self._query_range)
        self.max_entries = max_entries
        self._streams: dict[Labels, list[tuple[int, str]]] = defaultdict(list)

    def add(self, stamp_ns: int, line: str, **labels: str) -> None:
        """One entry of the stream with these labels."""
        stream = self._streams[tuple(sorted(labels.items()))]
        if (stamp_ns, line) not in stream[-50:]:
            stream.append((stamp_ns, line))

    def _query_range(self, request: Request) -> Reply:
        if request.path != _PATH:
            return Reply(404, "404 page not found\n")
        limit = int(request.params.get("limit", "100"))
        now = time.time_ns()
        start, end = int(request.params.get("start", now - 3600 * 10**9)), int(request.params.get("end", now))
        if limit > self.max_entries:
            return Reply(400, "max entries limit per query exceeded, limit > max_entries_limit_per_query "
                              f"({limit} > {self.max_entries})")  # fmt: skip
        if end - start > MOST_NS:
            return Reply(400, "the query time range exceeds the limit (query length: 999h0m0s, limit: 30d1h)")
        if (found := _SELECTOR.match(request.params["query"])) is None:
            return Reply(400, "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER")
        filters, rest = _line_filters(request.params["query"][found.end() :])
        if rest.strip():
            return Reply(400, f"parse error at line 1, col {found.end()}: syntax error: unexpected {rest.strip()[:20]}")
        backward = request.params.get("direction", "backward") == "backward"
        picked = self._picked(_MATCHER.findall(found[1]), filters, start, end)
        ordered = sorted(picked, key=lambda one: (one[1], one[3]), reverse=backward)[:limit]
        result: dict[Labels, list[list[str]]] = defaultdict(list)
        for labels, stamp, line, _at in ordered:
            result[labels].append([str(stamp), line])
        streams = [{"stream": dict(labels), "values": values} for labels, values in result.items()]
        return Reply(200, {"status": "success", "data": {"resultType": "streams", "result": streams, "stats": {}}},
                     {"Content-Type": "application/json; charset=UTF-8"})  # fmt: skip

    def _picked(
        self, matchers: list[tuple[str, str, str]], filters: list[tuple[str, list[str]]], start: int, end: int
    ) -> list[tuple[Labels, int, str, int]]:
        return [
            (labels, stamp, line, at)
            for labels, entries in self._streams.items()
            if all(_fits(op, dict(labels).get(name, ""), value) for name, op, value in matchers)
            for at, (stamp, line) in enumerate(entries)
            if start <= stamp < end and all(_passes(op, texts, line) for op, texts in filters)
        ]


def _line_filters(text: str) -> tuple[list[tuple[str, list[str]]], str]:
    filters = []
    while match := _LINE.match(text):
        words = [_unquoted(double) if double else back for double, back in _QUOTED.findall(match[2])]
        filters.append((match[1], words))
        text = text[match.end() :]
    return filters, text


def _unquoted(text: str) -> str:
    """Of a Go string literal, the escapes that JSON shares with it, and ``\\xNN``."""
    plain = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
    return re.sub(
        r"\\(?:x([0-9a-f]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))",
        lambda m: plain[m[4]] if m[4] else chr(int(m[1] or m[2] or m[3], 16)),
        text,
    )


def _fits(op: str, have: str, value: str) -> bool:
    same = have == _unquoted(value) if op in ("=", "!=") else re.fullmatch(_unquoted(value), have) is not None
    return same if op in ("=", "=~") else not same


def _passes(op: str, texts: list[str], line: str) -> bool:
    found = any(text in line if op in ("|=", "!=") else re.search(text, line) for text in texts)
    return found if op in ("|=", "|~") else not found
