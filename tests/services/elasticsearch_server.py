"""A stand-in for Elasticsearch, or for OpenSearch, as their REST documents describe searches by time.

A point in time freezes what it sees; documents of one time stand in it in an order of its own, which another point in
time does not share (merges and replicas do that). Elasticsearch adds ``_shard_doc`` to its sort, OpenSearch does not.
``search_after`` must have one value for each of the sort; ``size`` is bounded by ``index.max_result_window``.
"""

from __future__ import annotations

import fnmatch
import random
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

from tests.services.http_stand_in import Reply, Request, StandIn

WINDOW = 10_000


class ElasticsearchServer(StandIn):
    """``add`` puts a document in, visible at once. ``pits`` are the points in time that are open."""

    def __init__(
        self, kind: Literal["elasticsearch", "opensearch"] = "elasticsearch", *, gives_pits: bool = True, seed: int = 1
    ) -> None:
        super().__init__(self._route)
        self._kind, self._gives_pits = kind, gives_pits
        self._random = random.Random(seed)
        self._documents: list[dict[str, Any]] = []
        self.pits: dict[str, tuple[str, list[dict[str, Any]]]] = {}
        self.types = {"@timestamp": "date_nanos", "level": "keyword", "message": "text", "status": "long"}
        self.dynamic = "true"
        self.failed_shards = 0
        self.timed_out = False
        self._opened = 0

    def add(self, index: str, source: dict[str, Any]) -> None:
        """One document; its id is its number."""
        self._documents.append({"_index": index, "_id": f"d{len(self._documents)}", "_source": source})

    def _route(self, request: Request) -> Reply:
        opens = "_pit" if self._kind == "elasticsearch" else "_search/point_in_time"
        index, _, rest = request.path.removeprefix("/").partition("/")
        if request.method == "POST" and rest == opens and self._gives_pits:
            return self._open(index)
        if request.method == "DELETE" and request.path == f"/{opens}":
            return self._close(request.json())
        if request.method == "POST" and request.path == "/_search":
            return self._search_pit(request.json())
        if request.method == "POST" and rest == "_search":
            return self._search(request.json(), self._snapshot(index), tiebreak=False)
        if request.method == "GET" and (answer := self._about(index, rest)) is not None:
            return Reply(200, answer)
        return Reply(400, {"error": f"no handler found for uri [{request.path}] and method [{request.method}]"})

    def _about(self, index: str, what: str) -> dict[str, Any] | None:
        """The mapping, as its APIs tell it."""
        names = sorted({d["_index"] for d in self._documents if fnmatch.fnmatch(d["_index"], index)})
        if what == "_field_caps":
            known = {"_id": "_id", **self.types}
            caps = {name: {kind: {"type": kind, "searchable": True}} for name, kind in known.items()}
            return {"indices": names, "fields": caps}
        if what == "_mapping":
            properties = {name: {"type": kind} for name, kind in self.types.items()}
            return {name: {"mappings": {"dynamic": self.dynamic, "properties": properties}} for name in names}
        return {} if what == "_settings/index.analysis.*" else None

    def _snapshot(self, index: str) -> list[dict[str, Any]]:
        found = [d for d in self._documents if any(fnmatch.fnmatch(d["_index"], p) for p in index.split(","))]
        self._random.shuffle(found)
        return found

    def _open(self, index: str) -> Reply:
        self._opened += 1
        name = f"pit{self._opened}=="
        self.pits[name] = (index, self._snapshot(index))
        if self._kind == "opensearch":
            return Reply(200, {"pit_id": name, "_shards": {"total": 1, "failed": 0}, "creation_time": 1658146050064})
        return Reply(200, {"id": name, "_shards": {"total": 1, "failed": 0}})

    def _close(self, body: dict[str, Any]) -> Reply:
        names = [body["id"]] if self._kind == "elasticsearch" else body["pit_id"]
        for name in names:
            if self.pits.pop(name, None) is None:
                return Reply(404, {"succeeded": True, "num_freed": 0})
        return Reply(200, {"succeeded": True, "num_freed": len(names)})

    def _search_pit(self, body: dict[str, Any]) -> Reply:
        pit = body.pop("pit", {})
        if pit.get("id") not in self.pits:
            return _error(404, "search_context_missing_exception", "No search context found for id [1]")
        name = pit["id"]
        _index, snapshot = self.pits[name]
        renamed = name.removesuffix("==") + "+=="
        self.pits[renamed] = self.pits.pop(name)
        return self._search(body, snapshot, tiebreak=self._kind == "elasticsearch", pit=renamed)

    def _search(self, body: dict[str, Any], snapshot: list[dict[str, Any]], *, tiebreak: bool, pit: str = "") -> Reply:
        if body.get("size", 10) > WINDOW:
            return _error(400, "illegal_argument_exception", f"Result window is too large, must be <= [{WINDOW}]")
        ((field, order),) = body["sort"][0].items()
        backward = order["order"] == "desc"
        rows = []
        for at, document in enumerate(snapshot):
            if Matching(self.types).fits(body["query"], document["_source"]):
                stamp = stamp_of(document["_source"][field])
                rows.append((-stamp if backward else stamp, at, stamp, document))
        rows.sort(key=lambda row: row[:2])
        after = body.get("search_after")
        if after is not None:
            if len(after) != 1 + tiebreak:
                reason = f"search_after has {len(after)} value(s) but sort has {1 + tiebreak}."
                return _error(400, "illegal_argument_exception", reason)
            edge = (-after[0] if backward else after[0], after[1] if tiebreak else WINDOW**2)
            rows = [row for row in rows if row[:2] > edge]
        hits = [
            document | {"_score": None, "sort": [stamp, at] if tiebreak else [stamp]}
            for _key, at, stamp, document in rows[: body.get("size", 10)]
        ]
        shards = {"total": 3, "successful": 3 - self.failed_shards, "failed": self.failed_shards}
        answer = {"took": 1, "timed_out": self.timed_out, "_shards": shards, "hits": {"max_score": None, "hits": hits}}
        return Reply(200, answer | ({"pit_id": pit} if pit else {}))


