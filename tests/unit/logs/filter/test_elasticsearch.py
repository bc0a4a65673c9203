from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lilfox_tui.logs import named_fields
from lilfox_tui.logs.filter import elasticsearch
from lilfox_tui.logs.filter.elasticsearch import LEVEL_NAMES, Query, to_query
from lilfox_tui.logs.filter.model import And, AtLeast, Field, Filter, Not, Or, Regex, Text, Within
from lilfox_tui.logs.formats import json_lines
from lilfox_tui.logs.record import Record, Severity
from tests.unit.logs.filter.records import FILTERS, TEXTS, thorough

TYPES = {
    "@timestamp": "date", "message": "text", "level": "keyword", "user.name": "keyword", "status": "long",
    "took": "double", "note": "text", "code": "keyword", "client": "ip", "cached": "boolean",
}  # fmt: skip
MAPPED = elasticsearch.Mapping(TYPES, whole=True)
EVERYTHING: Query = {"match_all": {}}
IGNORE_ABOVE = 20
IGNORED = {"exists": {"field": "_ignored"}}


def one_of(*queries: Query) -> Query:
    return {"bool": {"should": [*queries, IGNORED], "minimum_should_match": 1}}


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (And(()), EVERYTHING),
        (Within(1_500, 2_500), {"range": {"@timestamp": {"format": "epoch_millis", "gte": 1, "lte": 3}}}),
        (Within(None, None), {"exists": {"field": "@timestamp"}}),
        (Field("user.name", "=", 'a"*\\'), one_of({"term": {"user.name": {"value": 'a"*\\'}}})),
        (Field("note", "=", "a b"), one_of({"match_phrase": {"note": {"query": "a b", "zero_terms_query": "all"}}})),
        (Field("status", ">=", "500"), one_of({"range": {"status": {"gte": 500}}})),
        (Field("took", "<", "1.5"), one_of({"range": {"took": {"lte": 2}}})),
        (Field("status", "=", "404"), one_of({"range": {"status": {"gte": 404, "lte": 404}}})),
        (Field("status", "!=", "404"), EVERYTHING),
        (Field("user.name", "~", "a"), EVERYTHING),
        (Field("unmapped", "=", "a"), EVERYTHING),
        (Field("module", "=", "a"), EVERYTHING),
        (Field("code", "=", "99999999"), EVERYTHING),
        (Field("cached", "=", "true"), EVERYTHING),
        (Not(Field("status", "=", "404")), EVERYTHING),
        (Not(Text("abc")), EVERYTHING),
        (Regex("abc"), EVERYTHING),
        (Or((Field("status", "=", "404"), Regex("a"))), EVERYTHING),
        (Or(()), EVERYTHING),
        (AtLeast(Severity.UNKNOWN), EVERYTHING),
        (Not(AtLeast(Severity.ERROR)), EVERYTHING),
        (Text("stamp"), EVERYTHING),
        (Text("2026-11-25T03:00Z"), EVERYTHING),
        (Text("fe80::1"), EVERYTHING),
        (Text("* ? \\ "), EVERYTHING),
    ],
)
def test_what_elasticsearch_is_asked(where: Filter, query: Query) -> None:
    assert to_query(where, "@timestamp", MAPPED) == query


def test_words_of_a_text_are_looked_for_in_every_field_of_texts() -> None:
    query = to_query(
        Text("连 refused*"), "@timestamp", elasticsearch.Mapping({"message": "text", "at": "date"}, whole=True)
    )
    assert query == {
        "bool": {
            "filter": [
                one_of({"wildcard": {"message": {"value": f"*{word}*", "case_insensitive": True}}})
                for word in ("refused", "连")
            ]
        }
    }


@pytest.mark.parametrize(
    "mapping",
    [
        elasticsearch.Mapping(),
        elasticsearch.Mapping(TYPES),
        elasticsearch.Mapping({**TYPES, "more": "flattened"}, whole=True),
        elasticsearch.Mapping({**TYPES, "more": ""}, whole=True),
        elasticsearch.Mapping({f"f{number}": "keyword" for number in range(100)}, whole=True),
    ],
)
def test_texts_are_not_pushed_where_not_everything_is_known(mapping: elasticsearch.Mapping) -> None:
    assert to_query(Text("refused"), "@timestamp", mapping) == EVERYTHING


def test_lines_of_another_format_have_levels_and_fields_of_their_own() -> None:
    mapping = elasticsearch.Mapping(TYPES, whole=True, plain=False)
    for where in (AtLeast(Severity.ERROR), Field("user.name", "=", "a"), Text("连接")):
        assert to_query(where, "@timestamp", mapping) == EVERYTHING
    assert to_query(Text("refused"), "@timestamp", mapping) != EVERYTHING


def test_a_field_that_is_not_surely_searched_is_not_asked_for() -> None:
    mapping = elasticsearch.Mapping({**TYPES, "severity": "", "status_code": "", "user.name": ""})
    for where in (AtLeast(Severity.ERROR), Field("status", "=", "500"), Field("user.name", "=", "a")):
        assert to_query(where, "@timestamp", mapping) == EVERYTHING


def test_levels_are_looked_for_where_they_are_read() -> None:
    assert set(LEVEL_NAMES) == set(named_fields._LEVEL)
    query = to_query(
        AtLeast(Severity.CRITICAL), "@timestamp", elasticsearch.Mapping({"Level": "long", "log.level": "keyword"})
    )
    shoulds = query["bool"]["should"]
    assert {"terms": {"Level": [0, 1, 2, 21, 22, 23, 24, 50, 60]}} in shoulds
    assert {"term": {"log.level": {"value": "fatal", "case_insensitive": True}}} in shoulds


