"""Lines of a real log that are counted: a service, a series, and an alert of a rule that selects it."""

from __future__ import annotations

import re
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.config.schema import show
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.metrics.model import Health, ServiceState
from lilfox_tui.monitor.export_sections import lines_families
from lilfox_tui.monitor.watchers.alert import LOG_LINE_RULES
from lilfox_tui.monitor.watchers.service import ServiceWatch
from tests.services.lilfox_command import lilfox, running
from tests.services.promtool import check_rules
from tests.services.test_cli_check import LOOSE
from tests.waiting import wait_for

LINES = "{log: app, where: 'level>=error \"timed out\"', window: 5m, count: 3}"


def config_of(file: Path, lines: str = LINES) -> str:
    return (
        f"hosts: {{here: {{local: true}}}}\nlogs: {{app: {{kind: file, host: here, path: {file}}}}}\n"
        f"services:\n  timeouts: {{lines: {lines}}}\n"
    )


def write(file: Path, *lines: tuple[float, str]) -> None:
    """Lines, each so many seconds ago."""
    now = datetime.now(UTC)
    with file.open("a") as log:
        for ago_s, text in lines:
            log.write(f"{(now - timedelta(seconds=ago_s)).isoformat()} {text}\n")


async def look(watch: ServiceWatch) -> ServiceState:
    await watch.look(None, 1.0)
    assert watch.state is not None
    return watch.state


def watch_of(file: Path, lines: str = LINES) -> ServiceWatch:
    config = from_text(config_of(file, lines), "config.yaml")
    watch = ServiceWatch("timeouts", config.services["timeouts"])
    watch.whole = config
    return watch


async def test_lines_within_the_window_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    write(file, (900, "ERROR timed out"), (800, "ERROR timed out"), (290, "ERROR timed out"), (200, "INFO timed out"))
    write(file, (100, "ERROR timed out"), (90, "ERROR refused"))
    watch = watch_of(file)
    state = await look(watch)
    assert (state.last.health, state.lines) == (Health.HEALTHY, 2)
    write(file, *((5, "ERROR timed out") for _number in range(1200)))
    state = await look(watch)
    assert (state.last.health, state.lines) == (Health.UNHEALTHY, 1202)
    assert str(state.last.error) == '1,202 lines of app in 5 min match: level>=error "timed out"'
    labels = (("service", "timeouts"), ("log", "app"))
    assert {name: lines for name, _kind, _help, lines in lines_families([watch.view()])} == {
        "lilfox_log_lines": [(labels, 1202.0)],
        "lilfox_log_lines_limit": [(labels, 3.0)],
    }
    file.rename(tmp_path / "app.log.1")
    write(file, (1, "ERROR timed out"))
    assert (await look(watch)).lines == 1203


async def test_a_log_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    state = await look(watch_of(tmp_path / "none.log"))
    assert state.last.health is Health.ERROR
    assert str(state.last.error).startswith("the log app cannot be read: ")


RULES = """groups:
  - name: own
    interval: 1s
    rules:
      - {alert: ManyTimeouts, expr: lilfox_log_lines > 3, labels: {severity: critical}}
      - {alert: PortDown, expr: probe_success == 0, labels: {severity: critical}}
      - {alert: JobLate, expr: lilfox_deadline_up == 0, labels: {severity: critical}}
"""


def test_check_sees_them_and_rules_of_the_monitor_select_the_series(tmp_path: Path) -> None:
    file, config = tmp_path / "app.log", tmp_path / "config.yaml"
    write(file, *((5, "ERROR timed out") for _number in range(4)))
    others = f"  gone: {{tcp: '127.0.0.1:1'}}\n  job: {{deadline: {{period: 1d, file: {tmp_path}/none}}}}\n"
    config.write_text(LOOSE + "refresh: 500ms\nrules: [rules.yml]\n" + config_of(file) + others)
    config.chmod(0o600)
    (tmp_path / "rules.yml").write_text(RULES)
    done = lilfox("--config", config, "check")
    assert done.returncode == 1
    assert '4 lines of app in 5 min match: level>=error "timed out"' in done.stdout
    argv: list[str | Path] = ["--config", config, "monitor", "--output", tmp_path / "log", "--listen", "127.0.0.1:0"]
    with running(argv, tmp_path / "lilfox"):
        told = tmp_path / "lilfox.err"
        wait_for(lambda: "/metrics" in told.read_text(), what="the monitor listens")
        address = re.search(r"http://\S+/metrics", told.read_text())
        assert address is not None

        wanted = {"ManyTimeouts", "PortDown", "JobLate", "TooManyLogLines", "DeadlineMissed"}

        def firing() -> set[str]:
            with urllib.request.urlopen(address[0], timeout=20) as answer:
                text = answer.read().decode()
            return set(re.findall(r'ALERTS\{[^}]*alertname="(\w+)"', text))

        wait_for(lambda: wanted <= firing(), what="the rules fire")


def test_the_default_rule_is_one_for_prometheus() -> None:
    done = check_rules(LOG_LINE_RULES)
    assert done.returncode == 0, done.stderr


def test_the_configuration(tmp_path: Path) -> None:
    config = from_text(config_of(tmp_path / "a.log"), "config.yaml")
    service = config.services["timeouts"]
    assert (service.url, service.from_, service.every) == ("lines://app", "here", Seconds(15))
    assert from_text(show(config), "again").services == config.services


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("{log: other, where: error}", "services.timeouts.lines.log"),
        ("{log: app}", "services.timeouts.lines.where: this key is missing"),
        ("{log: app, where: 'level>=loud'}", "services.timeouts.lines: where: "),
        ("{log: app, where: error, count: 0}", "services.timeouts.lines.count"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, lines: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(config_of(tmp_path / "a.log", lines), "config.yaml")
    assert any(why in problem for problem in caught.value.problems), caught.value.problems
