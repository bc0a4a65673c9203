"""Grafana Loki: query_range in both directions, polling for new records; filters are pushed down as LogQL."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.filter.model import And, Filter, Not, Or, RegexMatch, TextMatch, ignores_case
from lilfox_tui.logs.filter.needles import Needles, needles
from lilfox_tui.logs.http_source import (
    HttpSourceOptions,
    LogServer,
    PolledSource,
    ServerError,
    StampedRange,
    StampedRecord,
    TimeStore,
    line_record,
    range_of,
    window_of,
)
from lilfox_tui.logs.record import RAW_LIMIT, LogRecord, recognise
from lilfox_tui.logs.source import SourceSettings

# The part of a filter that a Loki can search by itself, as line filters of LogQL.
#
# Never loses a match, since each stage keeps every line whose record can match:
#
# - A text or a pattern becomes the needles of ``logs/filter/needles.py``: a record that matches holds one in its raw
#   bytes, which are the line. ``(?i)`` of RE2 folds more letters than we do, so it keeps more.
# - ``not text`` drops the lines that hold the text as it is; such a record does not match (unless the text stands past
#   RAW_LIMIT, where it is not read). Here case is ignored for ASCII
#   letters alone (``[tT]``), as our texts ignore it.
# - Levels, fields and times are not pushed: Loki's labels and metadata join a record's fields and may give its level.
#   Time is asked for by ``start`` and ``end``.
#
# Line filters may follow any log query: https://grafana.com/docs/loki/latest/query/log_queries/. The strings are those
# of Go, the patterns RE2.


_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What Go's ``regexp.QuoteMeta`` escapes."""
_PRINTABLE = re.compile(r"[ !#-\[\]-~]")


def to_logql(where: Filter) -> str:
    r"""Return line filters that keep every match of ``where``, for instance ``|~ "(?i)time\\.out" != "debug"``; ``""``
    if nothing can be pushed down. Append them to a log query after a space (a newline, should the query end in a
    comment)."""
    return " ".join(dict.fromkeys(_stages(where)))


def _stages(where: Filter) -> list[str]:
    match where:
        case And(parts):
            return [stage for part in parts for stage in _stages(part)]
        case Not(Not(part)):
            return _stages(part)
        case Not(Or(parts)):
            return [stage for part in parts for stage in _stages(Not(part))]
        case Not(TextMatch(text)):
            return _without(text)
        case TextMatch() | RegexMatch() | Or():
            found = needles(where, None) if _is_of_text(where) else None
            return [] if found is None else [_with(found)]
    return []


def _is_of_text(where: Filter) -> bool:
    match where:
        case Or(parts) | And(parts):
            return all(map(_is_of_text, parts))
        case TextMatch() | RegexMatch():
            return True
    return False


def _with(found: Needles) -> str:
    texts = [needle.decode() for needle in found.any_of]
    if len(texts) == 1 and not found.ignore_case:
        return f"|= {quoted(texts[0])}"
    pattern = "|".join(map(_literally, texts))
    return f"|~ {quoted(f'(?i){pattern}' if found.ignore_case else pattern)}"


def _without(text: str) -> list[str]:
    if not text:
        return []
    if not ignores_case(text):
        return [f"!= {quoted(text)}"] if _is_sure(text) else []
    return [f"!~ {quoted(''.join(map(_either_case, text)))}"] if text.isascii() else []


def _is_sure(text: str) -> bool:
    """Return whether ``text`` is certain to be the same in Loki: U+FFFD and lone surrogates may stand for invalid
    UTF-8."""
    return not any(char == "\ufffd" or "\ud800" <= char <= "\udfff" for char in text)


def _either_case(char: str) -> str:
    return f"[{char}{char.upper()}]" if char.isalpha() else _literally(char)


