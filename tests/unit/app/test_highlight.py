"""What a line of a log holds is coloured, whatever it is, and nothing of it is lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.app.rendering.highlight import coloured, config_pieces, shell_pieces, traceback_line
from lilfox_tui.logs.filter.model import literal_texts
from lilfox_tui.logs.filter.syntax import parse_filter


def roles(text: str) -> dict[str, str]:
    return {piece.text: piece.role for piece in coloured(text) if piece.role != "text"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ERROR no route to host", {"ERROR": "failing"}),
        ("WARN slow", {"WARN": "degraded"}),
        ("SELECT a FROM b WHERE c = 1", {"SELECT": "keyword", "FROM": "keyword", "WHERE": "keyword"}),
        ("statement: UPDATE b SET a = 'x'", {"UPDATE": "keyword", "SET": "keyword", "'x'": "string"}),
        ("NOT NULL IS not SQL, AND so ON", {}),
        ("no error here", {}),
        ("GET /api/x 200", {"GET": "keyword", "/api/x": "link", "200": "good"}),
        ("GET /api/x 404", {"GET": "keyword", "/api/x": "link", "404": "degraded"}),
        ("POST /api/x 503 in 1.5s", {"POST": "keyword", "/api/x": "link", "503": "failing", "1.5s": "number"}),
        ("waited 503 times", {}),
        ("status=504 ms=30000", {"status": "name", "504": "failing", "ms": "name"}),
        ("12.5ms 3% 10 GB 4KiB", {"12.5ms": "number", "3%": "number", "10 GB": "number", "4KiB": "number"}),
        ("GET /a 502 after 500 ms", {"GET": "keyword", "/a": "link", "502": "failing", "500 ms": "number"}),
        ("in 0.075 s, 12 sessions", {"0.075 s": "number"}),
        ("from 10.0.0.7:5432", {"10.0.0.7:5432": "link"}),
        ("see https://example.org/a?b=c now", {"https://example.org/a?b=c": "link"}),
        ('relation "users" is missing', {'"users"': "string"}),
        ('{"level": "info", "n": 1}', {'"level"': "name", '"info"': "string", '"n"': "name"}),
        ("don't and won't", {}),
        ("id 419fa0d2-1111-2222-3333-444455556666", {"419fa0d2-1111-2222-3333-444455556666": "name"}),
        ("/var/log/app.log: full", {"/var/log/app.log:": "link"}),
        ("and/or 2026-11-29 12:00:01", {}),
    ],
)
def test_what_it_holds_has_a_colour(text: str, found: dict[str, str]) -> None:
    assert roles(text) == found


TEXTS = st.text(st.sampled_from("aE R/\"'=:.-5 0%{}[]\\中é\x1b"), max_size=80)


@given(TEXTS, st.lists(st.text("aE/5 中", min_size=1, max_size=4), max_size=3), st.sampled_from(("text", "failing")))
def test_no_character_is_lost_or_added(text: str, hits: list[str], role: str) -> None:
    assert "".join(piece.text for piece in coloured(text, hits, role=role)) == text


@given(TEXTS, st.text("aE/5", min_size=1, max_size=3))
def test_every_hit_stands_out_and_nothing_else(text: str, hit: str) -> None:
    pieces = coloured(text, [hit])
    marked = [bool(piece.ground) for piece in pieces for _char in piece.text]
    wanted = [False] * len(text)
    at = text.lower().find(hit.lower())
    while at >= 0:
        wanted[at : at + len(hit)] = [True] * len(hit)
        at = text.lower().find(hit.lower(), at + len(hit))
    assert marked == wanted


def test_a_line_that_is_critical_keeps_its_own_colour() -> None:
    assert coloured("GET /x 500", ["/x"], role="failing") == [
        Piece("GET ", "failing"), Piece("/x", "failing", "match"), Piece(" 500", "failing"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("timeout", ("timeout",)),
        ("timeout level>=warn", ("timeout",)),
        ("timeout or refused", ("timeout", "refused")),
        ("not timeout", ()),
        ("status=500", ()),
        ("", ()),
    ],
)
def test_the_texts_of_a_filter_are_its_hits(text: str, found: tuple[str, ...]) -> None:
    assert literal_texts(parse_filter(text, now=datetime.now(UTC), zone=UTC)) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            '  File "/srv/app.py", line 12, in answer',
            {"  File ": "muted", '"/srv/app.py"': "link", ", line ": "muted", "12": "number", ", in ": "muted",
             "answer": "name"},
        ),
        ("\tat org.Shop.buy(Shop.java:7)", {"\tat ": "muted", "org.Shop.buy": "name", "(Shop.java:7)": "link"}),
        ("ConnectionError: refused", {"ConnectionError": "failing"}),
        ("redis.exceptions.TimeoutError", {"redis.exceptions.TimeoutError": "failing"}),
        ("hint: try again", {}),
        ("    raise ValueError(x)", {}),
    ],
)  # fmt: skip
def test_a_traceback_shows_its_frames_and_its_exception(line: str, found: dict[str, str]) -> None:
    assert {piece.text: piece.role for piece in traceback_line(line) if piece.role != "text"} == found


@given(st.text(max_size=120), st.lists(st.text(min_size=1, max_size=3), max_size=2))
def test_nothing_of_a_traceback_is_lost(line: str, hits: list[str]) -> None:
    assert "".join(piece.text for piece in traceback_line(line, hits)) == line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("systemctl restart nginx", [("systemctl", "keyword")]),
        ("ls -l /srv | wc --lines", [("ls", "keyword"), ("-l", "number"), ("wc", "keyword"), ("--lines", "number")]),
        ("A=1 sudo rm \"$dir\"", [("sudo", "keyword"), ("rm", "keyword"), ('"', "string"), ("$dir", "name"),
                                 ('"', "string")]),
        ("echo 'a | b' # why | not", [("echo", "keyword"), ("'a | b'", "string"), ("# why | not", "comment")]),
        ("df\nfree", [("df", "keyword"), ("free", "keyword")]),
        ("a#b $# ${x:-y}", [("a#b", "keyword"), ("$#", "name"), ("${x:-y}", "name")]),
        ("if true; then date; fi", [("if", "keyword"), ("true", "keyword"), ("then", "keyword"), ("date", "keyword"),
                                    ("fi", "keyword")]),
    ],
)  # fmt: skip
def test_a_command_shows_its_programs_options_and_strings(text: str, found: list[tuple[str, str]]) -> None:
    pieces, _begins = shell_pieces(text)
    assert [(piece.text, piece.role) for piece in pieces if piece.role not in ("text", "blank")] == found


@given(st.text(max_size=200), st.booleans())
def test_nothing_of_a_command_is_lost(text: str, begins: bool) -> None:
    assert "".join(piece.text for piece in shell_pieces(text, begins=begins)[0]) == text


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("PasswordAuthentication no", [("PasswordAuthentication", "name"), ("no", "number")]),
        ("shared_buffers = 4GB  # of 16", [("shared_buffers", "name"), (" = ", "muted"), ("4GB", "number"),
                                           ("# of 16", "comment")]),
        ("    server_tokens off;", [("server_tokens", "name"), ("off", "number"), (";", "muted")]),
        ("return 301 https://$host$request_uri;", [("return", "name"), ("301", "number"), ("$host", "name"),
                                                    ("$request_uri", "name"), (";", "muted")]),
        ("  - alert: ServiceDown", [("alert", "name"), (": ", "muted")]),
        ("Environment=PATH=/bin", [("Environment", "name"), ("=", "muted")]),
        ("[Service]", [("[Service]", "keyword")]),
        ("# by hand", [("# by hand", "comment")]),
        ('log_format x "$status";', [("log_format", "name"), ('"$status"', "string"), (";", "muted")]),
        ("host all 10.0.0.0/8 scram-sha-256", [("host", "name")]),
    ],
)  # fmt: skip
def test_a_setting_and_its_values_have_colours(line: str, found: list[tuple[str, str]]) -> None:
    pieces = config_pieces(line)
    assert [(each.text, each.role) for each in pieces if each.role != "text" and each.text.strip()] == found


@given(st.text(max_size=200))
def test_nothing_of_a_setting_is_lost_and_each_colour_is_one(line: str) -> None:
    pieces = config_pieces(line)
    assert "".join(piece.text for piece in pieces) == line
    assert {piece.role for piece in pieces} <= {"text", "name", "muted", "number", "string", "comment", "keyword"}
