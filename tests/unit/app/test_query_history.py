"""The queries that were run: kept once each, no secrets, for the next run; and walking through them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lilfox_tui.app.panes.metrics.query.history import (
    MOST_QUERIES,
    HistoryWalk,
    QueryHistory,
    history_file,
)


def test_each_query_is_kept_once_the_newest_first_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "queries.json"
    history = QueryHistory(path)
    for text in ("up", "load", " up ", "", "  "):
        if history.add(text):
            history.save()
    assert list(history.queries) == ["up", "load"]
    assert list(QueryHistory(path).queries) == ["up", "load"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_more_than_so_many_are_kept(tmp_path: Path) -> None:
    history = QueryHistory(tmp_path / "queries.json")
    for number in range(MOST_QUERIES + 20):
        history.add(f"up + {number}")
    history.save()
    again = QueryHistory(tmp_path / "queries.json").queries
    assert (len(again), again[0], again[-1]) == (MOST_QUERIES, f"up + {MOST_QUERIES + 19}", "up + 20")


@pytest.mark.parametrize(
    "text",
    [
        'up{password="hunter2-and-more"}',
        'up{url="https://admin:s3cr3t-w0rd@db/x"}',
        'up{authorization="Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk"}',
        "up\nload",
        "\x1b]52;c;x\x07",
        "x" * 3000,
    ],
)
def test_secrets_and_what_nobody_typed_are_not_kept(text: str, tmp_path: Path) -> None:
    history = QueryHistory(tmp_path / "queries.json")
    assert not history.add(text)
    assert list(history.queries) == []


def test_what_another_console_has_kept_meanwhile_stays(tmp_path: Path) -> None:
    one, other = QueryHistory(tmp_path / "queries.json"), QueryHistory(tmp_path / "queries.json")
    one.add("up")
    one.save()
    other.add("load")
    other.save()
    assert list(QueryHistory(tmp_path / "queries.json").queries) == ["load", "up"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'["up\\u001b[2J", "ok"]'])
def test_a_file_that_is_broken_or_odd_is_read_as_far_as_it_is_good(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "queries.json"
    path.write_bytes(content)
    assert list(QueryHistory(path).queries) == (["ok"] if b"ok" in content else [])


def test_without_a_folder_they_are_kept_for_this_run(tmp_path: Path) -> None:
    for path in (None, tmp_path / "none" / "queries.json"):
        history = QueryHistory(path)
        assert history.add("up") == (path is not None)
        history.save()
        assert list(history.queries) == ["up"]
        assert not history.add("load"), "nothing is to be saved any more"
        assert list(history.queries) == ["load", "up"]


def test_the_file_is_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert history_file() == tmp_path / "lilfox" / "queries.json"


def test_walking_skips_what_stands_there_and_ends_at_both_ends() -> None:
    history = QueryHistory(None)
    for text in ("c", "b", "a"):
        history.add(text)
    walk = HistoryWalk(history)
    assert walk.older("a") == "b", "the newest one is in the line already"
    assert walk.older("b") == "c"
    assert walk.older("c") is None
    assert [walk.newer(), walk.newer(), walk.newer()] == ["b", "a", "a"]
    assert walk.is_draft("a")
    assert walk.older("x") == "a"
    assert not walk.is_draft("a")
    assert walk.is_draft("a + 1"), "an edited query is a new one"
    assert walk.older("a + 1") == "a"
    assert walk.newer() == "a + 1"
    walk.older("a + 1")
    walk.restart()
    assert walk.is_draft("a")


def test_words_find_queries_in_any_case_and_order() -> None:
    history = QueryHistory(None)
    for text in ("sum(rate(http_requests_total[5m]))", "up", "HTTP_errors"):
        history.add(text)
    assert history.matching("http") == ["HTTP_errors", "sum(rate(http_requests_total[5m]))"]
    assert history.matching("rate sum") == ["sum(rate(http_requests_total[5m]))"]
    assert history.matching("") == list(history.queries)
