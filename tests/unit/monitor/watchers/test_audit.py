"""The audit in the background: when it runs, what is shown of it, and what is accepted from there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import AuditCheck, AuditFinding, Fix, Found, Report, Target
from lilfox_tui.audit.run import Audit
from lilfox_tui.audit.targets.hosts import ExportedFile
from lilfox_tui.cli.commands.check import audit_rows
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostUnreachable, LilFoxError, UsageError
from lilfox_tui.core.i18n import Message
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.audit_run import AuditRun
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.export_sections import audit_document
from lilfox_tui.monitor.model import AuditView, Overview
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.series import MonitorSeries
from lilfox_tui.monitor.watchers import audit
from lilfox_tui.monitor.watchers.audit import AuditWatch
from lilfox_tui.scrape.store import SeriesStore
from tests.app.audit_made import ACCEPTED, NOW, PASSWORDS, result
from tests.waiting import turn, until

DAY = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(audit, "FIRST_AFTER_S", 0.0)


def watch(every_s: float | None = None, host: FakeHost | None = None) -> AuditWatch:
    config = Config(
        hosts={"web-1": HostConfig(address="192.0.2.1")},
        audit=AuditConfig(every=None if every_s is None else Seconds(every_s)),
    )
    one = host or down()
    return AuditWatch(config, None, {"web-1": one}.__getitem__, lambda: None)


def down() -> FakeHost:
    host = FakeHost("web-1")
    host.go_down(HostUnreachable("web-1", "no route to host"))
    return host


async def test_it_reads_what_stands_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text("scrape_configs: []\nrule_files: [nosuch.yml]\n")
    config = Config(prometheus_config="prometheus.yml")
    hosts: dict[str, Host] = {}
    made = AuditWatch(config, tmp_path / "lilfox.yaml", hosts.__getitem__, lambda: None)
    view = await made.run_now()
    assert view.error is None
    assert view.findings or view.not_checked
    assert not [each.reason for each in view.not_checked if "prometheus.yml" in each.reason]


async def test_it_never_runs_by_itself_unless_it_is_asked_for() -> None:
    made = watch()
    await made.run()
    assert made.view is None


async def test_it_runs_again_and_again_and_never_twice_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, runs = 0, 0, 0

    async def run(_self: AuditRun, _timeout_s: float) -> None:
        nonlocal running, most, runs
        running += 1
        most, runs = max(most, running), runs + 1
        await turn()
        running -= 1

    monkeypatch.setattr(AuditRun, "run", run)
    monkeypatch.setattr(AuditRun, "view", lambda _self: result())
    monkeypatch.setattr(AuditWatch, "_due_in_s", lambda _self, _every_s: 0.0)
    made = watch(60)
    task = asyncio.create_task(made.run())
    views = await asyncio.gather(*(made.run_now() for _each in range(5)))
    await until(lambda: runs > 3)
    task.cancel()
    assert most == 1
    assert all(not view.running and view.findings for view in views)


async def test_a_host_that_is_down_is_not_checked() -> None:
    made = watch()
    view = await made.run_now()
    checks = len(chosen(["host"]))
    assert ([each for each in view.findings if each.target == "web-1"], view.error) == ([], None)
    unchecked = [each for each in view.not_checked if each.target == "web-1"]
    assert len(unchecked) >= checks
    assert {each.reason for each in unchecked} == {"no route to host"}


async def test_a_fault_of_our_own_keeps_the_earlier_result(monkeypatch: pytest.MonkeyPatch) -> None:
    made = watch()
    before = await made.run_now()

    async def fails(_self: AuditRun, _timeout_s: float) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(AuditRun, "run", fails)
    view = await made.run_now()
    assert (view.not_checked, view.running) == (before.not_checked, False)
    assert view.error is not None


CHECK = chosen(["firewall"])[0]
TOKEN = "ghp_" + "a1B2" * 9
REPORT = Report(
    datetime.now(UTC),
    (Found(CHECK, Target("host", "web-1"), AuditFinding("IPv6", Message(f"x {TOKEN}\x1b[2J"), Fix(Message("drop")))),),
)


async def with_report(monkeypatch: pytest.MonkeyPatch) -> AuditWatch:
    async def run(_self: Audit, _checks: object, _targets: object) -> Report:
        return REPORT

    monkeypatch.setattr(Audit, "run", run)
    made = watch()
    await made.run_now()
    return made


async def test_it_is_of_the_configuration_that_is_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files: list[Path | None] = []
    ids: set[str] = set()

    async def run(self: Audit, checks: Sequence[AuditCheck], _targets: object) -> Report:
        files.append(self._config_file)
        ids.update(each.id for each in checks)
        return REPORT

    monkeypatch.setattr(Audit, "run", run)
    file = tmp_path / "other.yaml"
    await Monitor(Config(), config_file=file).audit.run_now()
    assert files == [file], "its rules and the deliveries that are recorded for it are judged"
    assert {each.id for each in chosen([])} - ids == {"export-changed"}, "nobody has said what is exported"


async def test_exports_are_compared_where_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[str], object]] = []

    async def run(self: Audit, checks: Sequence[AuditCheck], _targets: object) -> Report:
        assert self._exports is not None
        seen.append(({each.id for each in checks}, self._exports("web-1")))
        return REPORT

    monkeypatch.setattr(Audit, "run", run)
    made, file = watch(), ExportedFile(("lilfox", "export", "alloy"), "text")
    made.exports = lambda config, host: {"alloy": file} if host in config.hosts else {}
    await made.run_now()
    assert seen == [({each.id for each in chosen([])}, {"alloy": file})]


async def test_what_is_accepted_here_counts_at_once_and_can_be_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    made = await with_report(monkeypatch)
    assert made.view is not None
    key = made.view.findings[0].key
    await made.accept(key, "known", DAY)
    accepted = made.view.findings[0]
    assert (accepted.state, accepted.accepted_until, accepted.accepted_why) == ("accepted", DAY, "known")
    assert not accepted.by_config
    assert made.view.open_findings == ()
    await made.withdraw(key)
    assert made.view.findings[0].is_open
    with pytest.raises(UsageError):
        await made.accept(key, "", DAY)
    with pytest.raises(LilFoxError):
        await made.accept("nosuch", "known", DAY)


async def test_texts_of_a_host_are_shown_without_secrets_and_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    view = (await with_report(monkeypatch)).view
    assert view is not None
    assert TOKEN not in view.findings[0].evidence
    assert "\x1b" not in view.findings[0].evidence


def over(view: AuditView | None) -> Overview:
    return Overview(NOW, {}, {}, audit=view)


def test_gauges_count_what_nobody_accepts() -> None:
    found = {
        (sample.labels["severity"], sample.labels["id"], sample.labels["target"]): sample.value
        for family in text_string_to_metric_families(prometheus(over(result()), {}))
        for sample in family.samples
        if sample.name == "lilfox_audit_findings"
    }
    assert found == {
        ("critical", "postgresql-durability", "shop"): 1.0,
        ("high", "ssh-password-auth", "db-1"): 1.0,
        ("medium", "firewall", "db-1"): 1.0,
    }
    assert 'lilfox_audit_not_checked{target="web-1"} 1.0' in prometheus(over(result()), {})
    assert "lilfox_audit_findings{" not in prometheus(over(None), {})


def test_rules_see_a_finding_until_it_is_gone() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=10**7)
    series, audited = MonitorSeries(store), store.target("audit")
    series.take_audit(result(), NOW)
    assert audited.series_count == 5, "three findings, a target that was not checked, and the time"
    series.take_audit(result(PASSWORDS), NOW + timedelta(seconds=5))
    assert audited.series_count == 5, "as seldom as Prometheus scrapes"
    series.take_audit(result(PASSWORDS), NOW + timedelta(seconds=20))
    assert audited.series_count == 3
    assert "lilfox_audit_findings" in series.families()


def test_the_document_fits_its_schema() -> None:
    whole = schema("check")
    for view in (None, AuditView(), result(), result(replace(PASSWORDS, accepted_until="2026-01-01"))):
        document = json.loads(json.dumps(audit_document(view)))
        jsonschema.validate(document, whole["properties"]["audit"], format_checker=jsonschema.FormatChecker())
    assert "audit" not in report(over(result())), "each line of the monitor would repeat all of it"


def test_rows_of_check_say_what_was_found_and_what_was_not_checked() -> None:
    rows = [(level, [cell.text for cell in lines[0][1:]]) for level, lines in audit_rows(result())]
    assert rows[1] == (
        Level.FAILING,
        ["audit", "db-1", "high  ssh-password-auth: sshd accepts passwords: sshd -T: passwordauthentication yes"],
    )
    assert rows[-1][0] is Level.UNKNOWN
    assert "could not be made: needs root" in rows[-1][1][-1]
    assert not any("oom-kills" in texts[-1] for _level, texts in rows), "accepted"
    assert [level for level, _lines in audit_rows(result(ACCEPTED, not_checked=()))] == [Level.GOOD]
    assert list(audit_rows(None)) == []


# One result for all processes of a user.


class Runs:
    """Counts the runs of all processes, each of which finds :data:`REPORT` of now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.ends = 0, asyncio.Event()
        self.ends.set()
        monkeypatch.setattr(audit, "STEP_S", 0.0)
        monkeypatch.setattr(audit, "FOLLOW_S", 0.0)
        runs = self

        async def run(_self: Audit, _checks: object, _targets: object) -> Report:
            runs.count += 1
            await runs.ends.wait()
            return replace(REPORT, at=datetime.now(UTC))

        monkeypatch.setattr(Audit, "run", run)


