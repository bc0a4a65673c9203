from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lilfox_tui.logs import structured
from lilfox_tui.logs.filter.model import And, AtLeast, FieldMatch, Filter, Not, Or, RegexMatch, TextMatch, Within
from lilfox_tui.logs.formats import json_lines
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.sources import elasticsearch
from lilfox_tui.logs.sources.elasticsearch import LEVEL_NAMES, EsQuery, to_query
from tests.unit.logs.filter.records import FILTERS, TEXTS, thorough

TYPES = {
    "@timestamp": "date", "message": "text", "level": "keyword", "user.name": "keyword", "status": "long",
    "took": "double", "note": "text", "code": "keyword", "client": "ip", "cached": "boolean",
}  # fmt: skip
MAPPED = elasticsearch.IndexMapping(TYPES, whole=True)
EVERYTHING: EsQuery = {"match_all": {}}
IGNORE_ABOVE = 20
IGNORED = {"exists": {"field": "_ignored"}}


def one_of(*queries: EsQuery) -> EsQuery:
    return {"bool": {"should": [*queries, IGNORED], "minimum_should_match": 1}}


@pytest.mark.parametrize(
    ("where", "query"),
    [
        (And(()), EVERYTHING),
        (Within(1_500, 2_500), {"range": {"@timestamp": {"format": "epoch_millis", "gte": 1, "lte": 3}}}),
        (Within(None, None), {"exists": {"field": "@timestamp"}}),
        (FieldMatch("user.name", "=", 'a"*\\'), one_of({"term": {"user.name": {"value": 'a"*\\'}}})),
        (
            FieldMatch("note", "=", "a b"),
            one_of({"match_phrase": {"note": {"query": "a b", "zero_terms_query": "all"}}}),
        ),
        (FieldMatch("status", ">=", "500"), one_of({"range": {"status": {"gte": 500}}})),
        (FieldMatch("took", "<", "1.5"), one_of({"range": {"took": {"lte": 2}}})),
        (FieldMatch("status", "=", "404"), one_of({"range": {"status": {"gte": 404, "lte": 404}}})),
        (FieldMatch("status", "!=", "404"), EVERYTHING),
        (FieldMatch("user.name", "~", "a"), EVERYTHING),
        (FieldMatch("unmapped", "=", "a"), EVERYTHING),
        (FieldMatch("module", "=", "a"), EVERYTHING),
        (FieldMatch("code", "=", "99999999"), EVERYTHING),
        (FieldMatch("cached", "=", "true"), EVERYTHING),
        (Not(FieldMatch("status", "=", "404")), EVERYTHING),
        (Not(TextMatch("abc")), EVERYTHING),
        (RegexMatch("abc"), EVERYTHING),
        (Or((FieldMatch("status", "=", "404"), RegexMatch("a"))), EVERYTHING),
        (Or(()), EVERYTHING),
        (AtLeast(Severity.UNKNOWN), EVERYTHING),
        (Not(AtLeast(Severity.ERROR)), EVERYTHING),
        (TextMatch("stamp"), EVERYTHING),
        (TextMatch("2026-11-25T03:00Z"), EVERYTHING),
        (TextMatch("fe80::1"), EVERYTHING),
        (TextMatch("* ? \\ "), EVERYTHING),
    ],
)
def test_what_elasticsearch_is_asked(where: Filter, query: EsQuery) -> None:
    assert to_query(where, "@timestamp", MAPPED) == query


def test_words_of_a_text_are_looked_for_in_every_field_of_texts() -> None:
    query = to_query(
        TextMatch("连 refused*"),
        "@timestamp",
        elasticsearch.IndexMapping({"message": "text", "at": "date"}, whole=True),
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
        elasticsearch.IndexMapping(),
        elasticsearch.IndexMapping(TYPES),
        elasticsearch.IndexMapping({**TYPES, "more": "flattened"}, whole=True),
        elasticsearch.IndexMapping({**TYPES, "more": ""}, whole=True),
        elasticsearch.IndexMapping({f"f{number}": "keyword" for number in range(100)}, whole=True),
    ],
)
def test_texts_are_not_pushed_where_not_everything_is_known(mapping: elasticsearch.IndexMapping) -> None:
    assert to_query(TextMatch("refused"), "@timestamp", mapping) == EVERYTHING


def test_lines_of_another_format_have_levels_and_fields_of_their_own() -> None:
    mapping = elasticsearch.IndexMapping(TYPES, whole=True, plain=False)
    for where in (AtLeast(Severity.ERROR), FieldMatch("user.name", "=", "a"), TextMatch("连接")):
        assert to_query(where, "@timestamp", mapping) == EVERYTHING
    assert to_query(TextMatch("refused"), "@timestamp", mapping) != EVERYTHING


def test_a_field_that_is_not_surely_searched_is_not_asked_for() -> None:
    mapping = elasticsearch.IndexMapping({**TYPES, "severity": "", "status_code": "", "user.name": ""})
    for where in (AtLeast(Severity.ERROR), FieldMatch("status", "=", "500"), FieldMatch("user.name", "=", "a")):
        assert to_query(where, "@timestamp", mapping) == EVERYTHING


def test_levels_are_looked_for_where_they_are_read() -> None:
    assert set(LEVEL_NAMES) == set(structured._LEVEL)
    query = to_query(
        AtLeast(Severity.CRITICAL), "@timestamp", elasticsearch.IndexMapping({"Level": "long", "log.level": "keyword"})
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

    def finds(self, query: EsQuery) -> bool:
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
    st.builds(TextMatch, SAID),
    st.builds(FieldMatch, st.sampled_from(sorted(TYPES)), st.just("="), SAID | AMOUNTS),
    st.builds(
        FieldMatch, st.sampled_from(["status", "took", "code"]), st.sampled_from([">", "<", ">=", "<="]), AMOUNTS,
    ),
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
@example(FieldMatch("user.name", "=", LONG), {"@timestamp": "2026-11-25T03:00:00.000Z", "user": {"name": LONG}})
@example(TextMatch("timeout"), {"@timestamp": "2026-11-25T03:00:00.000Z", "user": {"name": LONG}})
@example(TextMatch("timestamp"), {"@timestamp": "2026-11-25T03:00:00.000Z"})
@example(FieldMatch("code", "=", "500"), {"@timestamp": "2026-11-25T03:00:00.000Z", "code": 500.0})
@example(TextMatch("nabc"), {"@timestamp": "2026-11-25T03:00:00.000Z", "message": "x\nabc"})
@example(TextMatch("001babc"), {"@timestamp": "2026-11-25T03:00:00.000Z", "message": "\x1babc"})
def test_no_document_that_matches_is_left_out(where: Filter, source: dict[str, object]) -> None:
    raw = msgspec.json.encode(source)
    entry = json_lines.parse(raw, UTC)
    assert entry is not None
    if where.matches(LogRecord(source="e", place="0", entry=entry, raw=raw, size_bytes=len(raw))):
        index = Index(source)
        at = entry.time_us
        assert at is not None
        index.terms["@timestamp"] = [at // 1000]
        assert index.finds(to_query(where, "@timestamp", MAPPED))
