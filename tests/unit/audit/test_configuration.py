"""The checks of the configuration, judged on answers that no server had to give."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.rules import RuleFiles, from_text
from lilfox_tui.audit.catalogue import chosen, kind_of
from lilfox_tui.audit.model import AuditCheck, Found, NotChecked, NotKnown, Target
from lilfox_tui.audit.run import judged, repositories_of, targets_of
from lilfox_tui.audit.targets.configuration import (
    DeliveriesAnswer,
    Page,
    PagesAnswer,
    RulesAnswer,
    StandbysAnswer,
)
from lilfox_tui.config.loader import from_text as configuration
from lilfox_tui.config.model import Config
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.core.i18n import tr
from lilfox_tui.scrape.labels import NAME, LabelSet

CHECKS = {check.id: check for check in chosen([]) if kind_of(check) == "configuration"}
TARGET = Target("configuration", "configuration")


def outcomes(check: str, answers: Mapping[str, Any]) -> list[str]:
    """Subjects of findings, ``?`` with the reason, ``good``, or nothing if it is absent."""
    told = []
    for each in judged(TARGET, [CHECKS[check]], answers):
        if isinstance(each, Found):
            told.append(each.finding.subject)
        else:
            told.append(f"? {each.reason}" if isinstance(each, NotChecked) else "good")
    return told


def rules_of(config: str | Config, *expressions: str, unread: str = "") -> RulesAnswer:
    text = "".join(f"\n  - {{alert: A{at}, expr: '{each}'}}" for at, each in enumerate(expressions))
    files = (from_text(f"groups:\n- name: g\n  rules:{text}", "rules.yml"),) if expressions else ()
    made = configuration(config, "config.yaml") if isinstance(config, str) else config
    why = tr("{why}", why=unread) if unread else None
    return RulesAnswer(made, Path("/etc/lilfox/config.yaml"), RuleFiles(files, {}, (), ()), why)


def page(address: str, *series: Mapping[str, str], host: str | None = None, problem: str = "", **labels: str) -> Page:
    own = {"job": "exporter", "instance": address, **labels}
    made = tuple(LabelSet.of({**own, **each}) for each in ({NAME: "up"}, *series))
    why = tr("{why}", why=problem) if problem else None
    return Page(f"http://{address}/metrics", tuple(sorted(own.items())), host, made, problem=why)


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_what_is_not_known_is_never_a_pass(check: AuditCheck) -> None:
    told = outcomes(check.id, {fact.name: NotKnown(tr("no answer")) for fact in check.facts})
    assert told == ["? no answer"]


REDIS = "backends: {cache: {kind: redis, address: 10.0.0.9}}"


@pytest.mark.parametrize(
    ("exporter", "told"),
    [
        (page("10.0.0.9:9121", {NAME: "redis_up"}), "good"),  # on the server itself
        (page("10.0.0.8:9121", {NAME: "redis_up", "addr": "redis://10.0.0.9:6379"}), "good"),
        (page("10.0.0.8:9121", {NAME: "redis_up"}, about="cache"), "good"),
        (page("10.0.0.8:9121", {NAME: "redis_up", "addr": "redis://10.0.0.90:6379"}), "?"),
        (page("10.0.0.8:9121", {NAME: "redis_up"}), "?"),
        (page("10.0.0.8:9121", problem="refused"), "?"),
        (page("10.0.0.8:9187", {NAME: "pg_up"}), "cache"),  # of something else
        (page("[2001:db8::9]:9121", {NAME: "redis_up"}), "?"),
        (page("127.0.0.1:9121", {NAME: "lilfox_backend_up", "backend": "cache"}), "cache"),  # there, and not selected
    ],
)
def test_whether_an_exporter_is_that_of_a_backend(exporter: Page, told: str) -> None:
    answers = {"rules": rules_of(REDIS, "redis_up == 0", "pg_up == 0"), "pages": PagesAnswer((exporter,))}
    (found,) = outcomes("backend-without-rule", answers)
    assert found.startswith(told)
    if told == "?" and exporter.problem is None:
        assert "labels: of the target (about: cache)" in found


HOST = "hosts: {web-1: {address: 10.0.0.5}}"


@pytest.mark.parametrize(
    ("exporter", "told"),
    [
        (page("10.0.0.5:9100", {NAME: "node_load1"}), "good"),
        (page("localhost:9100", {NAME: "node_load1"}, host="web-1"), "good"),
        (page("localhost:9100", {NAME: "node_load1"}, host="web-2"), "web-1"),
        (page("web-1.example.net:9100", {NAME: "node_uname_info", "nodename": "web-1.example.net"}), "good"),
        (page("web-2.example.net:9100", {NAME: "node_uname_info", "nodename": "web-2"}), "web-1"),
        (page("web-1.example.net:9100", {NAME: "node_load1"}), "?"),
        (page("web-1.example.net:9100", problem="refused"), "?"),
        (page("10.0.0.5:8000", {NAME: "http_requests_total"}), "web-1"),  # an application on it
        (page("10.0.0.1:80", {NAME: "up", "server": "web-1"}), "web-1"),  # a load balancer's
        (page("10.0.0.1:80", {NAME: "up", "node": "web-1"}), "good"),
        (page("10.0.0.1:80", about="web-1"), "good"),
    ],
)
def test_whether_an_exporter_is_that_of_a_host(exporter: Page, told: str) -> None:
    answers = {"rules": rules_of(HOST, "up == 0"), "pages": PagesAnswer((exporter,))}
    (found,) = outcomes("host-without-rule", answers)
    assert found.startswith(told)


def test_a_service_is_known_by_its_job_its_address_or_its_labels() -> None:
    config = (
        "services: {shop: {url: 'https://shop.example.net', metrics: null, series: {app: shop-web}}, "
        "local: {url: 'http://127.0.0.1:80', metrics: null}}"
    )
    for found in (
        page("10.0.0.1:80", job="shop"),
        page("10.0.0.1:80", instance="https://shop.example.net/health"),
        page("10.0.0.1:80", app="shop-web"),
    ):
        answers = {
            "rules": rules_of(config, "up == 0"),
            "pages": PagesAnswer((found, page("127.0.0.1:80", host="web-1")), frozenset({"shop", "local"})),
        }
        assert outcomes("service-without-rule", answers) == ["local"]  # 127.0.0.1 is another machine for each


def test_rules_that_cannot_be_read_may_select_anything() -> None:
    answers = {"rules": rules_of(HOST, "up == 0", unread="prometheus.yml: no such file"), "pages": PagesAnswer(())}
    assert outcomes("host-without-rule", answers) == ["? prometheus.yml: no such file"]
    answers["pages"] = PagesAnswer((page("10.0.0.5:9100", {NAME: "node_load1"}),))
    assert outcomes("host-without-rule", answers) == ["good"]


def test_targets_that_are_not_scraped_may_have_what_a_rule_selects() -> None:
    answers = {"rules": rules_of("{}", "pg_up == 0"), "pages": PagesAnswer((), problems=("ec2_sd_configs",))}
    assert outcomes("rule-without-series", answers) == ["? ec2_sd_configs"]


@pytest.mark.parametrize(
    "expression",
    [
        "lilfox_service_certificate_expiry_timestamp_seconds - time() < 86400",
        'lilfox_audit_findings{severity="high"} > 0',
        "lilfox_recovery_given_up == 1",
    ],
)
def test_lilfox_makes_these_series_itself(expression: str) -> None:
    answers = {"rules": rules_of("{}", expression), "pages": PagesAnswer(())}
    assert outcomes("rule-without-series", answers) == ["good"]


def test_a_target_that_nobody_could_ask_is_not_down() -> None:
    lost = replace(page("10.0.0.5:9100", problem="no route to web-1", host="web-1"), asked=False)
    down = page("10.0.0.6:9100", problem="refused")
    assert outcomes("scrape-target-down", {"pages": PagesAnswer((lost, page("10.0.0.7:9100")))}) == [
        '? {instance="10.0.0.5:9100", job="exporter"}: no route to web-1'
    ]
    assert outcomes("scrape-target-down", {"pages": PagesAnswer((lost, down))}) == [str(down)]
    assert outcomes("scrape-target-down", {"pages": PagesAnswer((page("10.0.0.7:9100"),))}) == ["good"]
    assert outcomes("scrape-target-down", {"pages": PagesAnswer(())}) == []


def test_a_switch_that_is_told_once_is_none() -> None:
    rule = "vector(1)"
    hook = "notifiers: {ops: {kind: webhook, url: 'http://10.0.0.1'}}"
    assert outcomes("no-dead-mans-switch", {"rules": rules_of(hook, rule)}) == ["good"]
    once = f"{hook}\nalerts: {{remind: null}}"
    assert outcomes("no-dead-mans-switch", {"rules": rules_of(once, rule)}) == ["heartbeat"]
    manager = once.replace("kind: webhook", "kind: alertmanager")
    assert outcomes("no-dead-mans-switch", {"rules": rules_of(manager, rule)}) == ["good"]
    assert outcomes("no-dead-mans-switch", {"rules": rules_of("{}")}) == []  # nothing is evaluated


def test_notifiers_and_their_records() -> None:
    config = (
        "notifiers: {ops: {kind: webhook, url: 'http://10.0.0.1'}, bell: {kind: bell}, "
        "am: {kind: alertmanager, url: 'http://10.0.0.1'}}"
    )
    now = datetime(2026, 12, 1, tzinfo=UTC)
    for days, told in ((29, ["am"]), (31, ["ops", "am"])):
        known = DeliveriesAnswer(now, Path("/var/lib/lilfox"), {"ops": now - timedelta(days=days)})
        assert outcomes("notifier-untested", {"rules": rules_of(config), "deliveries": known}) == told
    assert outcomes("notifier-untested", {"rules": rules_of("{}"), "deliveries": NotKnown(tr("none"))}) == []


DATABASE = (
    "hosts: {db-1: {address: 10.0.0.7}}\nbackends: {db: {kind: postgresql, %s}}\nbackup: {stores: {disk: {path: /b}}"
)
UNSURE = "? db: it is not known whether db-1:5432 and db.internal:5432 are one server"
PLANS = {
    ("address: 10.0.0.7", "host: db-1, url: 'postgresql://p@localhost/shop'"): ["good"],
    ("host: db-1, by: psql", "host: db-1, url: /run/postgresql"): ["good"],
    ("address: 10.0.0.7", "url: 'postgresql://p@10.0.0.7:5432/shop'"): ["good"],
    ("address: 10.0.0.7, database: shop", "url: 'postgresql://p@10.0.0.7/shop'"): ["good"],
    ("address: 10.0.0.7, database: cart", "url: 'postgresql://p@10.0.0.7/shop'"): ["db"],
    ("address: 10.0.0.7, database: cart", "url: 'postgresql://p@10.0.0.7', databases: [cart]"): ["good"],
    ("address: 10.0.0.7", "url: 'postgresql://p@10.0.0.8/shop'"): ["db"],
    ("address: 10.0.0.7", "url: 'postgresql://p@10.0.0.7:5433/shop'"): ["db"],
    ("address: db.internal", "url: 'postgresql://p@10.0.0.7/shop'"): [
        f"{UNSURE}; write the same address in both places"
    ],
    ("address: 10.0.0.7", "host: db-1"): [
        "? db: plan nightly leaves the server to the environment of its client programs; give its source a url"
    ],
}


@pytest.mark.parametrize(("texts", "told"), PLANS.items(), ids=str)
def test_databases_and_plans(texts: tuple[str, str], told: list[str]) -> None:
    backend, source = texts
    plan = f", plans: {{nightly: {{store: disk, sources: {{db: {{kind: postgresql, {source}}}}}}}}}}}"
    answers = {"rules": rules_of(DATABASE % backend + plan), "standbys": StandbysAnswer({"db": False})}
    assert outcomes("data-without-backup", answers) == told


def test_a_standby_needs_no_dump_of_its_own() -> None:
    config = DATABASE % "address: 10.0.0.7" + "}"
    for standby, told in ((True, ["good"]), (False, ["db"]), (NotKnown(tr("refused")), ["? db: refused"])):
        answers = {"rules": rules_of(config), "standbys": StandbysAnswer({"db": standby})}
        assert outcomes("data-without-backup", answers) == told


FOLDERS = {
    "kind: files, host: web-1, path: /srv/shop/uploads": ["good"],
    "kind: files, host: web-1, path: /srv/shop/": ["good"],
    "kind: files, host: web-1, path: /srv/shop/up": ["web-1:/srv/shop/uploads"],
    "kind: files, path: /srv/shop/uploads": ["web-1:/srv/shop/uploads"],
    "kind: config, host: web-1, root: /srv/shop, folder: uploads": ["good"],
    "kind: config, host: web-1, root: /srv/shop": ["web-1:/srv/shop/uploads"],
    "kind: files, host: web-1, path: /srv/shop/uploads, exclude: ['*.tmp']": ["good"],
    "kind: files, host: web-1, path: /srv/shop, exclude: [uploads]": [
        "? /srv/shop/uploads: plan nightly has /srv/shop, but leaves out uploads"
    ],
}


@pytest.mark.parametrize(("source", "told"), FOLDERS.items(), ids=str)
def test_folders_and_plans(source: str, told: list[str]) -> None:
    config = (
        "hosts: {web-1: {}}\naudit: {folders: ['web-1:/srv/shop/uploads']}\nbackup: {stores: {disk: {path: /b}}, "
        f"plans: {{nightly: {{store: disk, sources: {{uploads: {{{source}}}}}}}}}}}"
    )
    answers = {"rules": rules_of(config), "standbys": StandbysAnswer({})}
    assert outcomes("data-without-backup", answers) == told


@pytest.mark.parametrize("key", ["folders", "repositories"])
def test_a_folder_is_on_a_host_that_there_is(key: str) -> None:
    for wrong in ("web-9:/srv", "srv", "web-1:srv"):
        with pytest.raises(ConfigError, match=rf"audit\.{key}"):
            configuration(f"hosts: {{web-1: {{}}}}\naudit: {{{key}: ['{wrong}']}}", "config.yaml")
    audit = configuration(f"audit: {{{key}: [/srv/a:/b]}}", "config.yaml").audit
    assert getattr(audit, key) == ("/srv/a:/b",)


def test_repositories_are_those_of_their_host() -> None:
    text = "hosts: {web-1: {}, here: {local: true}}\naudit: {repositories: ['web-1:/srv/a', '/srv/b', 'here:/srv/c']}"
    config = configuration(text, "config.yaml")
    assert repositories_of(config, "web-1") == ["/srv/a"]
    assert repositories_of(config, "here") == ["/srv/b", "/srv/c"]


def test_targets_can_be_chosen_by_host_and_service() -> None:
    config = configuration(
        "hosts: {a: {}, b: {}}\nservices: {shop: {url: 'http://shop', from: a}, cart: {url: 'http://cart'}}\n"
        "backends: {db: {kind: redis, host: a}}",
        "config.yaml",
    )

    def names(*chosen: list[str]) -> list[str]:
        return sorted(f"{each.kind} {each.name}" for found in targets_of(config, *chosen).values() for each in found)

    assert names() == ["backend db", "configuration configuration", "host a", "host b", "service cart", "service shop"]
    assert names(["a"]) == ["backend db", "host a", "service shop"]
    assert names([], ["cart"]) == ["service cart"]
    assert names(["b"], ["cart"]) == ["host b", "service cart"]
