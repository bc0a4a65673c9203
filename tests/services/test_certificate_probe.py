"""Certificates in files and of ports: the days that are left, the chain, and the names."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config
from lilfox_tui.config.schema import show
from lilfox_tui.core.errors import ConfigError
from lilfox_tui.metrics.model import Health, ServiceState
from lilfox_tui.monitor.export_sections import certificate_families
from lilfox_tui.monitor.watchers.alert import _CERTIFICATE_RULES, with_rules_of_prometheus
from lilfox_tui.monitor.watchers.service import ServiceWatch
from tests.services.audit_site import Authority
from tests.services.http_servers import own_certificate, page, serving

DAY = timedelta(days=1)


def config_of(keys: str) -> Config:
    return from_text(f"services: {{shop: {{certificate: {{{keys}}}}}}}", "config.yaml")


async def look(keys: str) -> ServiceState:
    asked = ServiceWatch("shop", config_of(keys).services["shop"])
    await asked.look(None, 1.0)
    assert asked.state is not None
    return asked.state


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


async def test_a_chain_in_a_file(tmp_path: Path, authority: Authority) -> None:
    authority.issue(tmp_path, names=("shop.example.org", "*.cdn.example.org", "192.0.2.1"), end=50 * DAY)
    file = tmp_path / "full chain.pem"
    leaf, key = (tmp_path / "certificate.pem").read_bytes(), (tmp_path / "key.pem").read_bytes()
    file.write_bytes(key + leaf + authority.file.read_bytes())
    names = '["shop.example.org", "a.cdn.example.org", "192.0.2.1"]'
    state = await look(f'file: "{file}", chain: true, names: {names}')
    assert (state.last.health, state.last.error) == (Health.HEALTHY, None)
    assert state.certificate is not None
    assert state.certificate.days_left(datetime.now(UTC)) == 49
    for wrong in ("example.org", "b.a.cdn.example.org", "192.0.2.2"):
        state = await look(f'file: "{file}", names: ["{wrong}", "shop.example.org"]')
        assert (state.last.health, str(state.last.error)) == (
            Health.UNHEALTHY,
            f"the certificate is not for {wrong}",
        )
    file.write_bytes(leaf)
    assert (await look(f'file: "{file}"')).last.health is Health.HEALTHY
    state = await look(f'file: "{file}", chain: true')
    missing = "the chain is not complete: the certificate of the tests' own authority is missing"
    assert str(state.last.error) == missing
    other = Authority(tmp_path / "other")
    file.write_bytes(leaf + other.file.read_bytes())
    broken = "the chain is broken: the tests' own authority issued the certificate of shop.example.org, but that"
    assert str((await look(f'file: "{file}"')).last.error).startswith(broken)


@pytest.mark.parametrize(
    ("begin", "end", "why"),
    [
        (-90 * DAY, -2 * DAY, "the certificate of shop expired 2 d ago"),
        (2 * DAY, 90 * DAY, "the certificate of shop is not valid yet"),
    ],
)
async def test_the_time_of_a_file(
    tmp_path: Path, authority: Authority, begin: timedelta, end: timedelta, why: str
) -> None:
    authority.issue(tmp_path, names=("shop",), begin=begin, end=end)
    state = await look(f"file: {tmp_path}/certificate.pem")
    assert (state.last.health, str(state.last.error)) == (Health.UNHEALTHY, why)
    assert state.certificate is not None


async def test_a_file_that_is_none(tmp_path: Path) -> None:
    for content, why in (
        (None, "cannot read .* on this machine: No such file or directory"),
        ("", "has no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has a certificate that cannot be read"),
    ):
        if content is not None:
            (tmp_path / "c.pem").write_text(content)
        state = await look(f"file: {tmp_path}/c.pem")
        assert state.last.health is Health.ERROR
        assert re.search(why, str(state.last.error))


async def test_a_port(tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.issue(tmp_path, names=("localhost",), end=50 * DAY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    async with serving(page(b"ok"), context) as port:
        untrusted = await look(f"address: 'localhost:{port}'")
        assert untrusted.last.health is Health.UNHEALTHY
        assert f"the certificate of localhost:{port} is not trusted: unable to get local issuer" in str(
            untrusted.last.error
        )
        assert untrusted.certificate is not None
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        good = await look(f"address: 'localhost:{port}', names: [localhost]")
        assert (good.last.health, good.last.error) == (Health.HEALTHY, None)
        assert good.last.response_time_s is not None
        mismatch = await look(f"address: '127.0.0.1:{port}'")
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in str(mismatch.last.error)
        assert str((await look(f"address: 'localhost:{port}', names: [shop]")).last.error).endswith("not for shop")
    refused = await look(f"address: 'localhost:{port}'")
    assert "refuses the connection" in str(refused.last.error)


async def test_their_times_are_the_series_of_the_rule(tmp_path: Path) -> None:
    own_certificate(tmp_path)
    keys = f"file: {tmp_path}/certificate.pem"
    asked = ServiceWatch("shop", config_of(keys).services["shop"])
    await asked.look(None, 1.0)
    found = {name: lines for name, _kind, _help, lines in certificate_families([asked.view()])}
    ((labels, ends),) = found["lilfox_service_certificate_expiry_timestamp_seconds"]
    assert labels == (("service", "shop"),)
    assert 0 < ends - datetime.now(UTC).timestamp() < 86400
    config = from_text(f"rules: [own.yml]\nservices: {{shop: {{certificate: {{{keys}}}}}}}", "config.yaml")
    assert with_rules_of_prometheus(config).rules == ("own.yml", str(_CERTIFICATE_RULES))


def test_the_configuration() -> None:
    config = config_of("file: /etc/ssl/shop.pem, chain: true")
    assert config.services["shop"].url == "certificate:///etc/ssl/shop.pem"
    assert from_text(show(config), "again").services == config.services


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("chain: true", "services.shop.certificate: set either file or address"),
        ("file: /a, address: 'a:1'", "services.shop.certificate: set either file or address"),
        ("file: a", "services.shop.certificate.file"),
        ("address: a", "services.shop.certificate: address: write HOST:PORT"),
        ("address: 'a:1', sudo: true", "services.shop.certificate: sudo is for a file; remove it"),
    ],
)
def test_what_is_wrong_is_said(keys: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(keys)
    assert any(why in problem for problem in caught.value.problems), caught.value.problems