def _literally(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def quoted(text: str) -> str:
    """Quote ``text`` (no lone surrogates) as a LogQL string, which has Go's syntax: no character can end it."""
    return '"' + "".join(char if _PRINTABLE.fullmatch(char) else _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in ('"', "\\"):
        return f"\\{char}"
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


# A Grafana Loki: ``query_range`` by time in both directions, and again each second for what is new.
#
# After Loki's HTTP API (grafana.com/docs/loki/latest/reference/loki-http-api): ``start`` is inclusive, ``end`` is not,
# times are nanoseconds, an answer has at most ``limit`` entries from ``start`` on (forward) or from ``end`` down.


_PATH = "/loki/api/v1/query_range"
_MOST = 5000
"""``max_entries_limit_per_query`` of a Loki that is not told another; a smaller one is learnt from its refusal."""
_TOO_MANY = re.compile(r"max entries limit per query exceeded.*?> (\d+)\)")


class Options(HttpSourceOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``query`` is a LogQL log query. A tenant is given in the header X-Scope-OrgID."""

    kind: str = "loki"
    query: str
    since: Seconds = Seconds(30 * 86_400)
    """How far back its beginning is looked for."""
    every: Seconds = Seconds(1)
    """How often what is new is asked for."""
    late: Seconds = Seconds(5)
    """Entries that arrive so much after newer ones are still noticed while following."""


def open_source(name: str, options: Options, setting: SourceSettings) -> PolledSource:
    """Return a source for the LogQL query; sends no request yet."""
    server = LogServer(options, setting.host)
    description = f"Loki {options.query} {server.where}"
    store = _Loki(name, options, setting, server)
    return PolledSource(name, description, store, server, setting, every_s=options.every, late_s=options.late)


class _Loki(TimeStore):
    def __init__(self, name: str, options: Options, setting: SourceSettings, server: LogServer) -> None:
        self._name, self._options, self._setting, self._server = name, options, setting, server
        self._most = _MOST
        self.format_name = setting.format

    async def stretch(
        self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter
    ) -> StampedRange:
        window = window_of(low, high, older=older, since_s=self._options.since)
        if window is None:
            return StampedRange((), None)
        for ask_for in (min(size, self._most), self._most):
            entries = await self._ask(window.start, window.end, older=older, limit=ask_for, where=where)
            if found := range_of(window, entries, is_cut=len(entries) >= min(ask_for, self._most), older=older):
                return found
        raise LilFoxError(
            tr("{where} has more than {limit} entries in one nanosecond and cannot page through them",
               where=self._server.where, limit=self._most),
            tr("Narrow the query with a label matcher, or the filter with a search term."),
        )  # fmt: skip

    async def _ask(self, start: int, end: int, *, older: bool, limit: int, where: Filter) -> list[StampedRecord]:
        params = {
            "query": f"{self._options.query}\n{to_logql(where)}",
            "start": str(start),
            "end": str(end),
            "limit": str(limit),
            "direction": "backward" if older else "forward",
        }
        try:
            answer = await self._server.ask("GET", _PATH, params=params)
        except ServerError as error:
            allowed = _TOO_MANY.search(str(error))
            if allowed is None or not 0 < int(allowed[1]) < limit:
                raise
            self._most = int(allowed[1])
            params["limit"] = str(self._most)
            answer = await self._server.ask("GET", _PATH, params=params)
        return await asyncio.to_thread(self._stamped, answer, older)

    def _stamped(self, answer: Any, older: bool) -> list[StampedRecord]:
        """Return the entries, oldest first; entries with the same time keep the order of their stream."""
        try:
            streams = _streams(answer)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise ServerError(
                tr("{where} does not return log streams", where=self._server.where),
                tr("Use a log query, not a metric query: {query}", query=self._options.query),
                status=200, passing=False,
            ) from None  # fmt: skip
        rows = []
        for labels, values in streams:
            key = json.dumps(labels, sort_keys=True)
            for at, (stamp, line) in enumerate(reversed(values) if older else values):
                rows.append((stamp, key, at, line, labels))
        rows.sort(key=lambda row: row[:3])
        if not self.format_name and rows:
            self.format_name = recognise(b"\n".join(row[3][:RAW_LIMIT] for row in rows[:200]))
        same: dict[tuple[int, bytes], int] = {}
        made = []
        for stamp, _key, _at, line, labels in rows:
            count = same[stamp, line] = same.get((stamp, line), -1) + 1
            made.append(StampedRecord(stamp, self._record(stamp, line, labels, count)))
        return made

    def _record(self, stamp: int, line: bytes, labels: Mapping[str, str], count: int) -> LogRecord:
        word = hashlib.blake2b(line, digest_size=9).hexdigest() + (f".{count}" if count else "")
        return line_record(self._setting, self._name, self.format_name, stamp, word, line, labels)


def _streams(answer: Any) -> list[tuple[dict[str, str], list[tuple[int, bytes]]]]:
    """Return labels and (ns, line) of each stream. A third element of a value is structured metadata: it is added to
    the labels."""
    data = answer["data"]
    if data["resultType"] != "streams":
        raise ValueError(data["resultType"])
    made: list[tuple[dict[str, str], list[tuple[int, bytes]]]] = []
    for stream in data["result"]:
        parts: dict[str, tuple[dict[str, str], list[tuple[int, bytes]]]] = {}
        for value in stream["values"]:
            extra = value[2] if len(value) > 2 else {}
            labels = {**stream["stream"], **extra}
            part = parts.setdefault(json.dumps(labels, sort_keys=True), (labels, []))
            part[1].append((int(value[0]), value[1].encode("utf-8", "surrogatepass")))
        made += parts.values()
    return made
