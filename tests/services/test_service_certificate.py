"""The certificate of a service, from the handshake of its health check: as series, and in the default rule."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.alerts.rule_group import EvaluationContext, GroupEvaluator
from lilfox_tui.alerts.rules import from_text
from lilfox_tui.alerts.unit_test_runner import UnitTestSeries
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.model import Config, ServiceConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.metrics import health
from lilfox_tui.metrics.health import HealthProbe, validity
from lilfox_tui.metrics.model import CertificateTimes, Health
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.series import MonitorSeries
from lilfox_tui.monitor.watchers.alert import _CERTIFICATE_RULES, with_rules_of_prometheus
from lilfox_tui.promql.value import PROMETHEUS_2
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.services.audit_site import Authority
from tests.services.http_servers import Keeping, own_certificate, page, serving
from tests.services.nginx import Nginx
from tests.services.promtool import check_rules

SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;
        location / {{ return 200 "ok"; }}
    }}
"""
DAY = timedelta(days=1)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path / "authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def test_a_real_server_shows_until_when_its_certificate_is_valid(tmp_path: Path, authority: Authority) -> None:
    folder = tmp_path / "nginx"
    folder.mkdir()
    authority.issue(folder, names=("127.0.0.1",), begin=-75 * DAY, end=15 * DAY)
    with Nginx(folder, SERVER) as nginx:
        services = {
            "shop": ServiceConfig(url=f"https://127.0.0.1:{nginx.port}", metrics=None),
            "own": ServiceConfig(url=f"https://127.0.0.1:{nginx.port}", metrics=None, verify_tls=False),
            "plain": ServiceConfig(url="http://127.0.0.1:1", metrics=None, timeout=Seconds(1)),
        }
        overview = await Monitor(Config(services=services)).check_once(60)
        requests = nginx.requests_logged()
    assert requests == 2, "the health checks alone"
    loaded = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    for name in ("shop", "own"):
        state = overview.services[name].state
        assert state is not None
        assert state.last.health is Health.HEALTHY
        assert state.certificate == CertificateTimes(loaded.not_valid_before_utc, loaded.not_valid_after_utc)
    document = report(overview)
    jsonschema.validate(document["services"]["shop"], {"$ref": "#/$defs/service", "$defs": schema("check")["$defs"]})
    assert document["services"]["shop"]["certificate"]["days_left"] == 14
    assert document["services"]["plain"].get("certificate") is None
    end = loaded.not_valid_after_utc.timestamp()
    text = prometheus(overview, {})
    assert f'lilfox_service_certificate_expiry_timestamp_seconds{{service="shop"}} {end}' in text
    assert 'lilfox_service_certificate_expiry_timestamp_seconds{service="plain"}' not in text
    store = SeriesStore(keep_s=3600, limit_bytes=10**7)
    MonitorSeries(store).take_certificates(overview.services.values(), overview.at)
    assert store.target("certificates").series_count == 4


async def test_a_renewed_certificate_is_seen_on_a_kept_connection_after_an_hour(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.issue(tmp_path, names=("localhost",), end=5 * DAY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server = Keeping(100)
    async with serving(server, context) as port:
        probe = HealthProbe("shop", ServiceConfig(url=f"https://localhost:{port}"), None, period_s=10)
        days = []
        for again_s in (3600.0, 3600.0, -1.0):
            monkeypatch.setattr(health, "SHOWN_AGAIN_S", again_s)
            await probe.check_once()
            state = probe.feed.value
            assert state is not None
            assert state.certificate is not None
            days.append((state.certificate.days_left(datetime.now(UTC)), server.connections))
            authority.issue(tmp_path, names=("localhost",), end=50 * DAY)
            context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
        await probe.close()
    assert days == [(4, 1), (4, 1), (49, 2)]
    assert len(server.heads) == 3


async def test_the_last_certificate_stays_known_while_the_service_is_down(tmp_path: Path) -> None:
    async with serving(page(b"ok"), own_certificate(tmp_path)) as port:
        config = ServiceConfig(url=f"https://localhost:{port}", verify_tls=False, timeout=Seconds(2))
        probe = HealthProbe("shop", config, None, period_s=10)
        await probe.check_once()
        first = probe.feed.value
    await probe.check_once()
    second = probe.feed.value
    await probe.close()
    assert first is not None
    assert second is not None
    assert second.last.health is Health.ERROR
    assert second.certificate == first.certificate is not None


@pytest.mark.parametrize(
    ("whole", "left", "fires"),
    [
        (timedelta(days=90), timedelta(days=22), False),
        (timedelta(days=90), timedelta(days=20), True),
        (timedelta(days=365), timedelta(days=30), False),
        (timedelta(days=365), timedelta(days=20), True),
        (timedelta(days=6), timedelta(days=4), False),
        (timedelta(days=6), timedelta(days=1), True),
        (timedelta(days=1), timedelta(hours=10), False),
        (timedelta(days=90), timedelta(hours=-1), True),
    ],
)
def test_the_default_rule_and_the_page_agree(whole: timedelta, left: timedelta, fires: bool) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    times = CertificateTimes(now + left - whole, now + left)
    source, at_ms = UnitTestSeries(), round(now.timestamp() * 1000)
    for name, value in (("start", times.start), ("expiry", times.end)):
        labels = {"__name__": f"lilfox_service_certificate_{name}_timestamp_seconds", "service": "shop"}
        source.put(LabelSet.of(labels), at_ms, 60_000, np.array([value.timestamp()]))
    source.advance(at_ms)
    (group,) = from_text(_CERTIFICATE_RULES.read_text(), "rules.yml").groups
    evaluator = GroupEvaluator("rules.yml", group, EvaluationContext(source, PROMETHEUS_2))
    evaluator.evaluate(source, at_ms)
    (rule,) = evaluator.rules
    assert rule.error is None
    assert bool(evaluator.alerts()) is fires is times.expires_soon(now)
    told = [dict(each.annotations)["summary"] for each in evaluator.alerts()]
    assert told == [f"shop: the certificate has {times.days_left(now)} days left"] * fires


def test_the_default_rule_is_one_for_prometheus() -> None:
    done = check_rules(_CERTIFICATE_RULES)
    assert done.returncode == 0, done.stderr


def test_the_default_rule_is_evaluated_where_there_are_rules_and_a_service_with_tls() -> None:
    tls = {"shop": ServiceConfig(url="https://shop.example.org")}
    plain = {"shop": ServiceConfig(url="http://shop.example.org")}
    rules = ("own.yml",)
    assert with_rules_of_prometheus(Config(services=tls, rules=rules)).rules == (*rules, str(_CERTIFICATE_RULES))
    assert with_rules_of_prometheus(Config(services=plain, rules=rules)).rules == rules
    assert with_rules_of_prometheus(Config(services=tls)).rules == ()


@given(st.binary(max_size=200))
def test_what_is_no_certificate_has_no_times(der: bytes) -> None:
    assert validity(der) is None


def test_times_of_both_forms_are_read(tmp_path: Path) -> None:
    made = Authority(tmp_path)
    for years in (1, 40):
        made.issue(tmp_path, end=timedelta(days=365 * years))
        loaded = x509.load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
        der = ssl.PEM_cert_to_DER_cert((tmp_path / "certificate.pem").read_text())
        assert validity(der) == (loaded.not_valid_before_utc, loaded.not_valid_after_utc)
        for length in range(0, len(der), 7):
            assert validity(der[:length]) is None
