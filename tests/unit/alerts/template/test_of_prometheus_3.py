"""Every function that Prometheus 3 documents for templates of alerts is there, and gives what its own tests say."""

from __future__ import annotations

import pytest

from lilfox_tui.alerts.template import Scope, Template, TemplateError
from lilfox_tui.promql.value import Vector

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


def no_answer(_: str) -> Vector:
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
    assert Template(text, "A").expand(Scope({}, 1.0, no_answer, now_s=1353755652.0)) == gives


@pytest.mark.fault("4.65")
@pytest.mark.parametrize(
    "text",
    ["{{ toTime 1e19 }}", "{{ toDuration nil }}", '{{ toTime "soon" }}', "{{ (toTime 9e9).AddDate 9999 0 0 }}",
     '{{ (toTime 0).AddDate -9999 0 0 }}', "{{ toDuration (toTime 0) }}", "{{ toDuration 1e300 }}"],
)  # fmt: skip
def test_what_is_no_time_is_an_error_in_the_text(text: str) -> None:
    assert Template(text, "A").expand(Scope({}, 1.0, no_answer)).startswith("<error expanding template: ")