class Index:
    """One document as Elasticsearch has indexed it under TYPES: standard analyzer, ``ignore_above``."""

    def __init__(self, source: Mapping[str, object]) -> None:
        self.ignored = False
        self.terms: dict[str, list[Any]] = {}
        for name, value in _leaves(source, ""):
            for one in value if isinstance(value, list) else [value]:
                self._index(name, one)

    def _index(self, name: str, value: object) -> None:
        kind = TYPES.get(name)
        if value is None or kind is None:
            return
        terms = self.terms.setdefault(name, [])
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if kind == "keyword":
            self.ignored = self.ignored or len(text) > IGNORE_ABOVE
            terms += [text] if len(text) <= IGNORE_ABOVE else []
        elif kind == "text":
            terms += _tokens(text)
        elif kind in ("long", "double"):
            terms.append(int(float(text)) if kind == "long" else float(text))

    def finds(self, query: Query) -> bool:
        ((kind, body),) = query.items()
        match kind:
            case "match_all":
                return True
            case "bool" if "filter" in body:
                return all(map(self.finds, body["filter"]))
            case "bool":
                return any(map(self.finds, body["should"]))
            case "exists":
                return self.ignored if body["field"] == "_ignored" else True
        ((name, asked),) = body.items()
        return any(_fits(kind, asked, term) for term in self.terms.get(name, ())) or (
            kind == "match_phrase" and self._phrase(name, _tokens(asked["query"]))
        )

    def _phrase(self, name: str, wanted: list[str]) -> bool:
        held = self.terms.get(name, [])
        return any(held[at : at + len(wanted)] == wanted for at in range(len(held) + 1))


def _fits(kind: str, asked: Any, term: Any) -> bool:
    if kind == "range":
        return bool(asked.get("gte", term) <= term <= asked.get("lte", term))
    if kind == "terms":
        return term in asked
    if kind == "match_phrase":
        return False
    wanted = asked["value"]
    if asked.get("case_insensitive"):
        wanted, term = wanted.lower(), term.lower()
    return bool(
        {"term": term == wanted, "prefix": term.startswith(wanted), "wildcard": wanted.strip("*") in term}[kind]
    )


def _tokens(text: str) -> list[str]:
    return [token.lower() for token in re.findall(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+", text)]


def _leaves(source: Mapping[str, object], above: str) -> Iterator[tuple[str, object]]:
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


SAID = TEXTS | st.lists(
    st.sampled_from(["timeout", "nabc", "超时", "K8s", "u001b", "\x1b", "\n", " ", "_", "502"])
).map("".join)
SOURCES = st.fixed_dictionaries(
    {"@timestamp": st.just("2026-11-25T03:00:00.000Z"), "message": SAID},
    optional={
        "level": st.sampled_from(["ERROR", "info", "Fatal", 50, "odd"]),
        "user": st.fixed_dictionaries({"name": SAID | st.lists(SAID, max_size=2) | st.integers(0, 600)}),
        "status": st.sampled_from([200, 404, 500, "500", 502.5]),
        "took": st.floats(0, 3) | st.sampled_from([1, 1.5]),
        "note": SAID | st.none(),
        "code": st.sampled_from(["500", 500, 500.0, "x"]),
        "client": st.sampled_from(["10.0.0.1", "fe80::abcd"]),
        "cached": st.booleans(),
    },
)
STAMP = 1_764_039_600_000_000
AMOUNTS = st.sampled_from(["500", "1.5", "404", "502", "502.5", "-1"])
PARTS: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Text, SAID),
    st.builds(Field, st.sampled_from(sorted(TYPES)), st.just("="), SAID | AMOUNTS),
    st.builds(Field, st.sampled_from(["status", "took", "code"]), st.sampled_from([">", "<", ">=", "<="]), AMOUNTS),
    st.builds(AtLeast, st.sampled_from(Severity)),
    st.builds(Within, st.integers(STAMP - 5, STAMP), st.integers(STAMP + 1, STAMP + 5)),
    FILTERS,
)  # fmt: skip
ASKED = st.recursive(
    PARTS,
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)), st.sampled_from([And, Or]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=3,
)  # fmt: skip


LONG = "timeout of user " * 2


@thorough
@given(ASKED, SOURCES)
@example(Field("user.name", "=", LONG), {"@timestamp": "2026-11-25T03:00:00.000Z", "user": {"name": LONG}})
@example(Text("timeout"), {"@timestamp": "2026-11-25T03:00:00.000Z", "user": {"name": LONG}})
@example(Text("timestamp"), {"@timestamp": "2026-11-25T03:00:00.000Z"})
@example(Field("code", "=", "500"), {"@timestamp": "2026-11-25T03:00:00.000Z", "code": 500.0})
@example(Text("nabc"), {"@timestamp": "2026-11-25T03:00:00.000Z", "message": "x\nabc"})
@example(Text("001babc"), {"@timestamp": "2026-11-25T03:00:00.000Z", "message": "\x1babc"})
def test_no_document_that_matches_is_left_out(where: Filter, source: dict[str, object]) -> None:
    raw = msgspec.json.encode(source)
    entry = json_lines.parse(raw, UTC)
    assert entry is not None
    if where.matches(Record(source="e", place="0", entry=entry, raw=raw, size_bytes=len(raw))):
        index = Index(source)
        at = entry.time_us
        assert at is not None
        index.terms["@timestamp"] = [at // 1000]
        assert index.finds(to_query(where, "@timestamp", MAPPED))