async def test_a_process_that_starts_shows_the_result_of_another_and_does_not_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = Runs(monkeypatch)
    first = await watch(3600).run_now()
    made = watch(3600)
    task = asyncio.create_task(made.run())
    await until(lambda: made.view is not None and not made.running)
    for _each in range(5):
        await turn()
    task.cancel()
    assert runs.count == 1
    assert made.view == first
    assert made.view is not None
    assert made.view.findings[0].first_seen == first.at


async def test_what_another_process_finds_and_accepts_later_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    Runs(monkeypatch)
    made, other = watch(3600), watch(3600)
    task = asyncio.create_task(made.run())
    await until(lambda: made.view is not None and made.view.at is not None)
    newer = await other.run_now()
    await until(lambda: made.view == newer)
    await other.accept(newer.findings[0].key, "known", DAY)
    await until(lambda: made.view is not None and not made.view.open_findings)
    task.cancel()


async def test_two_processes_never_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch)
    runs.ends.clear()
    one, other = watch(), watch()
    first = asyncio.create_task(one.run_now())
    await until(lambda: runs.count == 1)
    second = asyncio.create_task(other.run_now())
    await until(lambda: other.running)
    for _each in range(20):
        await turn()
    assert runs.count == 1
    runs.ends.set()
    assert await first == await second
    assert runs.count == 1, "the result of the one that was running is taken"
    await other.run_now()
    assert runs.count == 2, "who asks for a run gets one"


async def test_a_process_that_never_ends_its_run_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    Runs(monkeypatch)
    monkeypatch.setattr(audit, "_OTHER_S", -1.0)
    other = AuditRun(Config(), None, lambda _name: None)
    assert other.kept.begin()
    view = await watch().run_now()
    assert "another process has been running the audit" in str(view.error)
    other.kept.end()


async def test_a_damaged_result_is_told_of_and_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch)
    await watch().run_now()
    other = AuditRun(Config(), None, lambda _name: None)
    (other.kept._place() / other.kept._file).write_text("[{")
    assert other.take()
    assert "not a result of the audit; not used" in str(other.view().problems[0].message)
    made = watch(3600)
    task = asyncio.create_task(made.run())
    await until(lambda: runs.count == 2 and not made.running)
    task.cancel()
    assert made.view is not None
    assert made.view.problems == ()


async def test_check_neither_waits_for_another_process_nor_keeps_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch)
    other = AuditRun(Config(), None, lambda _name: None)
    assert other.kept.begin()
    made = watch()
    await made.look_once(15)
    assert runs.count == 1
    assert made.view is not None
    assert made.view.findings
    assert not (other.kept._place() / other.kept._file).exists()
    other.kept.end()
