"""What Prometheus 2.53 was seen to make of some texts; the others are asked of promtool itself (tests/services)."""

from __future__ import annotations

import pytest

from lilfox_tui.alerts.template import Scope, Template, TemplateError
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.value import Vector


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
