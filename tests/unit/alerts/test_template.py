"""What Prometheus 2.53 was seen to make of some texts; the others are asked of promtool itself (tests/services)."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lilfox_tui.alerts.template import Scope, Template, TemplateError
from lilfox_tui.alerts.template.functions import NAMES
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet


def no_answer(text: str) -> Vector:
    raise QueryError(f"no answer to {text}")


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("humanize 1234567.0", "1.235M"),
        ("humanize 0.00012", "120u"),
        ("humanize1024 1048576.0", "1Mi"),
        ("humanizeDuration 135.3563", "2m 15s"),
        ("humanizeDuration 0.00123", "1.23ms"),
        ("humanizeDuration 90061", "1d 1h 1m 1s"),
        ("humanizePercentage 0.9591234", "95.91%"),
        ("humanizeTimestamp 1643114203", "2022-01-25 12:36:43 +0000 UTC"),
        ('printf "%.2f" 2.0', "2.00"),
        ('printf "%5.1f%%" 12.34', " 12.3%"),
        ('printf "%d" 2.0', "%!d(float64=2)"),
        ('title "this part"', "This Part"),
        ('stripPort "[::1]:6006"', "::1"),
        ('stripDomain "a.b.c:80"', "a:80"),
        ('reReplaceAll "(a)(?P<x>b)?" "<$1${x}$$$01$9>" "ab a"', "<ab$> <a$>"),
        ('parseDuration "2h10m15s"', "7815"),
        ("$labels.nosuch", ""),
        ("$value", "1.5e+06"),
    ],
)
def test_an_action_gives(action: str, text: str) -> None:
    assert Template("{{ " + action + " }}").expand(Scope({}, 1_500_000.0, no_answer)) == text


def test_where_it_fails_stands_in_the_text() -> None:
    failed = Template("{{ first nil }}", "Down").expand(Scope({}, 1.0, no_answer))
    assert failed == (
        "<error expanding template: error executing template __alert_Down: template: __alert_Down:1:115: "
        'executing "__alert_Down" at <first nil>: error calling first: first() called on vector with no elements>'
    )


def test_a_function_that_is_not_there_is_refused() -> None:
    with pytest.raises(TemplateError, match='function "nosuch" not defined'):
        Template("{{ nosuch }}")


# Whatever text stands in a rule file, it is read and filled, or refused: nothing else comes out.


SIMPLE = """. .Labels .Value $ $value $labels.job "a" `b` 'c' 1 -2.5 1i 0x1p4 nil true "" "%[2]*.[1]*f|%+v|%#v|%q"
"\udce9" "\ud800" "[" "x*" 18446744073709551615 "1h30m" "NaN" 1e300 -1"""
MARKS = """{{ }} {{- -}} if else end range with define template block break continue $x := = , | ( ) /* */ é \x00"""
simple = st.sampled_from(SIMPLE.split())
names = st.sampled_from(sorted(NAMES))
expressions = st.recursive(
    simple,
    lambda inner: st.tuples(names, st.lists(inner, max_size=3)).map(lambda call: f"({call[0]} {' '.join(call[1])})"),
)
blocks = st.sampled_from(
    ["{{ %s }}", "{{ %s | print }}", "{{ range %s }}{{ . }}{{ else }}n{{ end }}", "{{ with %s }}{{ . }}{{ end }}"]
)


def answered(text: str) -> Vector:
    return Vector(LabelList((LabelSet.of({"__name__": text or "up"}),)), np.array((1.0,)))


@given(st.lists(simple | st.sampled_from(MARKS.split()) | names, max_size=24).map(" ".join))
@example('define "x" }}{{ end }}{{ define "x" }}{{ end }}{{ range $a, $b = $labels }}{{ end }}')
def test_a_text_is_read_or_refused(words: str) -> None:
    with suppress(TemplateError):
        Template("{{ " + words, "A")


@given(blocks, expressions)
@example("{{ %s }}", "(printf `%1000000000000d %.99999999999f %*d` 1 1.5 1e9)")
def test_what_is_read_is_filled(block: str, expression: str) -> None:
    filled = Template(block.replace("%s", expression), "A").expand(Scope({"job": "web"}, 2.5, answered))
    assert isinstance(filled, str)


@given(st.text())
def test_a_text_without_actions_stays_as_it_is(text: str) -> None:
    if "{{" not in text:
        assert Template(text).expand(Scope({}, 0.0, answered)) == text


# No text of an alert takes more than a moment or a bounded length, whatever stands in it.


LONG = "x" * 60_000


def asked_nothing(text: str) -> Vector:
    raise QueryError(f"no answer to {text}")


def expanded(text: str) -> str:
    scope = Scope({"job": "web", "long": LONG}, 1.0, asked_nothing)
    begun = time.process_time()
    result = Template(text, "A").expand(scope)
    assert time.process_time() - begun < 3
    return result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ range 1000000000000 }}x{{ end }}", "stopped after 50000 steps"),
        ('{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}', "exceeded maximum template depth"),
        (
            '{{ define "x" }}{{ range 9 }}{{ template "x" . }}{{ end }}{{ end }}{{ template "x" . }}',
            "exceeded maximum template depth",
        ),
        ('{{ $x := "ab" }}{{ range 64 }}{{ $x = printf "%s%s" $x $x }}{{ end }}', "the text grew over"),
        ('{{ range 9999 }}{{ printf "%1000000d" 1 }}{{ end }}', "the text grew over"),
        ('{{ printf "%[1]s%[1]s%[1]s" $labels.long }}', "the text grew over"),
        ('{{ reReplaceAll "" $labels.long $labels.long }}', "the text grew over"),
        ('{{ reReplaceAll "(.*)" "$1$1$1" $labels.long }}', "the text grew over"),
        ("{{ print $labels.long $labels.long }}", "the text grew over"),
        ('{{ html (reReplaceAll "x" "&" $labels.long) }}', "the text grew over"),
        ("{{ range 3 }}{{ $labels.long }}{{ end }}", "the text grew over"),
        ("{{ printf `%v` (args $labels.long $labels.long) }}", "the text grew over"),
        ("{{ range 99999 }}{{ toUpper $labels.long | len }}{{ end }}", "stopped after 50000 steps"),
    ],
)
def test_it_is_stopped(text: str, reason: str) -> None:
    assert reason in expanded(text)
    assert expanded(text).startswith("<error expanding template: ")


def test_a_pattern_that_makes_others_hang_does_not() -> None:
    assert expanded('{{ match "(x+x+)+y" $labels.long }}') == "false"


@pytest.mark.parametrize("text", ["{{ " + "(" * 5000, "{{ if 1 }}" * 5000, "{{ if 1 }}{{ else if 1 }}" * 500])
def test_what_is_nested_too_deep_is_refused(text: str) -> None:
    with pytest.raises(TemplateError, match="more than 60 deep"):
        Template(text)


def test_a_query_without_an_answer_is_told_in_the_text() -> None:
    assert expanded('{{ query "up" }}').endswith("error calling query: no answer to up>")


def test_the_own_address_is_known() -> None:
    scope = Scope({}, 1.0, asked_nothing, external_url="https://lilfox.example/tui")
    text = "{{ externalURL }}|{{ pathPrefix }}|{{ $externalURL }}"
    assert Template(text).expand(scope) == "https://lilfox.example/tui|/tui|https://lilfox.example/tui"


# Every function that Prometheus 3 documents for templates of alerts is there, and gives what its own tests say.


DOCUMENTED = [
    "query", "first", "label", "value", "strvalue", "sortByLabel", "humanize", "humanize1024",
    "humanizeDuration", "humanizePercentage", "humanizeTimestamp", "toTime", "toDuration", "now", "title",
    "toUpper", "toLower", "stripPort", "match", "reReplaceAll", "graphLink", "tableLink", "parseDuration",
    "stripDomain", "urlQueryEscape", "args", "safeHtml", "externalURL", "pathPrefix", "and", "or", "not",
    "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "eq", "ne", "lt", "le",
    "gt", "ge", "call",
]  # fmt: skip
"""docs/configuration/template_reference.md of 3.14, and the functions of Go's templates that it refers to."""
IN_CONSOLES_ONLY = ["tmpl"]


