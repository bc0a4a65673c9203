"""Rule files of which a part cannot be used: the rest is evaluated, and what is left out is told."""

from __future__ import annotations

import json
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.alerts.model import Alerts, RuleHealth, SilenceMatcher
from lilfox_tui.alerts.rules import from_text, read_rule_files, read_rules, stamp_of, usable
from lilfox_tui.alerts.silences import alerts_from_storage, format_matchers, matchers_of, matches_all, parse_matchers
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.scrape.prometheus_yaml import MAX_BYTES
from tests.unit.alerts.running import RULES, Run

BAD_RULES = {
    "expression": "{alert: Bad, expr: 'up =='}",
    "function": "{alert: Bad, expr: up == 0, annotations: {summary: '{{ nosuch 1 }}'}}",
    "template": "{alert: Bad, expr: up == 0, annotations: {summary: '{{ if }}'}}",
    "duration": "{alert: Bad, expr: up == 0, for: 1parsec}",
    "label": "{alert: Bad, expr: up == 0, labels: {__name__: x}}",
    "field": "{alert: Bad, expr: up == 0, severity: page}",
    "both": "{alert: Bad, record: bad, expr: up == 0}",
    "neither": "{expr: up == 0}",
    "no expression": "{alert: Bad}",
    "a recording rule with for": "{record: bad, expr: up, for: 1m}",
    "a name": "{record: 'a\\xFF', expr: up, labels: {'': x}}",
}
UP, DOWN = {"a": 1.0}, {"a": 0.0}


def with_bad(rule: str) -> str:
    return f"{RULES}      - {rule}\n      - {{alert: Last, expr: up == 0}}\n"


def seen(run: Run) -> Alerts:
    value = run.engine.feed.value
    assert value is not None
    return value


def failing(run: Run) -> list[str]:
    return [str(rule.error) for rule in seen(run).rules if rule.error is not None]


