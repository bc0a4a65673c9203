"""Ports and hosts that are asked without HTTP: real sockets, the real ``ping``, a real rule."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.rule_group import EvaluationContext, GroupEvaluator
from lilfox_tui.alerts.rules import from_text as rules_of
from lilfox_tui.alerts.unit_test_runner import UnitTestSeries
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import HostConfig
from lilfox_tui.config.schema import show
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import Health, HealthCheck
from lilfox_tui.metrics.socket_probes import IcmpProbe, NoEcho, TcpProbe, echo
from lilfox_tui.monitor.export_sections import probe_families
from lilfox_tui.monitor.watchers.alert import PROBE_RULES, with_rules_of_prometheus
from lilfox_tui.monitor.watchers.service import ServiceWatch
from lilfox_tui.promql.value import PROMETHEUS_2
from lilfox_tui.scrape.labels import LabelSet
from tests.services.lilfox_command import lilfox
from tests.services.promtool import check_rules
from tests.services.test_cli_check import LOOSE

HERE = LocalHost("web-1", HostConfig(local=True))


def watch(keys: str) -> ServiceWatch:
    config = from_text(f"services: {{db: {{timeout: 1s, {keys}}}}}", "config.yaml")
    return ServiceWatch("db", config.services["db"])


async def ask(keys: str) -> HealthCheck:
    asked = watch(keys)
    await asked.look(None, 1.0)
    assert asked.state is not None
    return asked.state.last


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_a_port_that_accepts_connections_is_healthy_and_timed(port: int) -> None:
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port):
        check = await ask(f"tcp: '127.0.0.1:{port}'")
        assert (check.health, check.status_code, check.error) == (Health.HEALTHY, None, None)
        assert 0 < (check.response_time_s or 0) < 1
        probe = watch(f"tcp: '127.0.0.1:{port}'").probe(None, 1.0)
        assert isinstance(probe, TcpProbe)
        assert 0 <= await probe._from(HERE, "127.0.0.1", str(port)) < 1


async def test_a_port_that_refuses_says_so(port: int) -> None:
    check = await ask(f"tcp: '127.0.0.1:{port}'")
    assert check.health is Health.ERROR
    assert f"127.0.0.1:{port} refuses the connection" in str(check.error)
    probe = watch(f"tcp: '127.0.0.1:{port}'").probe(None, 1.0)
    assert isinstance(probe, TcpProbe)
    with pytest.raises(NoEcho, match=f"127.0.0.1:{port} cannot be reached from web-1: Connection refused"):
        await probe._from(HERE, "127.0.0.1", str(port))


async def test_a_port_that_does_not_answer_times_out(port: int) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", port))
        full.listen(0)
        waiting = [socket.socket() for _number in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        check = await ask(f"tcp: '127.0.0.1:{port}'")
        for each in waiting:
            each.close()
    assert str(check.error) == f"no answer from 127.0.0.1:{port} within 1 s"


@pytest.mark.root
@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
async def test_an_echo_by_a_socket(address: str) -> None:
    assert 0 < await echo(address) < 1
    check = await ask(f'icmp: "{address}"')
    assert (check.health, check.error) == (Health.HEALTHY, None)


async def test_an_echo_by_the_ping_of_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ping").symlink_to("/usr/bin/busybox")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    probe = watch("icmp: 127.0.0.1").probe(None, 1.0)
    assert isinstance(probe, IcmpProbe)
    assert 0 < await probe._ping(HERE) < 1
    probe = watch("icmp: no.such.host.invalid").probe(None, 1.0)
    assert isinstance(probe, IcmpProbe)
    with pytest.raises(NoEcho, match=r"no\.such\.host\.invalid cannot be reached from web-1"):
        await probe._ping(HERE)


def test_check_shows_them_as_services_and_exports_name_them_as_the_blackbox_exporter(tmp_path: Path, port: int) -> None:
    config = tmp_path / "config.yaml"
    services = f"services:\n  db: {{tcp: '127.0.0.1:{port}', depends_on: [here]}}\n"
    config.write_text("hosts: {here: {local: true}}\n" + LOOSE + services)
    config.chmod(0o600)
    done = lilfox("--config", config, "check")
    assert done.returncode == 1
    assert f"127.0.0.1:{port} refuses the connection" in done.stdout


@pytest.mark.parametrize(("value", "fires"), [(0.0, True), (1.0, False)])
def test_the_default_rule(value: float, fires: bool) -> None:
    source = UnitTestSeries()
    labels = {"__name__": "probe_success", "job": "db", "instance": "db-1:5432"}
    source.put(LabelSet.of(labels), 0, 15_000, np.array([value] * 9))
    (group,) = rules_of(PROBE_RULES.read_text(), "probe_rules.yml").groups
    evaluator = GroupEvaluator("probe_rules.yml", group, EvaluationContext(source, PROMETHEUS_2))
    for at_ms in (0, 60_000, 120_000):
        source.advance(at_ms)
        evaluator.evaluate(source, at_ms)
    told = [(each.is_firing, dict(each.annotations)["summary"]) for each in evaluator.alerts()]
    assert told == [(True, "db: db-1:5432 does not answer")] * fires
    done = check_rules(PROBE_RULES)
    assert done.returncode == 0, done.stderr


def test_the_default_rule_is_evaluated_where_there_are_rules_and_a_port() -> None:
    for keys, added in (("tcp: 'a:1'", (str(PROBE_RULES),)), ("icmp: a", (str(PROBE_RULES),)), ("url: 'http://a'", ())):
        config = replace(from_text(f"services: {{db: {{{keys}}}}}", "config.yaml"), rules=("own.yml",))
        assert with_rules_of_prometheus(config).rules == ("own.yml", *added)
    assert with_rules_of_prometheus(from_text("services: {db: {icmp: a}}", "config.yaml")).rules == ()


async def test_the_series(port: int) -> None:
    asked = watch(f"tcp: 'localhost:{port}'")
    await asked.look(None, 1.0)
    found = {name: lines for name, _kind, _help, lines in probe_families([asked.view()])}
    assert found == {
        "probe_success": [((("job", "db"), ("instance", f"localhost:{port}")), 0.0)],
        "probe_duration_seconds": [],
    }


def test_the_configuration() -> None:
    config = from_text("services: {db: {tcp: 'db-1:5432'}, gate: {icmp: 192.0.2.1}}", "config.yaml")
    assert [(each.url, each.metrics) for each in config.services.values()] == [
        ("tcp://db-1:5432", None),
        ("icmp://192.0.2.1", None),
    ]
    assert from_text(show(config), "again").services == config.services


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("tcp: db-1", "services.db.tcp: “db-1” is not a valid address; write HOST:PORT"),
        ("tcp: 'db-1:1', icmp: db-1", "services.db.icmp: use only one of tcp, icmp"),
        ("tcp: 'db-1:1', url: 'http://a'", "services.db.url: use only one of url, tcp"),
        ("icmp: -f", "services.db.icmp"),
        ("icmp: a, headers: {a: b}", "services.db.headers: a service with icmp is not asked over HTTP"),
    ],
)
def test_what_is_wrong_is_said(keys: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(f"services: {{db: {{{keys}}}}}", "config.yaml")
    assert any(why in problem for problem in caught.value.problems), caught.value.problems