def no_series(_: str) -> Vector:
    raise AssertionError


@pytest.mark.fault("4.65")
@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_documented_function_is_known(name: str) -> None:
    Template("{{ " + name + " }}", "A")


@pytest.mark.fault("4.65")
@pytest.mark.parametrize("name", IN_CONSOLES_ONLY)
def test_what_prometheus_has_in_consoles_alone_is_refused_by_name(name: str) -> None:
    with pytest.raises(TemplateError, match=f'function "{name}" not defined'):
        Template("{{ " + name + ' "x" }}', "A")


@pytest.mark.fault("4.65")
@pytest.mark.parametrize(
    ("text", "gives"),
    [  # of Prometheus' template_test.go, at its timestamp
        ('{{ (1435065584.128 | toTime).Format "2006" }}', "2015"),
        ('{{ ("1435065584.128" | toTime).Format "2006" }}', "2015"),
        ("{{ (1800 | toDuration).String }}", "30m0s"),
        ('{{ ("1800" | toDuration).String }}', "30m0s"),
        ("{{ now }}", "1.353755652e+09"),
        ('{{ (now | toTime).Format "Mon Jan 2 15:04:05 2006" }}', "Sat Nov 24 11:14:12 2012"),
        ('{{ ("-30m" | parseDuration | toDuration | (now | toTime).Add).UnixMilli }}', "1353753852000"),
        ('{{ urlQueryEscape "a b&c/é" }}', "a+b%26c%2F%C3%A9"),
        ("{{ toDuration 0.0000015 }}|{{ toDuration 90061.5 }}|{{ toDuration -0.25 }}", "1.5µs|25h1m1.5s|-250ms"),
        ("{{ now | humanizeTimestamp }}", "2012-11-24 11:14:12 +0000 UTC"),
        ("{{ (toDuration 3661).Minutes | humanize }}", "61.02"),
    ],
)
def test_times_are_those_of_prometheus(text: str, gives: str) -> None:
    assert Template(text, "A").expand(Scope({}, 1.0, no_series, now_s=1353755652.0)) == gives


@pytest.mark.fault("4.65")
@pytest.mark.parametrize(
    "text",
    ["{{ toTime 1e19 }}", "{{ toDuration nil }}", '{{ toTime "soon" }}', "{{ (toTime 9e9).AddDate 9999 0 0 }}",
     '{{ (toTime 0).AddDate -9999 0 0 }}', "{{ toDuration (toTime 0) }}", "{{ toDuration 1e300 }}"],
)  # fmt: skip
def test_what_is_no_time_is_an_error_in_the_text(text: str) -> None:
    assert Template(text, "A").expand(Scope({}, 1.0, no_series)).startswith("<error expanding template: ")
