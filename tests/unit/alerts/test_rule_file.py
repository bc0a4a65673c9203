"""What is read of a rule file, and what is said of one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.alerts.rules import from_text, read_rules
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.scrape.prometheus_yaml import MAX_BYTES

FILE = """\
groups:
- name: hosts
  interval: 30s
  limit: 10
  query_offset: 1m
  labels: {team: web, severity: low}
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
  - alert: Down
    expr: |
      up
      == 0
    for: 1h30m
    keep_firing_for: 10m
    labels:
      severity: page
    annotations:
      summary: '{{ $labels.instance }} is down'
"""

WRONG = """\
groups:
- name: hosts
  interval: soon
  rules:
  - alert: Down
    expr: up ==
    for: 5 minutes
    lables: {severity: page}
    annotations:
      summary: '{{ $label.instance }}'
  - record: 'a{b}'
    expr: up
    for: 5m
- name: hosts
  labels: {severity: '{{ nosuch }}', __name__: c}
  rules:
  - {alert: Down, expr: up == 0}
"""


def test_everything_of_a_group_and_of_its_rules_is_read() -> None:
    (group,) = from_text(FILE, "hosts.yml").groups
    assert (group.name, group.interval_s, group.limit, group.query_offset_s) == ("hosts", 30.0, 10, 60.0)
    record, alert = group.rules
    assert (record.kind, record.name, record.expression) == ("record", "job:up:sum", "sum by (job) (up)")
    assert (record.for_s, record.keep_firing_for_s, record.line) == (0.0, 0.0, 8)
    assert record.labels == {"team": "web", "severity": "low"}
    assert (alert.kind, alert.name, alert.for_s, alert.keep_firing_for_s) == ("alert", "Down", 5400.0, 600.0)
    assert alert.labels == {"team": "web", "severity": "page"}
    assert alert.query.kind == "vector"
    assert (alert.place.expression, alert.place.labels["severity"], alert.place.annotations["summary"]) == (11, 17, 19)


def test_without_fields_there_is_nothing_instead_of_zero() -> None:
    (group,) = from_text("groups: [{name: g}]", "x").groups
    assert (group.interval_s, group.limit, group.query_offset_s, group.rules) == (None, 0, None, ())


def test_all_that_is_wrong_is_said_at_once_with_its_line() -> None:
    with pytest.raises(ConfigError) as raised:
        from_text(WRONG, "hosts.yml")
    lines = raised.value.problems
    assert [line.split(": ")[0:2] for line in lines] == [
        ["hosts.yml:3", "hosts"],
        ["hosts.yml:6", "hosts/Down"],
        ["hosts.yml:7", "hosts/Down"],
        ["hosts.yml:8", "hosts/Down"],
        ["hosts.yml:10", "hosts/Down"],
        ["hosts.yml:11", "hosts/a{b}"],
        ["hosts.yml:13", "hosts/a{b}"],
        ["hosts.yml:14", "hosts"],
        ["hosts.yml:15", "hosts"],
        ["hosts.yml:15", "hosts/Down"],
    ]
    assert "did you mean labels?" in lines[3]
    assert 'undefined variable "$label"' in lines[4]
    assert "line 2 already" in lines[7]


def test_a_file_is_read_as_long_as_it_is_one(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    with pytest.raises(ConfigError, match="No such file"):
        read_rules(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_rules(tmp_path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="8 MiB"):
        read_rules(path)
    path.write_text(FILE)
    assert [group.name for group in read_rules(path).groups] == ["hosts"]


def test_a_file_of_many_rules_is_read() -> None:
    rules = "".join(f"  - {{alert: A{n}, expr: 'up > {n}', labels: {{a: b, c: d}}}}\n" for n in range(3000))
    (group,) = from_text(f"groups:\n- name: g\n  rules:\n{rules}", "x").groups
    assert len(group.rules) == 3000


def test_aliases_that_would_fill_the_memory_are_refused() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    )
    with pytest.raises(ConfigError, match="refused"):
        from_text(text, "x")