@pytest.mark.fault("4.60")
@pytest.mark.parametrize("rule", BAD_RULES.values(), ids=BAD_RULES.keys())
async def test_a_bad_rule_takes_no_other_with_it_and_is_told(rule: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        from_text(with_bad(rule), "r.yml")  # as Prometheus and `alerts lint`, which people ask before
    run = Run(tmp_path, rules=with_bad(rule))
    await run.start()
    assert await run.go(150, DOWN) == ["Down a firing", "Last a firing"]
    (why,) = failing(run)
    assert why.startswith(f"{run.rules}:1")
    assert seen(run).blind
    run.kill()


@pytest.mark.fault("4.60")
@pytest.mark.parametrize(
    ("group", "why"),
    [
        ("{name: g, rules: []}", "already"),
        ("{name: h, interval: 1parsec, rules: []}", "1parsec"),
        ("{name: h, labels: {__name__: x}, rules: [{alert: A, expr: up}]}", "__name__"),
        ("{rules: [{alert: A, expr: up}]}", "the group has no name"),
    ],
)
async def test_a_bad_group_takes_no_other_with_it(group: str, why: str, tmp_path: Path) -> None:
    run = Run(tmp_path, rules=f"{RULES}  - {group}\n")
    await run.start()
    assert await run.go(150, DOWN) == ["Down a firing"]
    assert why in run.troubles()[0]
    assert seen(run).blind
    run.kill()


@pytest.mark.fault("4.60")
@pytest.mark.parametrize("text", ["groups: [", "groups: {}\n", "groups: []\nmore: 1\n", "[]", "groups:\n- *x\n"])
def test_a_file_in_which_no_rules_can_be_told_apart_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        usable(text, "r.yml")


@pytest.mark.fault("4.61")
async def test_a_rule_that_is_made_wrong_goes_on_as_it_was(tmp_path: Path) -> None:
    run = Run(tmp_path, rules=RULES)
    await run.start()
    run.rules.write_text(RULES.replace("up == 0", "up ==").replace("busy > 5", "busy > 7"))
    await run.engine.load()
    assert await run.go(150, DOWN) == ["Down a firing"], "it begins to fire as it was before"
    assert "the previous version of the rule stays active" in run.troubles()[0]
    assert seen(run).blind
    assert "busy > 7" in {rule.expression for rule in seen(run).rules}, "the others are as the file says"
    run.rules.write_text(RULES)
    await run.engine.load()
    await run.engine.step()
    assert run.troubles() == []
    run.kill()


@pytest.mark.fault("4.61")
@pytest.mark.parametrize("change", [("up == 0", "up =="), ("labels: {severity: page}", "labels: [severity]")])
async def test_after_a_restart_the_alerts_of_a_rule_that_cannot_be_read_stay(
    change: tuple[str, str], tmp_path: Path
) -> None:
    before = Run(tmp_path, rules=RULES)
    await before.start()
    assert await before.go(150, DOWN) == ["Down a firing"]
    before.kill()
    after = Run(tmp_path, before.clock, rules=RULES.replace(*change))
    await after.start()
    assert await after.go(300, UP) == ["Down a firing"], "nothing evaluates it, so nothing ends it"
    assert len(failing(after)) == 1
    assert [event.kind for event in await after.engine.history(5)] == ["fired"]
    after.rules.write_text(RULES)
    await after.engine.load()
    assert await after.go(60, UP) == ["Down a resolved"]
    after.kill()


@pytest.mark.fault("4.58")
async def test_others_see_what_does_not_go_as_it_should_with_the_one_that_evaluates(tmp_path: Path) -> None:
    run = Run(tmp_path, rules="groups: [")
    await run.start()
    await run.engine.step()
    assert len(run.troubles()) == 1
    shown = alerts_from_storage(run.engine._saved, run.clock.now())
    assert [str(each) for each in shown.troubles] == run.troubles()
    assert shown.blind
    run.rules.write_text(RULES)
    await run.engine.load()
    await run.engine.step()
    shown = alerts_from_storage(run.engine._saved, run.clock.now())
    assert (shown.troubles, shown.blind) == ((), False)
    assert {rule.health for rule in shown.rules} <= {RuleHealth.NO_DATA, RuleHealth.GOOD}
    run.kill()


@pytest.mark.fault("4.62")
@pytest.mark.parametrize("text", ["", "# to come\n", "groups: []\n", "groups:\n"])
async def test_a_file_that_is_being_written_ends_no_alert_and_an_empty_one_is_told(text: str, tmp_path: Path) -> None:
    run = Run(tmp_path, rules=RULES)
    await run.start()
    await run.go(150, DOWN)
    run.rules.write_text(text)
    await run.engine.load()
    assert await run.go(30, DOWN) == ["Down a firing"], "the old rules go on"
    assert run.troubles() == [f"rules: {run.rules} contains no rules"]
    assert seen(run).blind
    run.kill()
    after = Run(tmp_path, run.clock, rules=text)
    await after.engine.load()
    await after.engine.step()
    assert after.shown() == ["Down a firing"], "nothing evaluates it, so nothing ends it"
    assert "contains no rules" in after.troubles()[0]
    after.kill()


@pytest.mark.fault("4.63")
def test_whatever_is_named_as_a_rule_file_is_one_or_is_told(tmp_path: Path) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "folder.yml").mkdir()
    os.mkfifo(odd / "pipe.yml")
    (odd / "gone.yml").symlink_to(tmp_path / "nowhere")
    (odd / "round.yml").symlink_to(odd / "round.yml")
    (odd / "device.yml").symlink_to("/dev/zero")
    (odd / "bytes.yml").write_bytes(b"\xff\xfe\x00groups")
    (odd / "huge.yml").write_text("# x\n" * 3_000_000)
    (odd / "bomb.yml").write_text(
        "a: &a [x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in pairwise("abcdefghij"))
    )
    (odd / "good.yml").write_text(RULES)
    read = read_rule_files(["odd/*.yml"], tmp_path)
    assert [Path(file.name).name for file in read.files] == ["good.yml"]
    told = {Path(each.key.removeprefix("rules ")).name for each in read.troubles}
    assert told == {f"{name}.yml" for name in ("folder", "pipe", "gone", "round", "device", "bytes", "huge", "bomb")}
    assert all(each.blind for each in read.troubles)


_MARKS = "{}[]:-\"'\n\t #&*!|>%@`$\\\x00é"


