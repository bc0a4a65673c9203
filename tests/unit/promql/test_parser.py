"""What a query may be, and what is said of one that may not."""

from __future__ import annotations

import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2
from lilfox_tui.scrape.labels import Matcher


@pytest.mark.parametrize(
    ("text", "kind"),
    [("x", "vector"), ("x[5m]", "matrix"), ("x[5m:1m]", "matrix"), ("1 + 2", "scalar"), ('"a"', "string"),
     ("-x", "vector"), ("time()", "scalar"), ("sum(x)", "vector"), ("1 + x", "vector"), ("(scalar(x))", "scalar")],
)  # fmt: skip
def test_says_what_its_value_is(text: str, kind: str) -> None:
    assert parse(text).kind == kind


def test_tells_its_selectors_in_order() -> None:
    query = parse('rate(a{b=~"c"}[5m]) / on (x) sum(d) + topk(scalar(k), max_over_time(e{f!="g"}[5m:]))')
    assert query.selectors == (
        (Matcher("__name__", "=", "a"), Matcher("b", "=~", "c")),
        (Matcher("__name__", "=", "d"),),
        (Matcher("__name__", "=", "k"),),
        (Matcher("__name__", "=", "e"), Matcher("f", "!=", "g")),
    )


@pytest.mark.parametrize(
    "text",
    ['{"a.b", c="d"}', 'x{"a.b"="c"}', "x[300]", "x offset 60", "x > 5m", "x @ 1m40s", "x + fill(0) y",
     'sum by ("a.b") (x)'],
)  # fmt: skip
def test_takes_what_prometheus_3_has(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("text", ["x[300]", "x offset 60", "x > 5m", 'sum by ("a.b") (x)', "x @ 1m40s"])
def test_prometheus_2_has_not_all_of_it(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text, PROMETHEUS_2)


@pytest.mark.parametrize(
    "text", ["limitk(1, x)", "LIMITK by (a) (1, x)", "limit_ratio(0.5, x)", "x + fill(0) y", "first_over_time(x[5m])"]
)
def test_prometheus_2_has_not_what_came_later(text: str) -> None:
    parse(text)
    with pytest.raises(QueryError, match="Prometheus 2 has no function"):
        parse(text, PROMETHEUS_2)
    parse("fill + limitk", PROMETHEUS_2)


def test_prometheus_2_has_holt_winters_by_its_name() -> None:
    parse("holt_winters(x[5m], 0.1, 0.2)", PROMETHEUS_2)


@pytest.mark.parametrize(
    ("text", "reason", "caret"),
    [
        ("", "the query is empty", None),
        ("x y", "unexpected y", 2),
        ("sum(x", "unclosed left parenthesis", 3),
        ("x)", "unexpected right parenthesis", 1),
        ("1 + nosuch(x)", "unknown function with name 'nosuch'", 4),
        ("rate(x)", "expected type matrix in call to function 'rate', got vector", 0),
        ("x + x[5m] anchored", "anchored", 10),
        ("x offset (5m + 1m)", "arithmetic with durations after offset", 9),
        ("sum(rate(x[5m])) by job", "unexpected job", 20),
        ("x </ 3", "trim operators", 2),
        ('x{a="b" or c="d"}', "VictoriaMetrics", 8),
        ("sum(info(x))", "info is not supported", 4),
        ("x @ -5", "before 1970", 4),
        ("1e400 + x", "out of range", 0),
        ("x /* 3 */", "unexpected *", 3),
        ("x +", "the query is incomplete", 3),
        ('x{a=~"("}', "illegal regex", None),
        ('x{a=~"(?u)1"}', "invalid perl operator", None),  # the parser's own check takes it, RE2 does not
        ('{a=~".*"}', "at least one non-empty matcher", None),
        ("1 and 2", "set operator 'and'", 2),
        ("x[5m] + 1", "only scalar and instant vector", None),
        ("x * on (a) group_left (a) y", "must not occur in ON and GROUP", 8),
        ("1 > 2", "must use BOOL", None),
        ("x[1e300]", "duration is out of range", 2),
        ("x[5m:1e-9]", "duration is out of range", 5),
        ("x offset NaN", "duration is out of range", 9),
        ("x offset -1e300", "duration is out of range", 10),
        ("x[1y99999999999999999999w]", "duration is out of range", 2),
        ("x > 99999999999y", "duration is out of range", 4),
        ("x[0s]", "must be greater than 0", None),
        ("x @ 1e20", "out of range", 2),
        ("x @ 9e12", "out of range", 2),
        ("x and fill(0) y", "not with set operators", 6),
        ("x + fill(0) 1", "only between instant vectors", 4),
        ("rate(+x[5m])", "unary expression only allowed", None),
    ],
)
def test_says_what_is_wrong_and_where(text: str, reason: str, caret: int | None) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert reason in str(caught.value.message)
    assert caught.value.position == caret


@pytest.mark.parametrize(
    ("text", "caret", "hint"),
    [
        ("up{job=}", 7, 'Expected here: a value in quotes, such as "api".'),
        ("up{job}", 6, "Expected here: one of = != =~ !~."),
        ("up{=}", 3, 'Expected here: a label and its value, such as job="api".'),
        ("up{job~'a'}", 6, "Expected here: one of = != =~ !~."),
        ('up{job="a" x="b"}', 11, "Expected here: a comma or a closing }."),
        ("sum(up", 3, "A closing ) is missing."),
        ('up{job="a', 7, 'A closing " is missing.'),
        ("rate(up[5x])", 9, "Expected here: a duration, such as 5m."),
        ("up offset", 9, "Expected here: a duration, such as 5m."),
        ("up @", 4, "Expected here: a Unix time, start() or end()."),
        ("sum by up", 7, "Expected here: label names in brackets, such as (job, instance)."),
        ("1 +* 2", 3, "Expected here: a metric, a function or a number."),
        (")", 0, "Expected here: a metric, a function or a number."),
        ("up up", 3, "Expected here: an operator or the end of the query."),
        ("sum(up up)", 7, "Expected here: an operator, a comma or )."),
        ("rat(up[5m])", 0, "Similar functions: rate, irate, rad."),
        ("rate(up)", 0, "Add a range to the selector, such as [5m]."),
    ],
)
def test_says_what_was_expected_there(text: str, caret: int, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert (caught.value.position, str(caught.value.hint)) == (caret, hint)


def test_draws_a_caret_below_the_line() -> None:
    with pytest.raises(QueryError) as caught:
        parse("sum(\n\trate(x[5m])\n  + y z)")
    assert str(caught.value).splitlines()[1:] == ["    + y z)", "        ^"]


def test_finds_no_place_in_texts_and_comments() -> None:
    with pytest.raises(QueryError) as caught:
        parse('x{a="info("} # info\n + info(x)')
    assert caught.value.position == 23


@pytest.mark.parametrize(
    ("before", "after", "times"),
    [("(", ")", 20_000), ("-", "", 20_000), ("x + ", "", 20_000), ("abs(", ")", 150), ("x or ", "", 20_000)],
)
def test_refuses_what_would_end_the_process(before: str, after: str, times: int) -> None:
    with pytest.raises(QueryError, match="nested too deeply") as caught:
        parse(before * times + "x" + after * times)
    assert len(str(caught.value)) < 300


def test_takes_what_is_long_but_not_deep() -> None:
    many = "|".join(f"value{number}" for number in range(5000))
    parse(f'x{{a=~"{many}"}}' + ' or y{a="b", c!="d", e=~"f"}' * 150)


def test_takes_a_pattern_only_if_re2_does() -> None:
    parse('x{a=~"(?i)b.*"}')
    with pytest.raises(QueryError):
        parse('x{a=~"(?=b)"}')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"x{a=`\d+`}", r"\d+"),
        (r"x{a=`C:\`}", "C:\\"),
        ('x{a=`say "no"`}', 'say "no"'),
        ("x{a=`two\nlines`}", "two\nlines"),
        ("x{a=``,b='1'}", ""),
        ("x{a='`', b='`\\n'}", "`"),
        ("x{a='1'} # a ` in a comment", "1"),
    ],
)
def test_between_backticks_nothing_is_an_escape(text: str, value: str) -> None:
    ((_name, matcher, *_more),) = parse(text).selectors
    assert matcher.value == value


def test_a_backtick_that_nothing_closes_is_refused() -> None:
    with pytest.raises(QueryError):
        parse("x{a=`b}")
