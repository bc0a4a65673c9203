"""The tree of who blocks whom, also where it is no tree."""

from __future__ import annotations

import pytest

from lilfox_tui.backends.postgresql.inspect import blocking_tree
from lilfox_tui.backends.postgresql.queries import SessionRow, without_secrets
from lilfox_tui.backends.postgresql.session import Statement, StatementRefused, _answers, _script


def session(pid: int, *blocked_by: int) -> SessionRow:
    return SessionRow(pid, "r", "d", "a", "active", blocked_by, 1.0, 1.0, "SELECT 1")


def tree(*rows: SessionRow) -> list[tuple[int, int]]:
    return [(depth, row.pid) for depth, row in blocking_tree(rows)]


def test_who_waits_stands_below_who_holds() -> None:
    assert tree(session(1), session(2, 1), session(3, 2), session(4, 1)) == [(0, 1), (1, 2), (2, 3), (1, 4)]


def test_who_waits_for_two_stands_once() -> None:
    assert tree(session(1), session(2), session(3, 1, 2)) == [(0, 1), (1, 3), (0, 2)]


def test_a_circle_ends() -> None:
    assert sorted(pid for _depth, pid in tree(session(1, 2), session(2, 1))) == [1, 2]


def test_a_holder_that_is_not_seen_leaves_its_waiters() -> None:
    assert tree(session(2, 99), session(3, 2)) == [(0, 2), (1, 3)]


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("ALTER ROLE a PASSWORD 'x''y' VALID UNTIL '2030'", "ALTER ROLE a PASSWORD '***' VALID UNTIL '2030'"),
        ("CREATE USER a WITH ENCRYPTED PASSWORD\n  'cut of", "CREATE USER a WITH ENCRYPTED PASSWORD\n  '***'"),
        ("SELECT password FROM users WHERE name = 'a'", "SELECT password FROM users WHERE name = 'a'"),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=h password=word' PUBLICATION p",
         "CREATE SUBSCRIPTION s CONNECTION 'host=h password=***' PUBLICATION p"),
    ],
)  # fmt: skip
def test_passwords_in_statements_are_masked(statement: str, shown: str) -> None:
    assert without_secrets(statement) == shown


def test_nobody_waits() -> None:
    assert tree(session(1), session(2)) == []


def test_what_psql_prints_is_read_also_over_several_lines_and_with_errors_between() -> None:
    output = (
        '"[{""a"" : ""x\ny""},\n {""a"" : 2}]"\n@@LILFOX-END@@ 0 00000 \n'
        '@@LILFOX-END@@ 1 42P01 relation "gone" does not exist\n'
        "one\ntwo\n@@LILFOX-END@@ 2 00000 \n"
        "@@LILFOX-END@@ 3 00000 \n"
    )
    assert _answers(output) == [
        ('[{"a" : "x\ny"},\n {"a" : 2}]',),
        StatementRefused("42P01", 'relation "gone" does not exist'),
        ("one", "two"),
        (),
    ]


def test_an_error_with_one_quote_ends_at_its_line() -> None:
    output = '@@LILFOX-END@@ 0 42601 syntax error at or near """\nrow\n@@LILFOX-END@@ 1 00000 \n'
    assert _answers(output) == [StatementRefused("42601", 'syntax error at or near """'), ("row",)]


def test_generated_statements_go_to_the_server_as_they_are() -> None:
    assert _script(Statement("SELECT 'x'", generated=True), 3).splitlines()[1] == "\\gexec"
    assert _script(Statement("SELECT 'x'"), 3).splitlines()[1] == ";"
