"""The checks of the configuration's own monitoring and backups, with real pages, databases and notifiers: found, mended
by their own fixes, and gone."""

from __future__ import annotations

import json
import shlex
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from lilfox_tui.alerts.model import Event
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, AlertStorage
from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.monitoring.coverage import PAGES
from lilfox_tui.audit.model import AuditFinding, AuditSeverity, Report
from lilfox_tui.audit.rule_selection import Answer, PageIndex
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.audit.targets.configuration import gather
from lilfox_tui.config.loader import load
from lilfox_tui.hosts.base import Host
from lilfox_tui.promql.query import parse
from tests.pages import served
from tests.ports import free_port
from tests.services.exporters import exporter
from tests.services.lilfox_command import lilfox, running
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.prometheus_server import prometheus
from tests.services.promtool import check_rules
from tests.waiting import wait_for

PAGE = b"""# TYPE http_requests_total counter
http_requests_total{path="/",status="200"} 5
# TYPE http_errors_total counter
"""
RULE = "groups: [{name: g, rules: [{alert: %s, expr: '%s', labels: {severity: %s}}]}]"


class ConfigurationLab:
    """A configuration in a folder of its own, and an audit of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "config.yaml"
        self.settings: dict[str, Any] = {"rules": []}

    def rule(self, expression: str, alert: str = "ServiceDown", severity: str = "page") -> Path:
        """Adds a rule file with one alert, over one of that name."""
        file = self.folder / f"{alert}.yml"
        file.write_text(RULE % (alert, expression, severity))
        if file.name not in self.settings["rules"]:
            self.settings["rules"].append(file.name)
        return file

    def write(self) -> None:
        """Writes the configuration."""
        self.file.write_text(json.dumps(self.settings))
        self.file.chmod(0o600)

    async def audited(self, *checks: str) -> Report:
        """The report of these checks."""
        self.write()
        config = load(self.file).config
        return await Audit(config, self.file, timeout_s=60).run(chosen(checks), targets_of(config))

    async def found(self, *checks: str) -> dict[str, AuditFinding]:
        """The findings by their subjects; every check could be made."""
        report = await self.audited(*checks)
        assert report.not_checked == ()
        return {each.finding.subject: each.finding for each in report.found}

    def mend(self, finding: AuditFinding) -> None:
        """Does what the fix says: a rule file is written and named, lines of the configuration are merged into it, and
        commands of ``lilfox`` are run."""
        fix = finding.fix
        if fix.file == str(self.file):
            merge(self.settings, yaml.safe_load("\n".join(fix.lines)))
        elif fix.lines:
            file = Path(fix.file)
            file.write_text("\n".join(fix.lines))
            assert check_rules(file).returncode == 0
            self.settings["rules"].append(file.name)
        self.write()
        for command in fix.commands:
            program, *words = shlex.split(command)
            if program == "lilfox":
                done = lilfox("--config", self.file, *words)
                assert done.returncode == 0, done.stdout + done.stderr


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """Merges sections, as somebody does who puts lines into a file."""
    for key, value in more.items():
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigurationLab:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return ConfigurationLab(tmp_path)


@contextmanager
def page(body: bytes = PAGE, status: int = 200) -> Iterator[str]:
    with served([lambda: (status, body)]) as (address,):
        yield address


@pytest.mark.provokes("host-without-rule")
async def test_a_host_that_no_rule_selects(lab: ConfigurationLab) -> None:
    lab.settings["hosts"] = {"web-1": {"local": True}, "db-1": {"address": "192.0.2.7"}}
    found = await lab.found("host-without-rule")
    assert str(found["rules"].evidence) == "the configuration has no alert rule; nobody is told of db-1, web-1"
    lab.rule('cpu_usage_percent{host="web-1"} > 90', "HighCPU")
    lab.rule('lilfox_load5{host=~"web-.*"} > 9', "HighLoad")
    lab.rule('memory_usage_percent{job="node"} > 9', "HighMemory")  # LilFox's own have no job
    found = await lab.found("host-without-rule")
    assert [(name, str(each.evidence)) for name, each in found.items()] == [
        ("db-1", "none of the 3 selectors of the alert rules selects a series of the host")
    ]
    lab.mend(found["db-1"])
    assert await lab.found("host-without-rule") == {}


async def test_a_host_whose_exporter_a_rule_selects(lab: ConfigurationLab) -> None:
    lab.settings["hosts"] = {"web-1": {"local": True}, "db-1": {"address": "192.0.2.7"}}
    lab.rule('up{job="node"} == 0', "InstanceDown")
    with exporter("prometheus-node-exporter") as address:
        lab.settings["scrape"] = {"node": {"targets": [address]}}
        assert list(await lab.found("host-without-rule")) == ["db-1"]


@pytest.mark.provokes("service-without-rule")
async def test_a_service_that_no_rule_selects(lab: ConfigurationLab) -> None:
    with page() as shop, page() as cart:
        lab.settings["services"] = {"shop": {"url": f"http://{shop}"}, "cart": {"url": f"http://{cart}"}}
        lab.rule('rate(http_requests_total{job="shop",status=~"5.."}[5m]) > 1')
        found = await lab.found("service-without-rule")
        assert list(found) == ["cart"]
        lab.mend(found["cart"])
        assert await lab.found("service-without-rule") == {}


async def test_a_rule_about_what_another_rule_records(lab: ConfigurationLab) -> None:
    with page() as shop, page() as cart:
        lab.settings["services"] = {"shop": {"url": f"http://{shop}"}, "cart": {"url": f"http://{cart}"}}
        (lab.folder / "records.yml").write_text(
            "groups: [{name: r, rules: [{record: 'job:http_requests:rate5m', "
            "expr: 'sum by (job) (rate(http_requests_total[5m]))'}]}]"
        )
        lab.settings["rules"].append("records.yml")
        lab.rule('job:http_requests:rate5m{job="shop"} > 100')
        assert list(await lab.found("service-without-rule", "rule-without-series")) == ["cart"]


@pytest.mark.provokes("backend-without-rule")
async def test_backends_and_services_on_the_page_of_the_monitor(lab: ConfigurationLab) -> None:
    port = free_port()
    with page(status=404) as shop:
        lab.settings |= {
            "services": {"shop": {"url": f"http://{shop}"}},
            "backends": {"cache": {"kind": "redis", "address": "192.0.2.9"}},
            "scrape": {"lilfox": {"targets": [f"127.0.0.1:{port}"]}},
            "monitor": {"listen": f"127.0.0.1:{port}"},
        }
        lab.rule("up == 0", "InstanceDown")
        lab.write()
        with running(["--config", lab.file, "monitor", "--output", lab.folder / "out.log"], lab.folder / "monitor"):
            checks = ("service-without-rule", "backend-without-rule")
            wait_for(lambda: _answers(port), what="the page of the monitor")
            found = await lab.found(*checks)
            assert {name: str(each.evidence)[:30] for name, each in found.items()} == {
                "shop": "the service has no page of met",
                "cache": "none of the 1 selectors of the",
            }
            for each in found.values():
                assert "under scrape:" in str(each.fix.text)
                lab.mend(each)
            assert await lab.found(*checks) == {}


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            body = answer.read()
    except OSError:
        return False
    return b"lilfox_backend_up" in body and b"lilfox_service_up" in body


async def test_a_page_that_cannot_be_read_is_no_finding(lab: ConfigurationLab) -> None:
    lab.settings["services"] = {"shop": {"url": f"http://127.0.0.1:{free_port()}"}}
    lab.rule("http_requests_total > 1")
    report = await lab.audited("service-without-rule", "rule-without-series")
    assert (report.found, len(report.not_checked)) == ((), 2)
    assert "could not be read" in str(report.not_checked[0].reason)


@pytest.mark.provokes("rule-without-series")
async def test_rules_that_never_fire(lab: ConfigurationLab) -> None:
    with page() as shop:
        lab.settings["services"] = {"shop": {"url": f"http://{shop}"}}
        for alert, expression in {
            "Job": 'up{job="shopp"} == 0',
            "Label": 'rate(http_requests_total{status_code=~"5.."}[5m]) > 1',
            "Exporter": "pg_up == 0",
            "Both": 'http_requests_total and on() up{job="nosuch"}',
            "Status": 'rate(http_requests_total{status=~"5.."}[5m]) > 1',  # none so far
            "NotYet": "rate(http_errors_total[5m]) > 1",
            "Absent": 'absent(up{job="gone"})',
            "Or": "http_requests_total > 9 or pg_up == 0",
            "Device": "http_requests_in_flight > 9",
        }.items():
            lab.rule(expression, alert)
        found = await lab.found("rule-without-series")
        assert sorted(found) == ["Both", "Exporter", "Job", "Label"]
        linted = json.loads(lilfox("--config", lab.file, "alerts", "lint", "--json").stdout)["files"]
        none_now = {each["rule"] for file in linted for each in file["warnings"] if each["code"] == "no-series"}
        assert none_now - set(found) == {"Device", "NotYet", "Or", "Status"}  # the lint tells what is so now
        assert set(found) < none_now
        none = "there are series of that name, but none can have these labels"
        file = lab.folder / "Job.yml"
        assert str(found["Job"].evidence) == f'{file}: {{__name__="up", job="shopp"}}: {none}'
        assert "no series of the 1 target begins with pg_" in str(found["Exporter"].evidence)
        lab.rule('up{job="shop"} == 0', "Job")
        lab.rule('rate(http_requests_total{status=~"5.."}[5m]) > 1', "Label")
        lab.rule("http_requests_total and on() up", "Both")
        lab.settings["rules"].remove("Exporter.yml")
        assert await lab.found("rule-without-series") == {}


@pytest.mark.provokes("scrape-target-down")
async def test_a_target_that_is_down(lab: ConfigurationLab) -> None:
    port = free_port()
    lab.settings["hosts"] = {"far": {"address": "127.0.0.1", "port": free_port()}}
    lab.settings["scrape"] = {"shop": {"targets": [f"127.0.0.1:{port}"], "from": "far"}}
    report = await lab.audited("scrape-target-down")
    assert "cannot send the request from far" in str(report.not_checked[0].reason)
    lab.settings["scrape"] = {"shop": {"targets": [f"127.0.0.1:{port}"]}}
    found = await lab.found("scrape-target-down")
    assert list(found) == [f'{{instance="127.0.0.1:{port}", job="shop"}}']
    with page() as address:
        lab.settings["scrape"]["shop"]["targets"] = [address]
        assert await lab.found("scrape-target-down") == {}


@pytest.mark.provokes("no-dead-mans-switch")
async def test_nobody_notices_the_end_of_the_monitor(lab: ConfigurationLab) -> None:
    lab.rule("up == 0")
    found = await lab.found("no-dead-mans-switch")
    assert list(found) == ["heartbeat"]
    before = dict(lab.settings)
    lab.mend(found["heartbeat"])
    assert await lab.found("no-dead-mans-switch") == {}
    lab.settings = before | {"monitor": {}}
    lab.rule("vector(1)", "Watchdog")
    assert "no notifier repeats Watchdog" in str((await lab.found("no-dead-mans-switch"))["heartbeat"].evidence)
    lab.settings["notifiers"] = {"ops": {"kind": "webhook", "url": "http://127.0.0.1:1", "only": ['severity="page"']}}
    assert await lab.found("no-dead-mans-switch") == {}
    lab.settings["notifiers"]["ops"]["only"] = ['severity="critical"']
    assert list(await lab.found("no-dead-mans-switch")) == ["heartbeat"]
    lab.rule("hour() > 8", "Watchdog")
    assert "no rule always fires" in str((await lab.found("no-dead-mans-switch"))["heartbeat"].evidence)


@pytest.mark.provokes("notifier-untested")
async def test_notifiers_that_were_never_tested(lab: ConfigurationLab) -> None:
    taken = lab.folder / "taken"
    for name in ("ops", "boss"):
        notifier = {"kind": "command", "argv": ["sh", "-c", f"cat >> {taken}"]}
        lab.settings.setdefault("notifiers", {})[name] = notifier
    report = await lab.audited("notifier-untested")
    assert "has evaluated the rules or tested a notifier" in str(report.not_checked[0].reason)
    assert lilfox("--config", lab.file, "alerts", "notify-test", "ops").returncode == 0
    assert taken.read_text()
    found = await lab.found("notifier-untested")
    assert {name: each.severity for name, each in found.items()} == {"boss": AuditSeverity.HIGH}
    lab.mend(found["boss"])
    assert await lab.found("notifier-untested") == {}
    assert lilfox("--config", lab.file, "alerts", "history").stdout.count("LilFoxTest") == 2


async def test_a_notifier_that_was_last_used_long_ago(lab: ConfigurationLab) -> None:
    lab.settings["notifiers"] = {"ops": {"kind": "command", "argv": ["true"]}}
    lab.write()
    folder = state_folder(lab.file)
    assert folder is not None
    database = AlertDatabase(folder / DATABASE)
    at = datetime.now(UTC) - timedelta(days=31)
    AlertStorage(database).add_events([Event(at, "told", (("alertname", "Down"),), by="ops", note="firing")])
    database.close()
    found = await lab.found("notifier-untested")
    assert found["ops"].severity is AuditSeverity.MEDIUM
    assert "31 d" in str(found["ops"].evidence)


@pytest.mark.provokes("alert-without-runbook")
async def test_an_alert_without_a_runbook(lab: ConfigurationLab) -> None:
    file = lab.rule("up == 0", "CartStuck")
    lab.rule("up == 0", "ServiceDown")  # LilFox brings a runbook for it
    lab.rule("up == 0", "Deployed", severity="info")
    found = await lab.found("alert-without-runbook")
    assert list(found) == ["CartStuck"]
    rules = yaml.safe_load(file.read_text())
    rules["groups"][0]["rules"][0]["annotations"] = yaml.safe_load("\n".join(found["CartStuck"].fix.lines))
    file.write_text(yaml.safe_dump(rules))
    assert await lab.found("alert-without-runbook") == {}


@pytest.mark.provokes("data-without-backup")
async def test_data_that_no_plan_has(lab: ConfigurationLab) -> None:
    uploads = lab.folder / "srv" / "uploads"
    uploads.mkdir(parents=True)
    (uploads / "a.txt").write_text("fox")
    with Postgres() as server:
        lab.settings |= {
            "backends": {"db": {"kind": "postgresql", "port": server.port, "user": SUPERUSER}},
            "audit": {"folders": [str(uploads)]},
            "backup": {"stores": {"disk": {"kind": "local", "path": str(lab.folder / "store")}}},
        }
        found = await lab.found("data-without-backup")
        assert {name: str(each.evidence) for name, each in found.items()} == {
            "db": "no plan has a source of kind postgresql",
            str(uploads): f"no plan has a source of kind files with {uploads}",
        }
        for each in found.values():
            lab.mend(each)
        assert await lab.found("data-without-backup") == {}
        for plan in lab.settings["backup"]["plans"].values():
            plan["sources"].pop("db", None)
            plan["sources"]["uploads"] = {"kind": "files", "path": str(uploads / "other")}
        plans = lab.settings["backup"]["plans"]
        plans.pop("uploads")
        found = await lab.found("data-without-backup")
        assert len(found) == 2
        for each in found.values():
            assert str(each.fix.text) == "Put these lines under sources: of plan db."
            merge(plans["db"]["sources"], yaml.safe_load("\n".join(each.fix.lines)))
        assert await lab.found("data-without-backup") == {}


async def test_nothing_is_found_where_all_is_well(lab: ConfigurationLab) -> None:
    with page() as shop, exporter("prometheus-node-exporter") as node:
        lab.settings |= {
            "hosts": {"web-1": {"local": True}},
            "services": {"shop": {"url": f"http://{shop}"}},
            "scrape": {"node": {"targets": [node]}},
            "notifiers": {"ops": {"kind": "command", "argv": ["true"]}},
        }
        lab.rule("up == 0", "InstanceDown")
        errors, requests = (
            f"sum by (job) (rate(http_requests_total{labels}[5m]))" for labels in ('{status=~"5.."}', "")
        )
        lab.rule(f"{errors} / {requests} > 0.05", "HighErrorRate")
        lab.rule("vector(1)", "Watchdog", "none")
        lab.write()
        assert lilfox("--config", lab.file, "alerts", "notify-test").returncode == 0
        report = await lab.audited("monitoring", "data-without-backup")
        assert (report.found, report.not_checked) == ((), ())


SELECTORS = {
    "up": True,
    'up{job="shop"}': True,
    'up{job=~"s.*p", instance!=""}': True,
    'up{job="cart"}': False,
    'up{zone="a"}': False,
    "scrape_samples_scraped": True,
    "http_requests_total": True,
    'http_requests_total{path="/", status=~"2.."}': True,
    'http_requests_total{code=""}': True,
    'http_requests_total{code="200"}': False,
    "redis_up": False,
    '{__name__=~"http_.*"}': True,
    '{job="shop"}': True,
}


async def test_prometheus_selects_what_the_audit_says(lab: ConfigurationLab) -> None:
    with page() as shop:
        job = {"job_name": "shop", "scrape_interval": "1s", "static_configs": [{"targets": [shop]}]}
        with prometheus(lab.folder, settings=json.dumps({"scrape_configs": [job]})) as server:
            lab.settings["scrape"] = {"shop": {"targets": [shop]}}
            lab.write()
            answers = await gather(load(lab.file).config, lab.file, no_host, {}, [PAGES])
            (found,) = answers["pages"].pages

            def selected(selector: str) -> bool:
                return bool(server.instant(selector, round(time.time() * 1000))["result"])

            wait_for(lambda: selected("http_requests_total"), what="the first scrape")
            for selector, there in SELECTORS.items():
                answer = PageIndex(found).answer(parse(selector).selectors[0])
                assert (selected(selector), answer is Answer.YES) == (there, there), selector


def no_host(name: str) -> Host:
    raise AssertionError(name)


async def test_rules_that_are_elsewhere_are_not_known(lab: ConfigurationLab) -> None:
    lab.settings |= {"hosts": {"web-1": {"local": True}}, "prometheus": {"url": "http://127.0.0.1:1"}}
    report = await lab.audited("host-without-rule", "no-dead-mans-switch")
    assert (report.found, len(report.not_checked)) == ((), 2)
    lab.settings["rules"] = ["nosuch/*.yml"]
    assert "no file matches" in str((await lab.audited("host-without-rule")).not_checked[0].reason)