@lru_cache(maxsize=10_000)
def stamp_of(text: str) -> int:
    """Nanoseconds of ``2026-01-02T03:04:05.123456789Z``."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) * 10**9 + int(f"{fraction:0<9}")


class Matching:
    """The part of the query language that is asked here, over fields of these types; what is not known fails the test.

    A field without a type is not indexed: no query finds it."""

    def __init__(self, types: dict[str, str]) -> None:
        self._types = types

    def fits(self, query: dict[str, Any], source: dict[str, Any]) -> bool:
        """Whether a document matches."""
        ((kind, body),) = query.items()
        if kind == "bool":
            assert set(body) <= {"filter", "must_not", "should", "minimum_should_match"}, body
            return (
                all(self.fits(part, source) for part in body.get("filter", ()))
                and not any(self.fits(part, source) for part in body.get("must_not", ()))
                and (not body.get("should") or any(self.fits(part, source) for part in body["should"]))
            )
        if kind == "match_all":
            return True
        ((field, wanted),) = [(body["field"], None)] if kind == "exists" else body.items()
        if field not in self._types:
            return False
        have = _value(source, field)
        return have is not None and (kind == "exists" or self._has(kind, self._types[field], have, wanted))

    def _has(self, kind: str, type_of: str, have: Any, wanted: Any) -> bool:
        if kind == "range":
            return _in_range(have, wanted)
        if kind == "terms":
            return have in wanted
        terms = _terms(str(have)) if type_of == "text" else [str(have)]
        if kind == "match_phrase":
            return f" {' '.join(_terms(wanted['query']))} " in f" {' '.join(terms)} "
        value = str(wanted["value"])
        if wanted.get("case_insensitive"):
            terms, value = [term.lower() for term in terms], value.lower()
        if kind == "term":
            return value in terms
        if kind == "prefix":
            return any(term.startswith(value) for term in terms)
        assert kind == "wildcard", f"the stand-in knows no query {kind}"
        return any(fnmatch.fnmatchcase(term, value) for term in terms)


def _in_range(have: Any, wanted: dict[str, Any]) -> bool:
    wanted = dict(wanted)
    if wanted.pop("format", "") == "epoch_millis":
        have = stamp_of(have) // 10**6
    compare = {"gte": have.__ge__, "gt": have.__gt__, "lte": have.__le__, "lt": have.__lt__}
    return all(bool(compare[op](value)) for op, value in wanted.items())


def _value(source: dict[str, Any], field: str) -> Any:
    found: Any = source
    for name in [field] if field in source else field.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _terms(text: str) -> list[str]:
    """As the standard analyzer cuts a text of Latin letters."""
    return re.findall(r"\w+", text.lower())


def _error(status: int, kind: str, reason: str) -> Reply:
    cause = {"type": kind, "reason": reason}
    return Reply(status, {"error": {"root_cause": [cause], **cause}, "status": status})
