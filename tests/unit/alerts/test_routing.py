"""Routes of an alertmanager.yml: what amtool says of them, and what is told by them."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from lilfox_tui.alerts.alertmanager_file import check_notifications, notification_rules, read_alertmanager
from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notification_plan import NotificationPlanner, receiver
from lilfox_tui.alerts.notifier import Notification, group_key
from lilfox_tui.alerts.routing import RouteTree
from lilfox_tui.alerts.storage import NotifiedAlert
from lilfox_tui.cli.main import parse, run_command
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import AlertsConfig
from lilfox_tui.core.errors import ConfigError, UsageError
from lilfox_tui.metrics.model import Labels
from tests.unit.alerts.made import alert, at

FILE = """
global: {resolve_timeout: 5m}
route:
  receiver: ops
  group_by: [alertname, cluster]
  group_wait: 10s
  routes:
    - match: {team: db}
      match_re: {severity: page|critical}
      receiver: db pager
      group_by: ['...']
      continue: true
    - matchers: ['team=~"db|web"', severity!="info"]
      receiver: chat
      group_wait: 0s
      group_interval: 1m
      repeat_interval: 1h30m
      mute_time_intervals: [early]
      routes:
        - matchers: ["{env = test, team=db}"]
          receiver: nobody
        - match: {env: ""}
          group_by: [team]
          active_time_intervals: [early]
    - match: {severity: info}
      receiver: nobody
inhibit_rules:
  - source_matchers: [severity="page"]
    target_match: {severity: warning}
    equal: [cluster]
time_intervals:
  - name: early
    time_intervals:
      - times: [{start_time: 03:00, end_time: "03:10"}]
        days_of_month: [1:5, -1]
        months: [1:12]
        years: [2026]
receivers:
  - name: ops
    webhook_configs: [{url: 'http://h/'}]
  - name: db pager
    pagerduty_configs: [{service_key: x}]
    slack_configs: [{api_url: 'https://hooks.example/x', channel: '#db'}]
  - name: chat
  - name: nobody
