"""No text of an alert takes more than a moment or a bounded length, whatever stands in it."""

from __future__ import annotations

import time

import pytest

from lilfox_tui.alerts.template import Scope, Template, TemplateError
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.value import Vector

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
