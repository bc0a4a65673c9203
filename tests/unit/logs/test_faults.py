from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs import structured
from lilfox_tui.logs.record import LoggedException


class Refused(Exception):
    """An exception whose name does not end as they usually do."""


def chained() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        raise Refused("in\nthe end: so it is") from error


def grouped() -> None:
    raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])


def syntax() -> None:
    compile("a b", "x.py", "exec")


def formatted(run: Callable[[], None]) -> str:
    try:
        run()
    except Exception:  # its text is what is wanted
        return traceback.format_exc().rstrip("\n")
    raise AssertionError("it raises")


@pytest.mark.parametrize(("run", "name"), [(chained, "Refused"), (grouped, "ExceptionGroup"), (syntax, "SyntaxError")])
def test_the_class_of_a_real_traceback(run: Callable[[], None], name: str) -> None:
    text = formatted(run)
    assert structured.type_of(text) == name
    assert structured.in_text(f"2026-01-01 12:00:00 ERROR failed\n{text}") == LoggedException(name, text.lstrip(" +"))


JAVA = """java.lang.IllegalStateException: no: way
\tat c.e.App.run(App.java:1)
Caused by: java.io.IOException: full
\tat c.e.Disk.write(Disk.java:7)
\t... 3 more"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (JAVA, "IllegalStateException"),
        ('Exception in thread "main one" ' + JAVA, "IllegalStateException"),
        ("TypeError: x is not a function\n    at f (a.js:1:2)\n    at g (a.js:3:4)", "TypeError"),
        ("psycopg.OperationalError: refused", "OperationalError"),
        ("Traceback (most recent call last):\npsycopg.OperationalError: refused\n\n", "OperationalError"),
        ("KeyboardInterrupt", "KeyboardInterrupt"),
        ("socket.timeout: timed out", "timeout"),
        ("ActiveRecord::RecordNotFound: none", "RecordNotFound"),
        ("it just failed", "Unknown"),
        ("", "Unknown"),
        ("Traceback (most recent call last):", "Unknown"),
        ("x" * 100_000, "Unknown"),
        ("a." * 100_000 + "Error: x", "Unknown"),
    ],
)
def test_the_class_in_a_text(text: str, name: str) -> None:
    assert structured.type_of(text) == name


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"type": "a.b.ValueError", "message": "x"}, ("ValueError", "x")),
        ({"class": "a.B", "stacktrace": "a.B: x\n\tat c"}, ("B", "a.B: x\n\tat c")),
        ({"exception_class": "a.B", "exception_message": "x", "stacktrace": "s"}, ("B", "x\ns")),
        ([{"exc_type": "ValueError", "exc_value": "x", "frames": []}, {"exc_type": "KeyError"}], ("ValueError", "x")),
        ({"stack": "TypeError: x\n    at f"}, ("TypeError", "TypeError: x\n    at f")),
        ({"type": 7}, ("Unknown", "")),
        ("ValueError: x", ("ValueError", "ValueError: x")),
    ],
)
def test_an_exception_as_a_field(value: object, fault: tuple[str, str]) -> None:
    found = structured.from_value(value)
    assert found is not None
    assert (found.type, found.text) == fault


@pytest.mark.parametrize("value", [None, "", " \n", {}, [], [[]], 7, True, [7]])
def test_a_field_that_holds_no_exception(value: object) -> None:
    assert structured.from_value(value) is None
    assert structured.from_word(value) is None


@pytest.mark.parametrize(
    ("value", "name"),
    [("dial tcp: refused", None), ("refused", None), ("ValueError: x", "ValueError"), ({"type": "A"}, "A")],
)
def test_an_error_field_is_an_exception_only_where_it_names_one(value: object, name: str | None) -> None:
    found = structured.from_word(value)
    assert (found and found.type) == name


@pytest.mark.parametrize(
    "text", ["one line", "first\nsecond", "first\n  second", "note: x\nhttp://a/b: c", "a\nb: c", "ValueError: x"]
)
def test_a_text_without_an_exception(text: str) -> None:
    assert structured.in_text(text) is None


@given(st.text())
def test_any_text(text: str) -> None:
    assert structured.type_of(text)
    structured.in_text(text)
    structured.from_word(text)
    assert structured.names_exception(text) in (True, False)
