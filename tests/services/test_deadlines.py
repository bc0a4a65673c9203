"""Deadlines of others' jobs: pings that curl sends to the real ``lilfox monitor``, kept over its restart, and files."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lilfox_tui.alerts.rule_group import EvaluationContext, GroupEvaluator
from lilfox_tui.alerts.rules import from_text as rules_of
from lilfox_tui.alerts.unit_test_runner import UnitTestSeries
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.schema import show
from lilfox_tui.config.service_probes import DeadlineConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.metrics.model import Health, HealthCheck
from lilfox_tui.monitor.deadlines import PingReceiver, PingRecord, after_ping, judge_deadline, read_record
from lilfox_tui.monitor.watchers.alert import DEADLINE_RULES
from lilfox_tui.monitor.watchers.service import ServiceWatch
from lilfox_tui.promql.value import PROMETHEUS_2
from lilfox_tui.scrape.labels import LabelSet
from tests.services.lilfox_command import lilfox, running
from tests.services.promtool import check_rules
from tests.services.test_cli_check import LOOSE
from tests.services.test_monitor_daemon import config_with
from tests.waiting import wait_for

TOKEN = "0d338dcc-a054-11ec-b909-0242ac120002"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def curl(*argv: str) -> str:
    """The status and the body of the answer."""
    done = subprocess.run(
        ["curl", "-sS", "-m", "20", "-w", " %{http_code}", *argv], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def monitoring(config: Path, output: Path) -> Iterator[str]:
    """The real monitor; yields its address."""
    argv: list[str | Path] = ["--config", config, "monitor", "--interval", "1s", "--output", output / "log"]
    with running([*argv, "--listen", "127.0.0.1:0"], output / "lilfox"):
        told = output / "lilfox.err"
        wait_for(lambda: "/ping/NAME" in told.read_text(), what="the monitor listens")
        address = re.search(r"pings at (http://\S+)/ping/NAME", told.read_text())
        assert address is not None
        yield address[1]


def test_a_key_opens_all_jobs_by_their_slugs(tmp_path: Path) -> None:
    receiver = PingReceiver({"Nightly.Report": "", "a": TOKEN, "x.y": "", "x-y": ""}, tmp_path, NOW, "key of all")
    at = NOW + HOUR
    for path in ("nightly-report", "nightly-report/start", "nightly-report/0", "nightly-report/log", "a"):
        assert receiver.answer(f"/ping/key%20of%20all/{path}", "", at) == ("200 OK", "OK")
    assert receiver._records["Nightly.Report"].ended == at
    assert receiver._records["a"].ended == at
    assert receiver.answer("/ping/key%20of%20all/nightly-report/3", "", at)[0] == "200 OK"
    assert receiver._records["Nightly.Report"].exit_code == 3
    assert receiver.answer("/ping/key%20of%20all/x-y", "", at) == ("409 Conflict", "ambiguous slug")
    for path in ("key of all", "key%20of%20all", "key%20of%20all/nosuch", "other/a", "key%20of%20all/a/start/x", "/a"):
        assert receiver.answer(f"/ping/{path}", "", at) == ("404 Not Found", "not found")
    assert receiver.answer("/ping/Nightly.Report/start", "", at)[0] == "200 OK", "as before"
    without = PingReceiver({"a": ""}, tmp_path, NOW)
    assert without.answer("/ping//a", "", at)[0] == "404 Not Found"


def test_pings_reach_the_monitor_and_outlast_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    config = config_with(
        tmp_path,
        LOOSE
        + "services:\n"
        + "  report: {deadline: {period: 1d, grace: 1h}}\n"
        + "  billing: {deadline: {schedule: '0 3 * * *'}}\n"
        + f"  secret: {{deadline: {{period: 1d, token: 'file:{tmp_path}/token'}}}}\n"
        + "  silent: {deadline: {period: 1d}}\n"
        + f"monitor: {{ping_key: 'file:{tmp_path}/key'}}\n",
    )
    (tmp_path / "key").write_text("fqOOd6-F4MMNuCEnzTU01w\n")
    (tmp_path / "key").chmod(0o600)
    with monitoring(config, tmp_path) as address:
        ping = f"{address}/ping"
        assert curl(f"{ping}/report") == "OK 200"
        assert curl(f"{ping}/fqOOd6-F4MMNuCEnzTU01w/report") == "OK 200"
        assert curl(f"{ping}/fqOOd6-F4MMNuCEnzTU01w/nosuch") == "not found 404"
        assert curl("-I", f"{ping}/report").startswith("HTTP/1.1 200 OK")
        run = "rid=4b2b5f4e-2e0f-4d5a-9a53-3a3f6b0b8f1b"
        assert curl(f"{ping}/billing/start?{run}") == "OK 200"
        assert curl("--data-raw", "x" * 100_000, f"{ping}/billing/3?{run}") == "OK 200"
        assert curl(f"{ping}/{TOKEN}") == "OK 200"
        assert curl(f"{ping}/billing/log") == "OK 200"
        for wrong in ("nobody", "secret", "report/256", "report/stop", "report/fail/1", ""):
            assert curl(f"{ping}/{wrong}") == "not found 404"
        assert curl(f"{ping}/report?rid=1") == "invalid uuid format 400"
        assert curl("-X", "PUT", f"{ping}/report").endswith(" 405")
        wait_for(lambda: 'lilfox_deadline_up{service="billing"} 0' in curl(f"{address}/metrics"), what="it has failed")
        metrics = curl(f"{address}/metrics")
    assert 'lilfox_deadline_exit_status{service="billing"} 3' in metrics
    assert 'lilfox_deadline_duration_seconds{service="billing"}' in metrics
    for name in ("report", "secret", "silent"):
        assert f'lilfox_deadline_up{{service="{name}"}} 1' in metrics
    assert "probe_success" not in metrics
    assert TOKEN not in metrics + (tmp_path / "lilfox.err").read_text()
    before = [read_record(name) for name in ("report", "billing", "secret", "silent")]
    assert all(before)
    checked = lilfox("--config", config, "check")
    assert checked.returncode == 1
    assert re.search(r"the job failed \d+ s ago: exit status 3", checked.stdout)
    with monitoring(config, tmp_path) as address:
        assert [read_record(name) for name in ("report", "billing", "secret", "silent")] == before
        assert curl(f"{address}/ping/billing/0") == "OK 200"
    record = read_record("billing")
    assert record is not None
    assert (record.exit_code, record.failed, record.ended is not None) == (0, None, True)


EVERY_DAY = DeadlineConfig(period=Seconds(86400), grace=Seconds(3600))


@pytest.mark.parametrize(
    ("record", "health", "why"),
    [
        (PingRecord(known=NOW - 24 * HOUR), Health.HEALTHY, ""),
        (PingRecord(known=NOW - 26 * HOUR), Health.ERROR, "the job has not reported yet: due 2 h ago"),
        (PingRecord(known=NOW - 90 * HOUR, ended=NOW - 25 * HOUR), Health.HEALTHY, ""),
        (
            PingRecord(known=NOW - 90 * HOUR, ended=NOW - 27 * HOUR),
            Health.ERROR,
            "the job reported 1 d 3 h ago: the next report was due 3 h ago",
        ),
        (PingRecord(known=NOW, started={"": NOW - HOUR}), Health.HEALTHY, ""),
        (
            PingRecord(known=NOW, ended=NOW - 9 * HOUR, started={"": NOW - 2 * HOUR}),
            Health.ERROR,
            "the job started 2 h ago and has not ended",
        ),
        (
            PingRecord(known=NOW, ended=NOW - 9 * HOUR, failed=NOW - HOUR),
            Health.UNHEALTHY,
            "the job reported a failure 1 h ago",
        ),
    ],
)
def test_when_a_job_is_late(record: PingRecord, health: Health, why: str) -> None:
    _state, found, reason = judge_deadline(EVERY_DAY, record, NOW, UTC)
    assert (found, str(reason or "")) == (health, why)


def test_a_schedule_is_due_at_its_times() -> None:
    config = DeadlineConfig(schedule="0 3 * * *", grace=Seconds(3600))
    record = PingRecord(known=NOW, ended=datetime(2026, 12, 1, 3, 10, tzinfo=UTC))
    for hour, health in ((3, Health.HEALTHY), (5, Health.ERROR)):
        state, found, _why = judge_deadline(config, record, datetime(2026, 12, 2, hour, 30, tzinfo=UTC), UTC)
        assert (state.due, found) == (datetime(2026, 12, 2, 3, tzinfo=UTC), health)


def test_what_a_ping_changes() -> None:
    record = after_ping(PingRecord(known=NOW), "start", "a", NOW)
    record = after_ping(record, "start", "b", NOW + HOUR)
    record = after_ping(record, "", "b", NOW + 2 * HOUR)
    assert (record.took_s, record.ended, list(record.started)) == (3600, NOW + 2 * HOUR, ["a"])
    record = after_ping(record, "7", "a", NOW + 3 * HOUR)
    assert (record.took_s, record.exit_code, record.failed) == (3 * 3600, 7, NOW + 3 * HOUR)
    assert after_ping(record, "log", "", NOW + 4 * HOUR) == record
    record = after_ping(record, "0", "", NOW + 5 * HOUR)
    assert (record.took_s, record.exit_code, record.failed, record.started) == (None, 0, None, {})
    for number in range(60):
        record = after_ping(record, "start", str(number), NOW)
    assert len(record.started) == 50


def test_a_ping_that_cannot_be_kept_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "deadlines"
    folder.mkdir()
    receiver = PingReceiver({"kept-nowhere": ""}, folder, NOW)
    (folder / "kept-nowhere.json").unlink()
    folder.rmdir()
    assert receiver.answer("/ping/kept-nowhere", "", NOW)[0] == "500 Internal Server Error"
    folder.mkdir()
    assert receiver.answer("/ping/kept-nowhere", "", NOW) == ("200 OK", "OK")


async def look(keys: str) -> HealthCheck:
    config = from_text(f"services: {{job: {{deadline: {{{keys}}}}}}}", "config.yaml")
    asked = ServiceWatch("job", config.services["job"])
    await asked.look(None, 1.0)
    assert asked.state is not None
    return asked.state.last


async def test_the_age_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "last success"
    keys = f'period: 1h, grace: 1h, file: "{file}"'
    assert str((await look(keys)).error) == f"cannot read {file} on this machine: No such file or directory"
    file.touch()
    assert (await look(keys)).health is Health.HEALTHY
    then = datetime.now(UTC).timestamp() - 4 * 3600
    os.utime(file, (then, then))
    late = await look(keys)
    assert late.health is Health.ERROR
    assert str(late.error).startswith("the job reported 4 h ago: the next report was due 3 h ago")


async def test_without_a_monitor_nobody_waits() -> None:
    check = await look("period: 1h")
    assert check.health is Health.ERROR
    assert "no ping is recorded: lilfox monitor receives them" in str(check.error)


def test_the_default_rule() -> None:
    source = UnitTestSeries()
    for name, up in (("good", 1.0), ("late", 0.0)):
        labels = LabelSet.of({"__name__": "lilfox_deadline_up", "service": name})
        source.put(labels, 0, 15_000, np.array([up]))
    source.advance(0)
    (group,) = rules_of(DEADLINE_RULES.read_text(), "deadline_rules.yml").groups
    evaluator = GroupEvaluator("deadline_rules.yml", group, EvaluationContext(source, PROMETHEUS_2))
    evaluator.evaluate(source, 0)
    (alert,) = evaluator.alerts()
    assert dict(alert.annotations)["summary"] == "late: the job has not reported in time, or has failed"
    done = check_rules(DEADLINE_RULES)
    assert done.returncode == 0, done.stderr


def test_the_configuration() -> None:
    config = from_text("services: {job: {deadline: {period: 1d, token: 'env:T'}}}", "config.yaml")
    job = config.services["job"]
    assert (job.url, job.metrics, job.slow, job.every, job.down_after) == ("deadline://job", None, None, Seconds(10), 1)
    assert from_text(show(config), "again").services == config.services


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("deadline: {grace: 1h}", "services.job.deadline: set either period or schedule"),
        ("deadline: {period: 1d, schedule: '0 3 * * *'}", "services.job.deadline: set either period or schedule"),
        ("deadline: {schedule: daily}", "services.job.deadline"),
        ("deadline: {period: 1d, file: a}", "services.job.deadline.file"),
        ("deadline: {period: 1d, file: /a, token: 'env:T'}", "use only one of file, token"),
        ("deadline: {period: 1d, token: abc}", "services.job.deadline.token: a secret must not be in this file"),
        ("deadline: {period: 1d}, tcp: 'a:1'", "services.job.deadline: use only one of tcp, deadline"),
    ],
)
def test_what_is_wrong_is_said(keys: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(f"services: {{job: {{{keys}}}}}", "config.yaml")
    assert any(why in problem for problem in caught.value.problems), caught.value.problems
