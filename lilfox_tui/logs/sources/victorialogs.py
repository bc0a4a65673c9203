"""VictoriaLogs: LogsQL queries by time in both directions, polling for new records; texts are searched there.

After its HTTP API (docs.victoriametrics.com/victorialogs/querying): ``start`` is inclusive, ``end`` is not; with the
argument ``limit`` an answer has the newest entries, with the pipe ``sort`` the oldest. An answer is a line of JSON for
each entry, with ``_time``, ``_msg`` and its other fields.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.filter.model import And, Filter, RegexMatch, TextMatch
from lilfox_tui.logs.filter.needles import needles
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

_PATH = "/select/logsql/query"
_MOST = 5000
_OWN = {"_msg", "_time", "_stream", "_stream_id"}
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


class Options(HttpSourceOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``query`` is a LogsQL query that keeps ``_time`` and ``_msg``. A tenant is given in the headers AccountID and
    ProjectID."""

    kind: str = "victorialogs"
    query: str = "*"
    since: Seconds = Seconds(30 * 86_400)
    """How far back its beginning is looked for."""
    every: Seconds = Seconds(1)
    """How often what is new is asked for."""
    late: Seconds = Seconds(10)
    """Entries that arrive so much after newer ones are still noticed while following."""


def open_source(name: str, options: Options, setting: SourceSettings) -> PolledSource:
    """Return a source for the LogsQL query; sends no request yet."""
    server = LogServer(options, setting.host)
    description = f"VictoriaLogs {options.query} {server.where}"
    store = _VictoriaLogs(name, options, setting, server)
    return PolledSource(name, description, store, server, setting, every_s=options.every, late_s=options.late)


def searched(where: Filter) -> str:
    """Return a pipe of LogsQL that keeps every match of ``where``: the texts that it needs, of which a matching record
    holds one in its message; ``""`` if nothing can be searched there."""
    parts = where.parts if isinstance(where, And) else (where,)
    found = [needles(part, None) for part in parts if isinstance(part, TextMatch | RegexMatch)]
    pipes = []
    for each in found:
        if each is not None:
            pattern = "|".join(re.escape(needle.decode()) for needle in each.any_of)
            text = json.dumps(f"(?i){pattern}" if each.ignore_case else pattern)
            pipes.append(f" | filter _msg:~{text}")
    return "".join(dict.fromkeys(pipes))


class _VictoriaLogs(TimeStore):
    def __init__(self, name: str, options: Options, setting: SourceSettings, server: LogServer) -> None:
        self._name, self._options, self._setting, self._server = name, options, setting, server
        self.format_name = setting.format

    async def stretch(
        self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter
    ) -> StampedRange:
        window = window_of(low, high, older=older, since_s=self._options.since)
        if window is None:
            return StampedRange((), None)
        for ask_for in (min(size, _MOST), _MOST, 10 * _MOST):
            entries = await self._ask(window.start, window.end, older=older, limit=ask_for, where=where)
            if found := range_of(window, entries, is_cut=len(entries) >= ask_for, older=older):
                return found
        raise LilFoxError(
            tr("{where} has more than {limit} entries in one nanosecond and cannot page through them",
               where=self._server.where, limit=10 * _MOST),
            tr("Narrow the query, or the filter with a search term."),
        )  # fmt: skip

    async def _ask(self, start: int, end: int, *, older: bool, limit: int, where: Filter) -> list[StampedRecord]:
        query = self._options.query + searched(where)
        params = {"query": query, "start": _stamp_text(start), "end": _stamp_text(end)}
        if older:
            params["limit"] = str(limit)
        else:
            params["query"] = f"{query} | sort by (_time) limit {limit}"
        answer = await self._server.ask("GET", _PATH, params=params, lines=True)
        return await asyncio.to_thread(self._stamped, answer)

    def _stamped(self, answer: Any) -> list[StampedRecord]:
        """Return the entries, oldest first; those of one time in the order of their streams and contents."""
        rows = []
        for each in answer:
            if not isinstance(each, dict) or (stamp := _stamp(each.get("_time"))) is None:
                raise ServerError(
                    tr("{where} returns entries without a time", where=self._server.where),
                    tr("Use a query that keeps _time and _msg: {query}", query=self._options.query),
                    status=200, passing=False,
                )  # fmt: skip
            rows.append((stamp, json.dumps(each, sort_keys=True), each))
        rows.sort(key=lambda row: row[:2])
        if not self.format_name and rows:
            lines = [_line(each)[:RAW_LIMIT] for _stamp_ns, _key, each in rows[:200]]
            self.format_name = recognise(b"\n".join(lines))
        same: dict[tuple[int, str], int] = {}
        made = []
        for stamp, key, each in rows:
            count = same[stamp, key] = same.get((stamp, key), -1) + 1
            made.append(StampedRecord(stamp, self._record(stamp, key, each, count)))
        return made

    def _record(self, stamp: int, key: str, fields: Mapping[str, Any], count: int) -> LogRecord:
        about = {name: value for name, value in fields.items() if name not in _OWN}
        word = hashlib.blake2b(key.encode(), digest_size=9).hexdigest() + (f".{count}" if count else "")
        return line_record(self._setting, self._name, self.format_name, stamp, word, _line(fields), about)


def _line(fields: Mapping[str, Any]) -> bytes:
    return str(fields.get("_msg", "")).encode("utf-8", "surrogatepass")


def _stamp(text: object) -> int | None:
    """Return nanoseconds since 1970 of a time of RFC 3339, exactly; None if it is none."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        second = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    except ValueError:
        return None
    return int(second.timestamp()) * 10**9 + int((found[2] or "0").ljust(9, "0"))


def _stamp_text(stamp: int) -> str:
    second, nanoseconds = divmod(stamp, 10**9)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"
