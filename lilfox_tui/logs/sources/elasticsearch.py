"""Elasticsearch or OpenSearch: an index pattern paged by time; filters are pushed down as query DSL."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import time
import unicodedata
from collections import abc
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.filter.model import (
    EVERYTHING,
    STATUS_NAMES,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    TextMatch,
    Within,
    number,
    severities,
)
from lilfox_tui.logs.http_source import (
    HttpSourceOptions,
    LogServer,
    PolledSource,
    ServerError,
    StampedRange,
    StampedRecord,
    TimeStore,
    place_of,
    whole_stamps,
)
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, LogRecord, Severity, load_format
from lilfox_tui.logs.source import SourceSettings
from lilfox_tui.logs.structured import ENDINGS, WORDS, possible_numbers

# The part of a filter that an Elasticsearch or OpenSearch can search by itself, as its query DSL.
#
# What a query finds depends on how each field is mapped: only what the mapping is known for is pushed. No match is
# lost:
#
# - Time is asked for in whole milliseconds, rounded outwards.
# - A level is one of the words or numbers that ``logs/structured.py`` reads as it, in the fields that it reads.
# - ``field=value`` is a term of a keyword, a phrase of a text, a range of whole numbers around a number. A document
#   with a value that the index has left out (``ignore_above``, ``ignore_malformed``) has ``_ignored``; all of those
#   come too.
# - A text is cut into words: each run of ASCII letters and digits stands inside one token of the standard analyzer, as
#   UAX #29 does not part them, each ideograph in one, so ``*run*`` on every field of texts finds it. It is not pushed
#   where it could also stand in a field's name, a number, a date or an address. An analyzer that stems or drops words,
#   and fields that are kept but not mapped (``enabled: false``, ``dynamic: false``), are not seen from here: see
#   ``IndexMapping.whole``.
# - Negations, patterns and everything else are not pushed.


EsQuery = dict[str, Any]

LEVEL_NAMES = (
    "level", "levelname", "severity", "lvl", "log.level", "loglevel", "log_level", "@l", "severitytext",
    "severity_text", "priority", "error_severity", "level_name", "levelno", "severitynumber", "severity_number",
)  # fmt: skip
"""The fields that ``logs/structured.py`` reads a level from, letter case aside."""
_DERIVED = ("level", "logger", "module", "message", "source", "response_time", "type", "exception.type")
_KEYWORD = ("keyword", "constant_keyword", "wildcard")
_TEXT = ("text", "match_only_text")
_WHOLE = ("long", "integer", "short", "byte")
_NUMBER = (*_WHOLE, "double")
_HOLD_NO_WORD = (
    *_NUMBER,
    "float",
    "half_float",
    "scaled_float",
    "unsigned_long",
    "boolean",
    "date",
    "date_nanos",
    "ip",
    "object",
)
_IGNORED: EsQuery = {"exists": {"field": "_ignored"}}
_LARGEST_PLAIN = 1_000_000
_MOST_FIELDS = 60
_MOST_WORDS = 3
_RUN = re.compile(r"[A-Za-z0-9]{2,}", re.ASCII)
_IN_NUMBER_OR_ADDRESS = re.compile(r"[0-9a-f]{1,4}|[0-9e]+|[0-9]++[xb]?[0-9a-f]*+")
_ESCAPED_START = re.compile(r"(?:^|(?<=\\))(?:u?[0-9a-f]{1,4}|[nrtu])")
"""What may be the rest of an escape, such as ``\\n``, of the raw document; it is in no token."""
_CALENDAR = (
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday am pm utc gmt z t true false null"
)


class IndexMapping(Struct, frozen=True):
    """The mapping of an index pattern: the type of each field by its full name, as ``_field_caps`` returns it; ``""``
    for a field that has several types or is not searchable in every index; no metadata fields. ``whole``: the documents
    have no other fields and their texts are analyzed word by word, so that text searches can be pushed down. ``plain``:
    records are read from the documents' own fields, not from lines of another format in them."""

    types: abc.Mapping[str, str] = {}
    whole: bool = False
    plain: bool = True


def to_query(where: Filter, time_field: str, mapping: IndexMapping) -> EsQuery:
    """Return a query that finds every document whose record matches ``where``, and possibly others; ``match_all`` if
    nothing can be pushed down."""
    return _Pushed(time_field, mapping).of(where) or {"match_all": {}}


