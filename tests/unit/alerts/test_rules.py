"""Rule files of which a part cannot be used: the rest is evaluated, and what is left out is told."""

from __future__ import annotations

import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from lilfox_tui.alerts.engine import alerts_from_storage
from lilfox_tui.alerts.model import Alerts, RuleHealth
from lilfox_tui.alerts.rules import from_text, read_rule_files, usable
from lilfox_tui.core.errors import ConfigError
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
        ("{rules: [{alert: A, expr: up}]}", "without a name"),
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
    assert await run.go(150, DOWN) == ["Down a firing"], "it begins to fire as it was earlier"
    assert "the rule as it was before goes on" in run.troubles()[0]
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
    assert "holds no rules" in after.troubles()[0]
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
