"""Rule files are taken and refused as the real promtool takes and refuses them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lilfox_tui.alerts.lint import lint
from lilfox_tui.alerts.rules import read_rules
from lilfox_tui.core.errors import ConfigError
from tests.services.promtool import check_rules

WHOLE = [
    "", "# nothing\n", "groups:\n", "groups: []\n", "hello\n", "- a\n", "groups: []\nfoo: 1\n",
    "groups: {a: b}\n", "groups: abc\n", "groups:\n- name: g\n", "groups:\n- rules: []\n",
    "groups:\n- name: g\n- name: g\n", "groups:\n-\n", "groups:\n- hello\n", "groups: []\n---\nhello: 1\n",
    "groups: []\n---\n: :\n  - [\n", "groups: []\n...\njunk: [\n", "%YAML 1.1\n---\ngroups: []\n",
    "\ufeffgroups: []\n", "groups: \x01\n", "groups:\n- name: 'g\n",
    "groups:\n- name: g\n  rules:\n\t- alert: a\n", "Groups: []\n", "groups:\n- name: [1]\n",
    "groups:\n- name: 1.5\n- name: '1.5'\n", "groups:\n- name: 2020-01-01\n",
    "groups:\n- name: g\n  rules:\n  -\n", "groups:\n- name: g\n  rules: {a: b}\n",
    "groups:\n- name: g\n  rules: [a]\n",
    "groups:\n- name: g\n  rules:\n  - {alert: a, expr: up}\n  - {alert: a, expr: up}\n",
    "groups:\n- name: g\n  rules:\n  - &r {alert: a, expr: up}\n  - *r\n",
    "x: &r {alert: a, expr: up}\ngroups:\n- name: g\n  rules:\n  - *r\n",
    "groups:\n- name: g\n  rules:\n  - &r {alert: a, expr: up}\n  - {<<: *r, alert: b}\n",
    "groups:\n- name: g\n  rules: [{alert: a, expr: x, labels: &r {a: b}}, {alert: c, expr: x, labels: {<<: *r}}]\n",
    "groups:\n- name: g\n  rules:\n  - &r {alert: a, expr: up}\n  - {<<: 5, alert: b, expr: up}\n",
    "groups:\n- name: g\n  rules:\n  - alert: a\n    expr: |\n      up\n      \tand up\n",
    "groups:\n- {name: g, {a: b}: c}\n", "groups:\n- name: g\n  name: h\n",
]  # fmt: skip
"""Whole files."""

OF_A_GROUP = [
    "foo: 1", "interval: 1h30m", "interval: 1h 30m", "interval: 90", "interval: 0", "interval: '0'",
    "interval: ''", "interval: 1.5h", "interval: -1m", "interval: 30m1h", "interval: 1m1m", "interval: 1y",
    "interval: 1w2d", "interval: 5M", "interval:", "interval: 1ms", "interval: 292y", "interval: 293y",
    "interval: [1]", "interval: true", "interval: ~", "interval: 00s", "query_offset: 1m", "query_offset: 0",
    "query_offset: x", "limit: 5", "limit: -1", "limit: '5'", "limit: 5.5", "limit: abc", "limit: null",
    "limit: 0x10", "limit: 1e3", "limit: 0o17", "limit: 017", "limit: 089", "limit: 1_000",
    "limit: 99999999999999999999", "limit: true", "limit: [1]", "limit: .5", "limit: 1e30",
]  # fmt: skip
"""Fields of a group."""

OF_A_RULE = [
    "alert: A\nrecord: b\nexpr: up", "expr: up", "alert: A", "alert: A\nexpr: ''", "alert: A\nexpr: ' '",
    "alert: A\nexpr:", "alert: A\nexpr: 1", "alert: A\nexpr: [1]", "alert: A\nexpr: {a: 1}",
    "alert: A\nexpr: true", "alert: A\nexpr: null", 'alert: A\nexpr: \'"text"\'', "alert: A\nexpr: 'up[5m]'",
    "record: a\nexpr: '1'", "alert: 1\nexpr: up", "alert: a b\nexpr: up", "alert: null\nexpr: up",
    "alert: ''\nexpr: up", "alert: '{{'\nexpr: up\nlabels: {a: b}", "alert: [a]\nexpr: up",
    "record: 'a:b'\nexpr: up",
    'record: \'a{b="c"}\'\nexpr: up', "record: a\nexpr: up\nfor: 5m", "record: a\nexpr: up\nfor: 0s",
    "record: a\nexpr: up\nkeep_firing_for: 5m", "record: a\nexpr: up\nannotations: {a: b}",
    "record: a\nexpr: up\nannotations: {}", "record: a\nexpr: up\nlabels: {a: '{{ nosuch }}'}",
    "alert: a\nexpr: up\nfoo: 5m", "Alert: a\nexpr: up", "alert: a\nexpr: up\nfor: 5m\nkeep_firing_for: 1h30m",
    "alert: a\nexpr: up\nfor: 5 minutes", "alert: a\nexpr: up\nfor: [1]", "alert: a\nexpr: up\nfor:",
    "alert: a\nexpr: up\nlabels: {__name__: c}",
    "alert: a\nexpr: up\nlabels: {alertname: c}",
    "alert: a\nexpr: up\nlabels: {a: 1, b: true, c: , d: 1.50}", "alert: a\nexpr: up\nlabels: {a: [1]}",
    "alert: a\nexpr: up\nlabels: [1]", "alert: a\nexpr: up\nlabels: x", "alert: a\nexpr: up\nlabels: ''",
    "alert: a\nexpr: up\nlabels:", "alert: a\nexpr: up\nlabels: {'': x}",
    "alert: a\nexpr: up\nlabels: {a: 1, a: 2}",
    "alert: a\nexpr: up\nannotations: {__name__: c}", "alert: a\nexpr: up\nannotations: {a: '{{ nosuch }}'}",
    "alert: a\nexpr: up\nlabels: {a: '{{ nosuch }}'}",
    "alert: a\nexpr: up\nannotations: {a: '{{ $labels.x | humanize }}'}", "alert: a\nexpr: up\nexpr: down",
    "alert: !!str 5\nexpr: up", "alert: !foo 5\nexpr: up", "alert: a\nexpr: 'up # why'",
    'alert: a\nexpr: \'up{a="b" or c="d"}\'', "alert: a\nexpr: '{}'", "alert: a\nexpr: 'nosuch(up)'",
    "alert: a\nexpr: 'up @ 5'", "alert: a\nexpr: 'up offset -5m'", 'alert: a\nexpr: \'{"a.b"}\'',
    'alert: a\nexpr: \'up{a=~"["}\'', "alert: a\nexpr: 'rate(up)'", "alert: a\nexpr: 'up ='",
    "alert: a\nexpr: 'sum(up) by'", "alert: a\nexpr: 'up and 1'", "alert: a\nexpr: 'up[5m] > 1'",
]  # fmt: skip
"""One rule."""


OF_PROMETHEUS_3 = [
    "record: 'a b'\nexpr: up", "record: 'ä'\nexpr: up", "record: a.b\nexpr: up",
    "alert: a\nexpr: up\nlabels: {a-b: c, ä: c, 1: x, 'a\"b': c}", "alert: a\nexpr: up\nannotations: {a-b: c, é: x}",
]  # fmt: skip
"""Names that the promtool here, of 2.53, refuses and Prometheus 3 takes (its model/rulefmt/rulefmt_test.go)."""


def of_group(fields: str) -> str:
    return f"groups:\n- name: g\n  {fields}\n  rules: []\n"


def of_rule(fields: str) -> str:
    return "groups:\n- name: g\n  rules:\n  - " + fields.replace("\n", "\n    ") + "\n"


@pytest.mark.parametrize("text", [*WHOLE, *map(of_group, OF_A_GROUP), *map(of_rule, OF_A_RULE)])
def test_a_file_is_taken_or_refused_as_promtool_does(tmp_path: Path, text: str) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(text)
    done = check_rules(rules, "--lint=none")
    if done.returncode == 0:
        count = sum(len(group.rules) for group in read_rules(rules).groups)
        assert f"SUCCESS: {count} rules found" in done.stdout
        return
    with pytest.raises(ConfigError) as raised:
        read_rules(rules)
    assert raised.value.problems, done.stderr
    assert all(re.match(rf"{re.escape(str(rules))}:\d+: ", problem) for problem in raised.value.problems)


@pytest.mark.fault("4.66")
@pytest.mark.parametrize("rule", OF_PROMETHEUS_3)
def test_names_in_utf8_are_taken_as_prometheus_3_does(tmp_path: Path, rule: str) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(of_rule(rule))
    assert len(read_rules(rules).groups[0].rules) == 1
    assert check_rules(rules, "--lint=none").returncode == 1, "it is of Prometheus 3 now: move these to the others"


def test_what_is_no_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_bytes(of_rule("alert: a\nexpr: up\nlabels: {a: X}").encode().replace(b"X", b"\xe9"))
    assert check_rules(rules).returncode == 1
    with pytest.raises(ConfigError, match=r"rules\.yaml:6: not UTF-8"):
        read_rules(rules)


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ("{alert: a, expr: up}, {alert: a, expr: up}", 1),
        ("{alert: a, expr: up}, {alert: a, expr: up, labels: {x: y}}", 0),
        ("{record: a, expr: up}, {record: a, expr: down}, {record: a, expr: up}", 2),
    ],
)
def test_rules_that_are_there_twice_are_found_as_promtool_finds_them(tmp_path: Path, rules: str, found: int) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(f"groups: [{{name: g, rules: [{rules}]}}]\n")
    done = check_rules(path, "--lint=duplicate-rules")
    assert ("duplicate rule(s) found" in done.stderr) == bool(found)
    assert sum(warning.code == "twice" for warning in lint([read_rules(path)])) == found
