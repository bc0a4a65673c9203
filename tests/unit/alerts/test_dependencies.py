"""Hosts that are down: what stands on them, that its alerts are silenced, and that none of them is lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.alerts.alertmanager_file import notification_rules
from lilfox_tui.alerts.dependencies import HOST_RULES, dependencies_of, host_part, says_host_down
from lilfox_tui.alerts.model import HOST_DOWN, INHIBITED, Alert, AlertState, RuleHealth, RuleView
from lilfox_tui.alerts.notification_plan import NotificationPlanner, Receiver
from lilfox_tui.alerts.notifiers.bell import Options as Bell
from lilfox_tui.alerts.storage import NotifiedAlert
from lilfox_tui.alerts.suppression import SuppressionRules
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import AlertsConfig, Config
from lilfox_tui.config.values import Seconds, Wait
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.watchers import alert as alert_watch
from tests.unit.alerts.made import alert, at
from tests.unit.alerts.running import Run

SITE = """
hosts:
  here: {local: true}
  gate: {address: gate.example.net}
  web: {address: 192.0.2.7, depends_on: [gate]}
  db: {address: db.example.net}
  twin-1: {address: 192.0.2.9}
  twin-2: {address: 192.0.2.9, port: 2222}
  tunnel: {address: 127.0.0.1, port: 2222}
services:
  shop: {url: "http://127.0.0.1:8080", from: web}
  api: {url: "https://DB.example.net/api"}
  port: {tcp: "192.0.2.7:25"}
  ping: {icmp: db.example.net}
  twin: {url: "http://192.0.2.9"}
  local: {url: "http://127.0.0.1:80"}
  front: {url: "http://203.0.113.1", depends_on: [orders, here]}
  errors: {lines: {log: app, where: boom}}
  nightly: {deadline: {period: 1d}, depends_on: [db]}
  certificate: {certificate: {address: "db.example.net:465"}}
backends:
  orders: {kind: redis, address: 127.0.0.1, host: web}
  cache: {kind: redis, address: db.example.net}
  queue: {kind: rabbitmq, url: "http://192.0.2.7:15672", user: u, password: env:X}
logs:
  app: {kind: file, path: /var/log/app.log, host: db}
scrape:
  node: {targets: ["192.0.2.7:9100", "other:9100"]}
  inner: {targets: ["127.0.0.1:9000"], from: db}
