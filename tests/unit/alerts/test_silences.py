"""Matchers as Alertmanager and amtool have them."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.alerts.model import SilenceMatcher
from lilfox_tui.alerts.silences import (
    check_silence,
    format_matchers,
    matchers_of,
    matches_all,
    parse_matchers,
    would_silence,
)
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.maintenance import MaintenanceWindow, open_window
from tests.unit.alerts.made import alert
from tests.unit.alerts.running import Run

GOOD = [
    ('alertname="A"', [SilenceMatcher("alertname", "A")]),
    ("alertname=A", [SilenceMatcher("alertname", "A")]),
    ('{alertname="A", team=~"web|db"}', [SilenceMatcher("alertname", "A"), SilenceMatcher("team", "web|db", True)]),
    ('a!="x",b!~"y.*"', [SilenceMatcher("a", "x", is_equal=False), SilenceMatcher("b", "y.*", True, False)]),
    ('a = "x, {y}" ,', [SilenceMatcher("a", "x, {y}")]),
    (r'a="\"\\\n"', [SilenceMatcher("a", '"\\\n')]),
    (r'a=~"\\d+\."', [SilenceMatcher("a", r"\d+\.", True)]),
    ('"my.label"=x', [SilenceMatcher("my.label", "x")]),
    ('a=""', [SilenceMatcher("a", "")]),
]


@pytest.mark.parametrize(("text", "matchers"), GOOD)
def test_matchers_are_read(text: str, matchers: list[SilenceMatcher]) -> None:
    assert parse_matchers(text) == tuple(matchers)


@pytest.mark.parametrize("text", ["", "{}", "alertname", '="x"', 'a="x" b="y"', 'a="x', 'a=~"("', "a==b", '{a="x"'])
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_matchers(text)


@pytest.mark.parametrize(("text", "matchers"), [case for case in GOOD if "my.label" not in case[0]])
def test_what_is_written_is_read_back(text: str, matchers: list[SilenceMatcher]) -> None:
    assert parse_matchers(format_matchers(matchers)) == tuple(matchers)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('alertname="Slow"', True),
        ('alertname=~"S.*"', True),
        ('alertname=~"S"', False),
        ('alertname=~"(?i)slow"', True),
        ('nothing=""', True),
        ('nothing!="x"', True),
        ('nothing=~".+"', False),
        ('note=~"a.b"', False),
        ('note=~"(?s)a.b"', True),
        ('alertname="Slow", instance="b:1"', False),
        ('alertname!~"Fast|Slow"', False),
    ],
)
def test_all_matchers_must_take_it(text: str, *, fits: bool) -> None:
    assert matches_all(parse_matchers(text), alert(instance="a:1", note="a\nb").labels) is fits


def test_a_pattern_that_would_hang_elsewhere_does_not() -> None:
    assert not matches_all(parse_matchers('note=~"(a+)+$"'), alert(note="a" * 50_000 + "b").labels)


@pytest.mark.parametrize("text", ['nothing=""', 'a=~".*"', 'a!="x"', 'a=~"x|", b!~"y"'])
def test_a_silence_of_nearly_everything_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="everything"):
        check_silence(parse_matchers(text))
    check_silence(parse_matchers(text + ', alertname="A"'))


def test_the_preview_shows_what_it_would_silence() -> None:
    here, there = alert(instance="a:1"), alert(instance="b:1")
    assert would_silence(parse_matchers('instance=~"a:.*"'), [here, there]) == (here,)
    assert would_silence(matchers_of(there.labels), [here, there]) == (there,)


@pytest.mark.parametrize(
    "text", ['alertname="A"', 'a!="x",b!~"y.*"', 'a=~"("', "alertname", 'a="x" b="y"', "a=b c", "a==b", 'a="x']
)
def test_amtool_takes_and_refuses_the_same(text: str, tmp_path: Path) -> None:
    config = tmp_path / "am.yml"
    config.write_text(f"route: {{receiver: r, routes: [{{matchers: [{_yaml(text)}], receiver: r}}]}}\n"
                      "receivers: [{name: r}]\n")  # fmt: skip
    done = subprocess.run(
        ["amtool", "--enable-feature=utf8-strict-mode", "check-config", str(config)],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        parse_matchers(text)
        taken = True
    except UsageError:
        taken = False
    assert taken is (done.returncode == 0), done.stdout + done.stderr


def _yaml(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# While something is in maintenance nobody is told of its alerts.


@pytest.mark.parametrize("name", ["a", "all"])
async def test_nobody_is_told_of_what_is_in_maintenance(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    run = Run(tmp_path)
    await run.start()
    await run.go(150, {"a": 0.0, "b": 0.0})
    now = run.clock.now()
    open_window(MaintenanceWindow(name=name, since=now, until=now + timedelta(hours=1), by="kim@ops"))
    await run.go(15, {"a": 0.0, "b": 0.0})
    assert [bool(each.silenced_by) for each in run.alerts()] == [True, name == "all"]
    await run.go(3600, {"a": 0.0, "b": 0.0})
    assert [each.silenced_by for each in run.alerts()] == [(), ()]