@pytest.mark.fault("4.76")
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_in_a_file_its_rules_can_be_told_apart_or_it_is_refused(seed: int) -> None:
    """And nothing is taken that Prometheus' way of reading refuses."""
    chance = random.Random(seed)
    for _ in range(150):
        text = with_bad(chance.choice([*BAD_RULES.values()])) if chance.random() < 0.5 else RULES
        for _change in range(chance.randrange(1, 4)):
            place = chance.randrange(len(text))
            part = chance.choice(["", chance.choice(_MARKS), text[place : place + chance.randrange(1, 20)]])
            text = text[:place] + part + text[place + (not part) :]
        try:
            file = usable(text, "r.yml")
        except ConfigError:
            continue
        names = [group.name for group in file.groups]
        assert len(set(names)) == len(names)
        left_out = [rule for group in file.groups for rule in group.rules if rule.problem]
        assert bool(file.problems) == bool(left_out or file.refused)


# What is read of a rule file, and what is said of one that is wrong.


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


# Rule files as the configuration names them.


GOOD = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]\n"


def test_patterns_and_paths_give_each_file_once_and_a_broken_one_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, text in {"rules/a.yml": GOOD, "rules/b.yml": "groups: [\n", "home/c.yml": GOOD}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    read = read_rule_files(["rules/*.yml", "rules/a.yml", "~/c.yml", "gone/*.yml", "no.yml", "["], tmp_path)
    assert [Path(file.name).name for file in read.files] == ["a.yml", "c.yml"]
    assert [Path(name).name for name in read.broken] == ["b.yml"]
    assert read.missing == ("gone/*.yml", "no.yml", "[")
    said = [str(one) for one in read.troubles]
    assert said[:3] == [f"rules: no file matches {pattern}" for pattern in read.missing]
    assert "b.yml:" in said[3]


def test_a_file_that_was_written_has_another_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text(GOOD)
    before = stamp_of(["*.yml"], tmp_path)
    assert stamp_of(["*.yml"], tmp_path) == before
    os.utime(file, ns=(1, 1))
    assert stamp_of(["*.yml"], tmp_path) != before
    (tmp_path / "b.yml").write_text(GOOD)
    assert len(stamp_of(["*.yml"], tmp_path)) == 2


def test_a_file_that_nobody_may_read_is_broken(tmp_path: Path) -> None:
    (tmp_path / "a.yml").mkdir()
    read = read_rule_files(["a.yml"], tmp_path)
    assert "not a regular file" in str(read.troubles[0])


# Labels with UTF-8 names, from a rule to whoever is told: Prometheus 3 has them.


UTF8_RULES = """
groups:
  - name: g
    interval: 15s
    rules:
      - record: "by.site:ups"
        expr: sum by ("instance") (up)
      - alert: Down
        expr: '{"by.site:ups"} == 0'
        labels: {"équipe.de garde": ops, a-b: '{{ index $labels "instance" }}'}
        annotations: {"runbook.url": 'https://x/{{ index $labels "instance" }}'}
"""


@pytest.mark.fault("4.66")
async def test_they_go_from_the_rule_to_the_alert_its_series_and_its_silence(tmp_path: Path) -> None:
    run = Run(tmp_path, rules=UTF8_RULES)
    await run.start()
    assert await run.go(30, {"a": 0.0}) == ["Down a firing"]
    (alert,) = run.alerts()
    assert dict(alert.labels) == {"alertname": "Down", "instance": "a", "équipe.de garde": "ops", "a-b": "a"}
    assert dict(alert.annotations) == {"runbook.url": "https://x/a"}
    await run.engine.silence(parse_matchers(format_matchers(matchers_of(alert.labels))), 3600, "kim")
    await run.engine.step()
    assert run.alerts()[0].silenced_by
    run.kill()


@pytest.mark.fault("4.66")
@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(), min_size=1))
def test_any_labels_are_written_as_they_are_read(labels: dict[str, str]) -> None:
    pairs = tuple(labels.items())
    assert parse_matchers(format_matchers(matchers_of(pairs))) == tuple(SilenceMatcher(*pair) for pair in pairs)
    assert matches_all(matchers_of(pairs), pairs)


@pytest.mark.fault("4.66")
@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8", max_codepoint=0xFFFF), min_size=1, max_size=40))
def test_any_name_may_be_that_of_a_label(name: str) -> None:
    rule = {"alert": "A", "expr": "up", "labels": {name: "x"}, "annotations": {name: "y"}}
    text = json.dumps({"groups": [{"name": "g", "rules": [rule]}]})
    if name == "__name__":
        return
    assert from_text(text, "r.yml").groups[0].rules[0].labels == {name: "x"}
