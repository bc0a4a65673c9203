"""An Elasticsearch or OpenSearch: an index pattern by time, with search_after over a point in time.

After the REST documents of both (elastic.co/docs, "Paginate search results"; opensearch.org/docs, "Point in Time API").
Elasticsearch puts the tiebreak ``_shard_doc`` behind the sort of a search over a point in time, OpenSearch does not
before 3.3: there, and where no point in time is given, entries of one timestamp must fit into one answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from lilfox_tui.config.types import Seconds
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr
from lilfox_tui.logs.by_time import Stamped, Store, Stretch, place_of, whole_stamps
from lilfox_tui.logs.field_mapping import FieldMapping
from lilfox_tui.logs.filter.elasticsearch import to_query
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.format import load_format
from lilfox_tui.logs.http_source import HttpOptions, Server, ServerError
from lilfox_tui.logs.polled import PolledSource
from lilfox_tui.logs.record import RAW_LIMIT, Entry, Record
from lilfox_tui.logs.source import Setting

_MOST = 10_000
"""``index.max_result_window`` of an index that is not told another."""
_KEEP_ALIVE = "1m"
_REFUSALS = (400, 403, 404, 405)
"""How a server, or a proxy before it, says that it has no such point in time."""
_MS = 10**6


class Options(HttpOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``index`` is a name or pattern as the server takes it; an API key is the header Authorization."""

    kind: str = "elasticsearch"
    index: str
    time_field: str = "@timestamp"
    every: Seconds = Seconds(1)
    """How often what is new is asked for."""
    late: Seconds = Seconds(10)
    """Documents that become visible so much after newer ones are still noticed while following."""


class _Pit(msgspec.Struct):
    """A point in time, and the path by which its kind of server closes it."""

    id: str
    path: str


def open_source(name: str, options: Options, setting: Setting) -> PolledSource:
    """The documents of the pattern; nothing is asked yet."""
    server = Server(options, setting.host)
    description = f"Elasticsearch {options.index} {server.where}"
    store = _Elasticsearch(name, options, setting, server)
    return PolledSource(name, description, store, server, setting, every_s=options.every, late_s=options.late)


class _Elasticsearch(Store):
    def __init__(self, name: str, options: Options, setting: Setting, server: Server) -> None:
        self._name, self._options, self._setting, self._server = name, options, setting, server
        self._index = quote(options.index, safe="*,")
        self._pit_paths: tuple[str, ...] = (f"/{self._index}/_pit", f"/{self._index}/_search/point_in_time")
        self._mapping = FieldMapping(server, self._index, plain=not setting.format)
        self.format_name = setting.format or "json_lines"

    async def stretch(self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter) -> Stretch:
        body = self._search(low, high, older=older)
        if where != EVERYTHING:
            pushed = to_query(where, self._options.time_field, await self._mapping.now())
            body["query"]["bool"]["filter"].append(pushed)
        async with self._point_in_time() as pit:
            found: list[Stamped] = []
            ask_for = min(size, _MOST)
            while True:
                hits = await self._hits(body | {"size": ask_for}, pit)
                entries = await asyncio.to_thread(self._stamped, hits)
                entries = [e for e in entries if (low is None or e.stamp >= low) and (high is None or e.stamp < high)]
                found = [*reversed(entries), *found] if older else [*found, *entries]
                if len(hits) < ask_for:
                    return Stretch(_in_order(found), None)
                if len(found) >= size and (whole := whole_stamps(found, older=older)):
                    return Stretch(_in_order(whole[0]), whole[1])
                if not found or len(hits[-1]["sort"]) > 1:
                    body["search_after"] = hits[-1]["sort"]
                elif ask_for < _MOST:
                    found, ask_for = [], _MOST
                else:
                    raise self._crowded()

    def _search(self, low: int | None, high: int | None, *, older: bool) -> dict[str, Any]:
        """The request. Its range is in whole milliseconds and wide enough; the exact edges are drawn here."""
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
            failed = answer.get("_shards", {}).get("failed", 0)
            if failed or answer.get("timed_out"):
                raise ServerError(
                    tr("{where} answers for a part of its shards only ({failed} failed)",
                       where=self._server.where, failed=failed),
                    tr("See the cluster's health; nothing is shown rather than a part."), status=200, passing=True,
                )  # fmt: skip
            return list(answer["hits"]["hits"])
        except (LookupError, TypeError, AttributeError):
            raise ServerError(
                tr("{where} does not answer as an Elasticsearch does", where=self._server.where),
                tr("Is that the right address?"), status=200, passing=False,
            ) from None  # fmt: skip

    @contextlib.asynccontextmanager
    async def _point_in_time(self) -> AsyncIterator[_Pit | None]:
        """One for a stretch; None where the server gives none."""
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

    def _stamped(self, hits: list[dict[str, Any]]) -> list[Stamped]:
        """The hits in the order in which they came."""
        try:
            return [Stamped(int(hit["sort"][0]), self._record(hit)) for hit in hits]
        except (LookupError, TypeError, ValueError):
            raise ServerError(
                tr("{where} gives no time for a document: is {field} a field of dates there?",
                   where=self._server.where, field=self._options.time_field),
                tr("Set time_field to the field that holds a document's time."), status=200, passing=False,
            ) from None  # fmt: skip

    def _record(self, hit: dict[str, Any]) -> Record:
        stamp, source = int(hit["sort"][0]), hit.get("_source") or {}
        raw = msgspec.json.encode(source)
        entry = self._entry(source, raw)
        entry = replace(entry, time_us=stamp // 1000)
        place = place_of(stamp, f"{hit['_index']}/{hit['_id']}")
        return Record(source=self._name, place=place, entry=entry, raw=raw[:RAW_LIMIT], size_bytes=len(raw))

    def _entry(self, source: dict[str, Any], raw: bytes) -> Entry:
        """What the document says; with a format named, what its ``message`` says in that format, and its fields."""
        zone = self._setting.zone
        entry = load_format("json_lines").parse(raw, zone) or Entry(message=raw.decode("utf-8", "replace"))
        if not self._setting.format or not isinstance(line := source.get("message"), str):
            return entry
        told = load_format(self._setting.format).parse(line.encode("utf-8", "surrogatepass"), zone)
        return entry if told is None else replace(told, fields={**entry.fields, **told.fields})

    def _crowded(self) -> LilFoxError:
        return LilFoxError(
            tr("{where} has {limit} documents or more of one time, and gives no tiebreak to read them in parts",
               where=self._server.where, limit=_MOST),
            tr("Narrow the filter, or allow points in time for this user."),
        )  # fmt: skip


def _closing(pit: _Pit) -> dict[str, object]:
    return {"id": pit.id} if pit.path == "/_pit" else {"pit_id": [pit.id]}


def _in_order(entries: list[Stamped]) -> list[Stamped]:
    """By time, and of one time by place: the server's own order changes with its merges."""
    return sorted(entries, key=lambda entry: (entry.stamp, entry.record.place))