"""


def written(folder: Path, text: str = FILE) -> Path:
    path = folder / "alertmanager.yml"
    path.write_text(text)
    return path


def tree_of(folder: Path, text: str = FILE, **external: str) -> RouteTree:
    file = read_alertmanager(written(folder, text))
    return RouteTree(file.root, file.intervals, external)


def routed(tree: RouteTree, labels: dict[str, str]) -> str:
    return ",".join(route.receiver for route in tree.match(tuple(sorted(labels.items()))))


LABELS = [
    {name: value for name, value in zip(("team", "severity", "env"), values, strict=True) if value}
    for values in itertools.product(("", "db", "web"), ("", "page", "info"), ("", "test"))
]


def test_amtool_routes_every_alert_in_the_same_way(tmp_path: Path) -> None:
    tree, path = tree_of(tmp_path), tmp_path / "alertmanager.yml"
    found = {}
    for labels in LABELS:
        argv = ["amtool", "config", "routes", "test", f"--config.file={path}", *(f"{k}={v}" for k, v in labels.items())]
        found[str(labels)] = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    assert found == {str(labels): routed(tree, labels) for labels in LABELS}
    assert len(set(found.values())) > 4


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("receiver: chat", "receiver: chatt", "14: route.routes.2: no receiver named “chatt”; did you mean"),
        ("receiver: ops\n  group", "group", "route: no receiver named “”"),
        ("  receiver: ops\n", "  receiver: ops\n  match: {a: b}\n", "the root route takes all alerts"),
        ("[early]\n      routes", "[late]\n      routes", "no time interval named “late”; one of: early"),
        ("[1:5, -1]", "[5:1]", "days_of_month: '5:1' is not valid"),
        ("page|critical", "'page|('", "missing )"),
        ("page|critical", "", "expected a regular expression here"),
        ("severity!=\"info\"", "severity!!info", "cannot parse severity!!info"),
        ("group_interval: 1m", "group_interval: 0s", "group_interval: must be longer than 0s"),
        ("group_wait: 10s", "group_wait: soon", "“soon” is not a duration"),
        ("continue: true", "continu: true", "unknown field “continu”; did you mean continue?"),
        ("- name: nobody", "- name: chat", "a receiver needs a name of its own"),
        ("route:\n  receiver", "rute:\n  receiver", "unknown field “rute”; did you mean route?"),
    ],
)  # fmt: skip
def test_what_alertmanager_rejects_is_an_error_with_its_place(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in FILE
    path = written(tmp_path, FILE.replace(old, new, 1))
    refused = subprocess.run(["amtool", "check-config", str(path)], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    with pytest.raises(ConfigError) as caught:
        read_alertmanager(path)
    said = "\n".join(caught.value.problems)
    assert says in said
    assert f"{path}:" in said


def test_amtool_takes_the_file(tmp_path: Path) -> None:
    subprocess.run(["amtool", "check-config", str(written(tmp_path))], capture_output=True, check=True)


def test_options_are_inherited_and_keys_are_those_of_alertmanager(tmp_path: Path) -> None:
    tree = tree_of(tmp_path)
    db, chat, quiet = (tree.root.routes[0], tree.root.routes[1], tree.root.routes[1].routes[1])
    assert db.grouping.key == '{}/{severity=~"page|critical",team="db"}'
    assert (db.grouping.group_by, db.grouping.wait_s, db.grouping.interval_s) == (None, 10, 300)
    assert (chat.grouping.group_by, chat.grouping.remind_s) == (("alertname", "cluster"), 5400)
    assert (quiet.receiver, quiet.grouping.group_by, quiet.grouping.interval_s) == ("chat", ("team",), 60)
    assert quiet.grouping.key == '{}/{severity!="info",team=~"db|web"}/{env=""}'
    assert quiet.grouping.mute == ()  # not inherited
    assert group_key((("team", "db"),), quiet.grouping.key).endswith(':{team="db"}')


class Told:
    """What a receiver of the tree is told."""

    def __init__(self, tree: RouteTree, name: str) -> None:
        options = from_text(f"notifiers: {{n: {{kind: bell, receiver: '{name}'}}}}", "c.yaml").notifiers["n"]
        ids = itertools.count()
        self._planner = NotificationPlanner(receiver("n", options), AlertsConfig(), lambda: f"id-{next(ids)}", tree)
        self._told: dict[Labels, NotifiedAlert] = {}

    def at(self, seconds: float, *alerts: Alert) -> list[Notification]:
        plan = self._planner.plan(alerts, self._told, at(seconds))
        for labels in plan.over:
            self._told.pop(labels, None)
        self._told.update({one.alert.labels: one for one in plan.told})
        self.look_at = plan.look_at
        return list(plan.notices)


def test_each_receiver_is_told_what_its_routes_bring(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, cluster="eu")
    db = [alert(f"A{number}", team="db", severity="page", env="prod") for number in range(2)]
    other = alert("Other")
    assert [one.group for one in Told(tree, "ops").at(10, *db, other)] == [(("alertname", "Other"), ("cluster", "eu"))]
    assert Told(tree, "nobody").at(10, *db, other) == []
    pager = Told(tree, "db pager").at(10, *db, other)
    assert sorted(dict(one.group)["alertname"] for one in pager) == ["A0", "A1"]
    assert {one.route for one in pager} == {'{}/{severity=~"page|critical",team="db"}'}


def test_a_route_is_told_when_its_mute_interval_is_over(tmp_path: Path) -> None:
    chat = Told(tree_of(tmp_path), "chat")
    one = alert("A", team="web", severity="page", env="prod")
    assert chat.at(0, one) == []
    assert chat.look_at == at(55)
    assert chat.at(354, one) == []
    (notice,) = chat.at(355, one)
    assert notice.reason == "firing"
    assert chat.at(355 + 5399 - 2, one) == []
    (notice,) = chat.at(355 + 5400, one)
    assert notice.reason == "reminder"


def test_an_alert_is_suppressed_while_all_its_routes_are_muted(tmp_path: Path) -> None:
    config = from_text(f"alertmanager_config: {written(tmp_path)}", "c.yaml")
    rules = notification_rules(config)
    muted = alert("A", team="web", severity="page", env="prod")
    outside = alert("B", team="web", severity="page")
    partly = alert("C", team="db", severity="page", env="prod")
    inhibited = alert("D", severity="warning")
    everyone = (muted, outside, partly, inhibited, alert("E", AlertState.RESOLVED, severity="warning"))
    found = {dict(labels)["alertname"]: by for labels, by in rules.suppressed(everyone, at(0)).items()}
    source = 'inhibited by A{env="prod", severity="page", team="web"}'
    assert found == {"A": ("mute early",), "D": (source,)}
    later = {dict(labels)["alertname"]: by for labels, by in rules.suppressed(everyone, at(600)).items()}
    assert later == {"B": ("mute outside early",), "D": (source,)}
    assert rules.is_timed


def test_what_has_no_effect_is_listed(tmp_path: Path) -> None:
    path = written(tmp_path)
    notifiers = "{a: {kind: bell}, ops: {kind: command, argv: [x]}, b: {kind: command, argv: [x], receiver: gone}}"
    notes = check_notifications(from_text(f"alertmanager_config: {path}\nnotifiers: {notifiers}", "c.yaml"))
    missing = "receiver db pager (pagerduty_configs, slack_configs) has no notifier; add one under notifiers: with "
    missing += "receiver: db pager"
    assert notes == [
        f"{path}:2: global: has no effect in LilFox",
        f"{path}: {missing}",
        f"notifier b gets no alerts: {path} has no receiver gone",
    ]


def test_the_command_line_shows_routes_and_receivers(
    tmp_path: Path, own_folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text("alertmanager_config: alertmanager.yml\n")
    assert run_command(parse(["--config", str(config), "alerts", "routes", "team=db", "severity=page"])) == 0
    assert capsys.readouterr().out == "db pager,chat\n"
    assert run_command(parse(["--config", str(config), "alerts", "routes"])) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "{}  → ops  group_by [alertname, cluster]  wait 10 s  interval 5 min  repeat 4 h"
    assert shown[1].startswith('  {severity=~"page|critical",team="db"}  → db pager  group_by [...]')
    assert shown[1].endswith("  continue")
    assert any(line.endswith("has no notifier; add one under notifiers: with receiver: ops") for line in shown)
    with pytest.raises(UsageError, match="nonsense is not a label"):
        run_command(parse(["--config", str(config), "alerts", "routes", "nonsense"]))
    config.write_text("name: x\n")
    with pytest.raises(UsageError, match="no alertmanager_config"):
        run_command(parse(["--config", str(config), "alerts", "routes"]))