"""


@pytest.fixture(scope="module")
def site() -> Config:
    return from_text(SITE, "c.yaml")


@pytest.mark.parametrize(
    ("labels", "hosts"),
    [
        ({"host": "web", "name": "redis"}, "gate web"),  # a container
        ({"host": "here"}, ""),
        ({"service": "shop"}, "gate web"),
        ({"job": "shop"}, "gate web"),
        ({"service": "api"}, "db"),
        ({"job": "port"}, "gate web"),
        ({"job": "ping"}, "db"),
        ({"service": "twin"}, ""),  # nobody knows on which of the two
        ({"service": "local"}, ""),
        ({"service": "front"}, "gate web"),
        ({"service": "errors"}, "db"),
        ({"log": "app"}, "db"),
        ({"service": "nightly"}, "db"),
        ({"service": "certificate"}, "db"),
        ({"backend": "orders"}, "gate web"),
        ({"backend": "cache"}, "db"),
        ({"backend": "queue"}, "gate web"),
        ({"job": "node", "instance": "192.0.2.7:9100"}, "gate web"),
        ({"job": "node", "instance": "other:9100"}, ""),
        ({"job": "inner", "instance": "127.0.0.1:9000"}, "db"),
        ({"job": "blackbox", "instance": "https://db.example.net/x"}, "db"),
        ({"instance": "web:9100"}, ""),  # its address is another one
        ({"plan": "nightly", "store": "web"}, ""),
    ],
)
def test_what_stands_on_which_host_follows_from_the_configuration(
    site: Config, labels: dict[str, str], hosts: str
) -> None:
    found = dependencies_of(site).hosts_of(tuple(sorted(labels.items())))
    assert sorted(found) == hosts.split()


@pytest.mark.parametrize(
    ("address", "host"),
    [("a:1", "a"), ("[::1]:80", "::1"), ("A.b", "a.b"), ("http://u:p@h:1/x", "h"), ("[", ""), ("", ""), (":80", "")],
)
def test_the_host_of_an_address(address: str, host: str) -> None:
    assert host_part(address) == host


@pytest.mark.parametrize(
    ("expression", "series"),
    [
        ("lilfox_host_reachable == 0", "lilfox_host_reachable"),
        ('lilfox_host_up{host="a"} < 1', "lilfox_host_up"),
        ("(lilfox_host_up) != 1", "lilfox_host_up"),
        ("max_over_time(lilfox_host_reachable[2m]) <= 0.5", "lilfox_host_reachable"),
        ("lilfox_host_up == 0 unless on (host) lilfox_maintenance", "lilfox_host_up"),
        ("lilfox_host_up == 1", ""),
        ("lilfox_host_up <= 1", ""),
        ("lilfox_host_up == bool 0", ""),
        ("avg_over_time(lilfox_host_up[1h]) < 1", ""),  # up again, perhaps
        ("min_over_time(lilfox_host_up[1h]) == 0", ""),
        ("lilfox_host_up offset 1h == 0", ""),
        ("lilfox_host_up", ""),
        ("up == 0 or lilfox_host_up == 0", ""),
        ("lilfox_host_up == lilfox_host_level", ""),
        ('{__name__=~"lilfox_host_up"} == 0', ""),
        ("lilfox_host_up ==", ""),
    ],
)
def test_a_rule_about_hosts_that_are_down_is_known_by_its_expression(expression: str, series: str) -> None:
    assert says_host_down(expression) == series


OWN, THEIRS, OTHER = f"{HOST_RULES};lilfox_hosts;0", "r.yml;g;0", "r.yml;g;1"


def rule(key: str, expression: str) -> RuleView:
    return RuleView(key, "alert", "X", key.split(";")[1], expression, 0.0, RuleHealth.GOOD)


RULES = (
    rule(OWN, "lilfox_host_reachable == 0"),
    rule(THEIRS, "lilfox_host_up == 0"),
    rule(OTHER, "up == 0"),
)


def down(host: str, state: AlertState = AlertState.FIRING, key: str = OWN) -> Alert:
    return replace(alert("HostDown" if key == OWN else "Gone", state, host=host), rule=key)


def other(name: str, state: AlertState = AlertState.FIRING, **labels: str) -> Alert:
    pairs = tuple(sorted({"alertname": name, **labels}.items()))
    return replace(alert(name, state), labels=pairs, rule=OTHER)


def silenced(made: SuppressionRules, *alerts: Alert, rules: Sequence[RuleView] = RULES) -> dict[str, str]:
    found = made.suppressed(alerts, at(0), rules)
    return {f"{one.name} {dict(one.labels).get('host', '')}".strip(): found[one.labels][0] for one in alerts
            if one.labels in found}  # fmt: skip


SHOP = other("Slow", service="shop")


@pytest.mark.parametrize(
    ("alerts", "found"),
    [
        ([SHOP], {}),
        ([SHOP, down("web")], {"Slow": "host down web"}),
        ([SHOP, down("web", AlertState.PENDING)], {"Slow": "host down web"}),
        ([SHOP, down("web", AlertState.RESOLVED)], {}),
        ([SHOP, down("db")], {}),
        ([other("Slow", AlertState.PENDING, service="shop"), down("web")], {"Slow": "host down web"}),
        ([other("Slow", AlertState.RESOLVED, service="shop"), down("web")], {}),
        # the host above is the cause, of the alert about the host as well
        ([SHOP, down("web"), down("gate")], {"Slow": "host down gate", "HostDown web": "host down gate"}),
        ([SHOP, down("gate")], {"Slow": "host down gate"}),
        # where somebody's own rule says it too, that one is told
        ([SHOP, down("web"), down("web", key=THEIRS)],
         {"Slow": "host down web", "HostDown web": 'inhibited by Gone{host="web"}'}),
        # a login that is refused is no host that is down
        ([SHOP, down("web", key=THEIRS)], {}),
        ([other("Slow", service="front"), down("gate"), down("db")], {"Slow": "host down gate"}),
        ([down("unknown"), other("Busy", host="unknown")], {}),
    ],
)  # fmt: skip
def test_alerts_about_what_stands_on_a_host_are_silenced_while_it_is_down(
    site: Config, alerts: list[Alert], found: dict[str, str]
) -> None:
    made = notification_rules(site)
    assert silenced(made, *alerts) == found


def test_a_host_whose_own_alert_is_not_told_silences_nothing(site: Config) -> None:
    alerts = from_text(
        "alerts: {inhibit: [{source: ['alertname=\"Slow\"'], target: ['alertname=\"HostDown\"']}]}", "c.yaml"
    ).alerts
    made = notification_rules(replace(site, alerts=alerts))
    assert silenced(made, SHOP, down("web")) == {"HostDown web": 'inhibited by Slow{service="shop"}'}


def test_without_a_rule_that_says_so_nothing_is_silenced(site: Config) -> None:
    made = notification_rules(site)
    assert silenced(made, SHOP, down("web"), rules=()) == {}


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ("", False),
        ("services: {a: {url: 'http://h'}}", False),
        ("services: {a: {url: 'http://h', from: here}}", False),
        ("services: {a: {url: 'http://h', from: web}}", True),
        ("services: {a: {url: 'http://192.0.2.7/x'}}", True),
        ("services: {a: {url: 'http://h', depends_on: [web]}}", True),
        ("scrape: {a: {targets: ['192.0.2.7:9100']}}", True),
        ("scrape: {a: {targets: ['h:1']}}", False),
        ("logs: {a: {path: /var/log/a, host: web}}", True),
        ("backends: {a: {kind: redis, host: web}}", True),
    ],
)
def test_the_rule_is_added_where_something_stands_on_a_host(more: str, added: bool) -> None:
    text = f"rules: [a.yml]\nhosts: {{web: {{address: 192.0.2.7}}, here: {{local: true}}}}\n{more}"
    rules = alert_watch.with_rules_of_prometheus(from_text(text, "c.yaml")).rules
    assert (str(HOST_RULES) in rules) is added
    config = from_text(f"{text}\n".replace("rules: [a.yml]\n", ""), "c.yaml")
    assert not alert_watch.with_rules_of_prometheus(config).rules


# No alert is lost, whatever comes and goes.


NAMES = ("gate", "web", "db", "twin-1")
SUBJECTS = tuple((("alertname", f"A{number}"), pair) for number, pair in enumerate([
    ("service", "shop"), ("service", "api"), ("host", "web"), ("backend", "orders"), ("service", "front"),
    ("instance", "192.0.2.7:1"), ("service", "local"),
]))  # fmt: skip
STEP = st.tuples(st.sampled_from([*NAMES, *SUBJECTS]), st.sampled_from(["on", "off", "theirs"]))


class World:
    """Alerts that come and go, and one receiver. Alerts about hosts are pending for two steps."""

    def __init__(self, site: Config) -> None:
        self.made = notification_rules(site)
        self.told: dict[Labels, NotifiedAlert] = {}
        self.alive: dict[Labels, Alert] = {}
        self.ever: set[tuple[Labels, datetime | None]] = set()
        self.second = 0.0
        ids = count()
        self.planner = NotificationPlanner(
            Receiver("them", (), True),
            AlertsConfig(group_by=("alertname", "host", "service"), group_wait=Wait(0), group_interval=Seconds(1)),
            lambda: str(next(ids)),
        )

    def change(self, what: str | Labels, how: str) -> None:
        pending = isinstance(what, str)
        if isinstance(what, str):
            made = down(what, AlertState.PENDING, THEIRS if how == "theirs" else OWN)
        else:
            made = replace(other(what[0][1]), labels=tuple(sorted(what)), fired_at=at(self.second))
        made = replace(made, active_at=at(self.second))
        if how == "off":
            self.alive.pop(made.labels, None)
        elif made.labels not in self.alive:
            self.alive[made.labels] = replace(made, fired_at=None) if pending else made

    def step(self) -> None:
        self.second += 10
        now = at(self.second)
        for labels, one in self.alive.items():
            if one.state is AlertState.PENDING and (now - one.active_at).total_seconds() >= 20:
                self.alive[labels] = replace(one, state=AlertState.FIRING, fired_at=now)
        found = self.made.suppressed([*self.alive.values()], now, RULES)
        for labels, by in found.items():
            self.has_a_cause(labels, by, found)
        shown = [replace(one, silenced_by=found.get(labels, ())) for labels, one in self.alive.items()]
        plan = self.planner.plan(shown, self.told, now)
        for notice in plan.notices:
            assert not [one for one in notice.firing if one.silenced_by], "told although silenced"
        for labels in plan.over:
            self.told.pop(labels, None)
        self.told |= {one.alert.labels: one for one in plan.told}

    def has_a_cause(self, labels: Labels, by: tuple[str, ...], found: dict[Labels, tuple[str, ...]]) -> None:
        """What is named is down, and an alert that nothing silences says so."""
        if by[0].startswith(INHIBITED):
            host = dict(labels)["host"]
        else:
            assert by[0].startswith(HOST_DOWN)
            host = by[0].removeprefix(HOST_DOWN)
        witnesses = [one for one in self.alive.values() if one.rule != OTHER and one.label("host") == host]
        assert [one for one in witnesses if one.labels not in found], (labels, by)

    def told_of(self) -> set[Labels]:
        return {labels for labels, one in self.told.items() if one.alert.fired_at == self.alive[labels].fired_at}


@given(steps=st.lists(STEP, max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_silenced_alert_is_lost(steps: list[tuple[str | Labels, str]]) -> None:
    world = World(from_text(SITE, "c.yaml"))
    for what, how in steps:
        world.change(what, how)
        world.step()
    for name in NAMES:
        for labels in [labels for labels, one in world.alive.items() if one.rule != OTHER]:
            world.alive.pop(labels)
        world.change(name, "off")
    for _ in range(3):
        world.step()
    assert world.told_of() == set(world.alive), "it still fires after the hosts are back, and nobody knows"


# The engine: what it keeps, shows and sends, also over a restart.


ENGINE_RULES = """
groups:
  - name: g
    interval: 15s
    rules:
      - {alert: Gone, expr: lilfox_host_reachable == 0, for: 1m}
      - {alert: Slow, expr: busy > 5}