class _Pushed:
    def __init__(self, time_field: str, mapping: IndexMapping) -> None:
        self._time_field = time_field
        self._types = mapping.types
        self._mapping = mapping

    def of(self, where: Filter) -> EsQuery | None:
        """Return the query for ``where``; None if nothing of it can be pushed down."""
        match where:
            case And(parts):
                pushed = [query for part in parts if (query := self.of(part)) is not None]
                return {"bool": {"filter": pushed}} if pushed else None
            case Or(parts):
                each = [self.of(part) for part in parts]
                return _one_of([query for query in each if query is not None]) if parts and all(each) else None
            case Not(Not(part)):
                return self.of(part)
            case Within(since_us, until_us):
                return self._within(since_us, until_us)
            case TextMatch(text):
                return self._text(text) if self._mapping.whole else None
            case AtLeast() | FieldMatch("level"):
                return self._levels(severities(where)) if self._mapping.plain else None
            case FieldMatch(name, op, value):
                return self._field(name, op, value) if self._mapping.plain else None
        return None

    def _within(self, since_us: int | None, until_us: int | None) -> EsQuery:
        bounds: EsQuery = {"format": "epoch_millis"}
        if since_us is not None:
            bounds["gte"] = since_us // 1000
        if until_us is not None:
            bounds["lte"] = -(-until_us // 1000)
        return {"range": {self._time_field: bounds}} if len(bounds) > 1 else {"exists": {"field": self._time_field}}

    def _levels(self, wanted: frozenset[Severity]) -> EsQuery | None:
        names = [name for name in self._types if name.lower() in LEVEL_NAMES]
        if Severity.UNKNOWN in wanted or not names:
            return None
        words = [word for word, severity in WORDS.items() if severity in wanted]
        numbers = sorted({value for end in ENDINGS for severity in wanted for value in possible_numbers(end, severity)})
        found: list[EsQuery] = []
        for name in names:
            if self._types[name] in (*_KEYWORD, *_TEXT):
                found += [_term(name, word) for word in (*words, *map(str, numbers))]
            elif self._types[name] in _NUMBER:
                found.append({"terms": {name: numbers}})
            else:
                return None
        return _one_of([*found, _IGNORED])

    def _field(self, name: str, op: str, value: str) -> EsQuery | None:
        if name in _DERIVED:
            return None
        names = [one for one in (STATUS_NAMES if name == "status" else (name,)) if one in self._types]
        each = [self._compared(self._types[one], one, op, value) for one in names]
        found = [query for query in each if query is not None]
        return _one_of([*found, _IGNORED]) if found and len(found) == len(each) else None

    def _compared(self, kind: str, name: str, op: str, value: str) -> EsQuery | None:
        amount = number(value)
        if kind in _NUMBER and amount is not None and math.isfinite(amount) and abs(amount) < 1e15:
            low, high = math.floor(amount), math.ceil(amount)
            bounds = {
                "=": {"gte": low, "lte": high},
                ">": {"gte": low},
                ">=": {"gte": low},
                "<": {"lte": high},
                "<=": {"lte": high},
            }
            return {"range": {name: bounds[op]}} if op in bounds else None
        if op != "=" or not value:
            return None
        if amount is not None:
            plain = isinstance(amount, int) and 0 <= amount < _LARGEST_PLAIN and str(amount) == value
            if not plain or kind not in _KEYWORD:
                return None
            return _one_of([{"term": {name: {"value": value}}}, {"prefix": {name: {"value": f"{value}."}}}])
        if kind in _KEYWORD and value[:1] not in ("{", "["):
            return {"term": {name: {"value": value}}}
        return {"match_phrase": {name: {"query": value, "zero_terms_query": "all"}}} if kind in _TEXT else None

    def _text(self, text: str) -> EsQuery | None:
        strings = [name for name, kind in self._types.items() if kind in (*_KEYWORD, *_TEXT)]
        others = set(self._types.values()).difference(_KEYWORD, _TEXT, _HOLD_NO_WORD)
        if others or not 0 < len(strings) <= _MOST_FIELDS:
            return None
        names = " ".join(self._types).lower()
        words = [word for word in _words(text, runs_only=not self._mapping.plain) if word not in names]
        pushed = [_one_of([*(_holds(name, word) for name in strings), _IGNORED]) for word in words[:_MOST_WORDS]]
        return {"bool": {"filter": pushed}} if pushed else None


def _words(text: str, *, runs_only: bool) -> list[str]:
    """Return the words of ``text`` that always lie within a single token and cannot come from a number, date or
    address; longest first."""
    runs = [
        run
        for run in _RUN.findall(_ESCAPED_START.sub("", text.lower()))
        if not _IN_NUMBER_OR_ADDRESS.fullmatch(run) and not _in_date(run)
    ]
    signs = [] if runs_only else [char for char in text if _is_ideograph(char)]
    return sorted(dict.fromkeys(runs), key=len, reverse=True) + list(dict.fromkeys(signs))


def _in_date(run: str) -> bool:
    return all(letters in _CALENDAR for letters in re.split(r"[0-9]+", run))


def _is_ideograph(char: str) -> bool:
    return unicodedata.name(char, "").startswith("CJK UNIFIED")


def _holds(name: str, word: str) -> EsQuery:
    """Return a wildcard query for the field ``name`` containing ``word``, which has no wildcard characters."""
    return {"wildcard": {name: {"value": f"*{word}*", "case_insensitive": True}}}


def _term(name: str, word: str) -> EsQuery:
    return {"term": {name: {"value": word, "case_insensitive": True}}}


def _one_of(queries: list[EsQuery]) -> EsQuery:
    return {"bool": {"should": queries, "minimum_should_match": 1}}


# How the fields of an index pattern are mapped, as the server tells it: what of a filter can be asked for there.


KEEP_S = 60.0
"""New documents may bring new fields: so old may the answer be."""


class FieldMapping:
    """Queries the mapping on demand. ``plain``: see :class:`IndexMapping`."""

    def __init__(self, server: LogServer, index: str, *, plain: bool) -> None:
        self._server, self._index, self._plain = server, index, plain
        self._known = IndexMapping(plain=plain)
        self._asked_at = float("-inf")

    async def now(self) -> IndexMapping:
        """Return the mapping, at most a minute old. It is empty if this user may not read it."""
        if time.monotonic() - self._asked_at > KEEP_S:
            self._known = await self._ask()
            self._asked_at = time.monotonic()
        return self._known

    async def _ask(self) -> IndexMapping:
        try:
            caps = await self._server.ask("GET", f"/{self._index}/_field_caps", params={"fields": "*"})
            types = _types(caps)
        except (LilFoxError, LookupError, TypeError, AttributeError):
            return IndexMapping(plain=self._plain)
        return IndexMapping(types=types, whole=await self._is_whole(), plain=self._plain)

    async def _is_whole(self) -> bool:
        """Whether every text of a document is indexed, by the standard analyzer."""
        try:
            mappings = await self._server.ask("GET", f"/{self._index}/_mapping")
            settings = await self._server.ask("GET", f"/{self._index}/_settings/index.analysis.*")
            return all(_all_indexed(index["mappings"]) for index in mappings.values()) and not any(
                "default" in str(index.get("settings", {})) for index in settings.values()
            )
        except (LilFoxError, LookupError, TypeError, AttributeError):
            return False


def _types(caps: Any) -> dict[str, str]:
    """Return the type of each field (see :class:`IndexMapping`), without the server's own fields."""
    return {name: _type(list(kinds.values())) for name, kinds in caps["fields"].items() if not name.startswith("_")}


def _type(kinds: list[Any]) -> str:
    """Return a field's type if all indices have the same and can search it, or if it is an object; otherwise ``""``."""
    one = kinds[0]
    sure = (one.get("searchable") and "non_searchable_indices" not in one) or one["type"] == "object"
    return str(one["type"]) if len(kinds) == 1 and sure else ""


def _all_indexed(part: dict[str, Any]) -> bool:
    """Return whether a mapping, or a field with all its subfields, is indexed entirely (Elasticsearch's "Mapping
    parameters")."""
    if str(part.get("dynamic", "true")).lower() != "true" or str(part.get("enabled", "true")).lower() != "true":
        return False
    if str(part.get("index", "true")).lower() != "true" or {"analyzer", "normalizer", "runtime"} & part.keys():
        return False
    return all(_all_indexed(field) for field in part.get("properties", {}).values())


# An Elasticsearch or OpenSearch: an index pattern by time, with search_after over a point in time.
#
# After the REST documents of both (elastic.co/docs, "Paginate search results"; opensearch.org/docs, "Point in Time
# API"). Elasticsearch puts the tiebreak ``_shard_doc`` behind the sort of a search over a point in time, OpenSearch
# does not before 3.3: there, and where no point in time is given, entries of one timestamp must fit into one answer.


_MOST = 10_000
"""``index.max_result_window`` of an index that is not told another."""
_KEEP_ALIVE = "1m"
_REFUSALS = (400, 403, 404, 405)
"""How a server, or a proxy before it, says that it has no such point in time."""
_MS = 10**6


class Options(HttpSourceOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``index`` is a name or pattern in the server's syntax; an API key goes into the Authorization header."""

    kind: str = "elasticsearch"
    index: str
    time_field: str = "@timestamp"
    every: Seconds = Seconds(1)
    """How often what is new is asked for."""
    late: Seconds = Seconds(10)
    """Documents that become visible so much after newer ones are still noticed while following."""


class _Pit(msgspec.Struct):
    """An open point in time, and the path of the request that closes it."""

    id: str
    path: str


def open_source(name: str, options: Options, setting: SourceSettings) -> PolledSource:
    """Return a source for the index pattern; sends no request yet."""
    server = LogServer(options, setting.host)
    description = f"Elasticsearch {options.index} {server.where}"
    store = _Elasticsearch(name, options, setting, server)
    return PolledSource(name, description, store, server, setting, every_s=options.every, late_s=options.late)


class _Elasticsearch(TimeStore):
    def __init__(self, name: str, options: Options, setting: SourceSettings, server: LogServer) -> None:
        self._name, self._options, self._setting, self._server = name, options, setting, server
        self._index = quote(options.index, safe="*,")
        self._pit_paths: tuple[str, ...] = (f"/{self._index}/_pit", f"/{self._index}/_search/point_in_time")
        self._mapping = FieldMapping(server, self._index, plain=not setting.format)
        self.format_name = setting.format or "json_lines"

    async def stretch(
        self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter
    ) -> StampedRange:
        body = self._search(low, high, older=older)
        if where != EVERYTHING:
            pushed = to_query(where, self._options.time_field, await self._mapping.now())
            body["query"]["bool"]["filter"].append(pushed)
        async with self._point_in_time() as pit:
            found: list[StampedRecord] = []
            ask_for = size = min(size, _MOST)
            while True:
                hits = await self._hits(body | {"size": ask_for}, pit)
                entries = await asyncio.to_thread(self._stamped, hits)
                entries = [e for e in entries if (low is None or e.stamp >= low) and (high is None or e.stamp < high)]
                found = [*reversed(entries), *found] if older else [*found, *entries]
                if len(hits) < ask_for:
                    return StampedRange(_in_order(found), None)
                if len(found) >= size and (whole := whole_stamps(found, older=older)):
                    return StampedRange(_in_order(whole[0]), whole[1])
                if not found or len(hits[-1]["sort"]) > 1:
                    body["search_after"] = hits[-1]["sort"]
                elif ask_for < _MOST:
                    found, ask_for = [], _MOST
                else:
                    raise self._crowded()

    def _search(self, low: int | None, high: int | None, *, older: bool) -> dict[str, Any]:
        """Return the body of a search request. Its range is rounded outwards to whole milliseconds; the exact bounds
        are applied to the response."""
        field = self._options.time_field
        bounds: dict[str, object] = {"format": "epoch_millis"}
        if low is not None:
            bounds["gte"] = low // _MS
        if high is not None:
            bounds["lte"] = -(-high // _MS)
        timed: dict[str, object] = {"exists": {"field": field}} if len(bounds) == 1 else {"range": {field: bounds}}
        order = {"order": "desc" if older else "asc", "numeric_type": "date_nanos", "unmapped_type": "date"}
        return {
            "query": {"bool": {"filter": [timed]}},
            "sort": [{field: order}],
            "track_total_hits": False,
        }

    async def _hits(self, body: dict[str, Any], pit: _Pit | None) -> list[dict[str, Any]]:
        if pit is None:
            path = f"/{self._index}/_search"
        else:
            path, body = "/_search", body | {"pit": {"id": pit.id, "keep_alive": _KEEP_ALIVE}}
        answer = await self._server.ask("POST", path, body=body)
        try:
            if pit is not None and "pit_id" in answer:
                pit.id = answer["pit_id"]
            if answer.get("timed_out"):
                raise ServerError(
                    tr("{where}: the search timed out and returned partial results", where=self._server.where),
                    tr("Check the load of the cluster. Partial results are not shown."), status=200, passing=True,
                )  # fmt: skip
            if failed := answer.get("_shards", {}).get("failed", 0):
                raise ServerError(
                    tr("{where} returned partial results (failed shards: {failed})",
                       where=self._server.where, failed=failed),
                    tr("Check the health of the cluster. Partial results are not shown."), status=200, passing=True,
                )  # fmt: skip
            return list(answer["hits"]["hits"])
        except (LookupError, TypeError, AttributeError):
            raise ServerError(
                tr("{where} does not respond like Elasticsearch", where=self._server.where),
                tr("Check the address."), status=200, passing=False,
            ) from None  # fmt: skip

    @contextlib.asynccontextmanager
    async def _point_in_time(self) -> AsyncIterator[_Pit | None]:
        """Open a point in time for the duration of the context; None if the server does not offer one."""
        pit = await self._opened()
        try:
            yield pit
        finally:
            if pit is not None:
                with contextlib.suppress(LilFoxError):
                    await self._server.ask("DELETE", pit.path, body=_closing(pit))

    async def _opened(self) -> _Pit | None:
        for path in self._pit_paths:
            try:
                answer = await self._server.ask("POST", path, params={"keep_alive": _KEEP_ALIVE})
            except ServerError as error:
                if error.status not in _REFUSALS:
                    raise
                continue
            if isinstance(answer, dict) and isinstance(made := answer.get("id", answer.get("pit_id")), str):
                self._pit_paths = (path,)
                return _Pit(made, "/_pit" if "id" in answer else "/_search/point_in_time")
        self._pit_paths = ()
        return None

    def _stamped(self, hits: list[dict[str, Any]]) -> list[StampedRecord]:
        """Return the hits as records with their timestamps, in the order of the response."""
        try:
            return [StampedRecord(int(hit["sort"][0]), self._record(hit)) for hit in hits]
        except (LookupError, TypeError, ValueError):
            raise ServerError(
                tr("{where} returned a document without a time: {field} may not be a date field",
                   where=self._server.where, field=self._options.time_field),
                tr("Set time_field to the timestamp field of the documents."), status=200, passing=False,
            ) from None  # fmt: skip

    def _record(self, hit: dict[str, Any]) -> LogRecord:
        stamp, source = int(hit["sort"][0]), hit.get("_source") or {}
        raw = msgspec.json.encode(source)
        entry = self._entry(source, raw)
        entry = replace(entry, time_us=stamp // 1000)
        place = place_of(stamp, f"{hit['_index']}/{hit['_id']}")
        return LogRecord(source=self._name, place=place, entry=entry, raw=raw[:RAW_LIMIT], size_bytes=len(raw))

    def _entry(self, source: dict[str, Any], raw: bytes) -> LogEntry:
        """Return the entry of the document; if a format is configured, its ``message`` parsed in that format, with the
        document's fields."""
        zone = self._setting.zone
        entry = load_format("json_lines").parse(raw, zone) or LogEntry(message=raw.decode("utf-8", "replace"))
        if not self._setting.format or not isinstance(line := source.get("message"), str):
            return entry
        told = load_format(self._setting.format).parse(line.encode("utf-8", "surrogatepass"), zone)
        return entry if told is None else replace(told, fields={**entry.fields, **told.fields})

    def _crowded(self) -> LilFoxError:
        return LilFoxError(
            tr("{where} has {limit} or more documents with the same time, and no tiebreaker to page through them",
               where=self._server.where, limit=_MOST),
            tr("Narrow the filter, or allow this user to open a point in time."),
        )  # fmt: skip


def _closing(pit: _Pit) -> dict[str, object]:
    return {"id": pit.id} if pit.path == "/_pit" else {"pit_id": [pit.id]}


def _in_order(entries: list[StampedRecord]) -> list[StampedRecord]:
    """Sort by time, and entries of one time by place, because the server's own order changes with its merges."""
    return sorted(entries, key=lambda entry: (entry.stamp, entry.record.place))