"""


async def test_silenced_alerts_are_kept_shown_and_told_after_the_host_is_back(tmp_path: Path) -> None:
    run = started(tmp_path)
    await run.start()
    write(run, 1.0, 9)
    await run.engine.step()
    assert told(run) == []  # of two that begin together, the group waits for the others first
    for _ in range(3):
        run.clock.go_on(15)
        write(run, 0.0, 9)
        await run.engine.step()
    assert {one.name: one.suppression for one in run.alerts()} == {
        "Slow": "suppressed by host web, which is down",
        "Gone": "",
    }
    run.kill()
    run = started(tmp_path, run)
    await run.start()
    await run.engine.step()
    assert {one.name: one.silenced_by for one in run.alerts()}["Slow"] == ("host down web",)
    for _ in range(6):
        run.clock.go_on(15)
        write(run, 0.0, 9)
        await run.engine.step()
    assert told(run) == ["Gone"]
    for _ in range(9):
        run.clock.go_on(15)
        write(run, 1.0, 9)
        await run.engine.step()
    assert told(run) == ["Slow"]  # and that the host is back


def started(folder: Path, before: Run | None = None) -> Run:
    config = from_text("hosts: {web: {}}\nservices: {shop: {url: 'http://h', from: web}}", "c.yaml")
    alerts = AlertsConfig(group_wait=Wait(30), group_interval=Seconds(15))
    return Run(
        folder, None if before is None else before.clock, rules=ENGINE_RULES,
        store=None if before is None else before.store, alerts=alerts, notifiers={"bell": Bell(resolved=True)},
        config=config,
    )  # fmt: skip


def write(run: Run, reachable: float, busy: float) -> None:
    run.write("lilfox_host_reachable", {"host": "web"}, reachable)
    run.write("busy", {"service": "shop"}, busy)


def told(run: Run) -> list[str]:
    """The alerts of the messages that were sent or wait to be."""
    told = run.engine._receivers._outbox.told("bell")
    return [dict(labels)["alertname"] for labels in told]
