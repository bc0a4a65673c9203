"""The sections ``prometheus`` and ``alertmanager``."""

from __future__ import annotations

import jsonschema
import pytest

from lilfox_tui.config.loader import from_text, secret_refs
from lilfox_tui.config.model import ApiConfig
from lilfox_tui.config.schema import schema, show
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import ConfigError


def test_an_address_alone_stands_for_the_section() -> None:
    config = from_text("{prometheus: 'http://127.0.0.1:9090', alertmanager: {url: 'http://a:9093'}}", "c.yaml")
    assert config.prometheus == ApiConfig(url="http://127.0.0.1:9090")
    assert config.alertmanager == ApiConfig(url="http://a:9093")
    assert from_text("{prometheus: null}", "c.yaml").prometheus is None


def test_all_keys_are_read_and_shown_again() -> None:
    text = """
        hosts: {web-1: {}}
        prometheus: {url: 'https://p/x', from: web-1, headers: {Authorization: 'env:T'}, user: u, password: 'env:P',
                     verify_tls: false, ca_file: /ca.pem, timeout: 5s}
    """
    config = from_text(text, "c.yaml")
    assert config.prometheus == ApiConfig(
        url="https://p/x", from_="web-1", headers={"Authorization": SecretRef("env:T")}, user="u",
        password=SecretRef("env:P"), verify_tls=False, ca_file="/ca.pem", timeout=Seconds(5),
    )  # fmt: skip
    assert set(secret_refs(config)) == {"env:T", "env:P"}
    assert from_text(show(config), "shown.yaml") == config


def test_series_of_hosts_and_services_are_named_by_labels() -> None:
    text = "{hosts: {web-1: {series: {instance: 'w:9100'}}}, services: {shop: {url: 'http://s', series: {job: s}}}}"
    config = from_text(text, "c.yaml")
    assert config.hosts["web-1"].series == {"instance": "w:9100"}
    assert config.services["shop"].series == {"job": "s"}
    for wrong in ("hosts: {web-1: {series: {a-b: c}}}", "services: {shop: {url: 'http://s', series: {a-b: c}}}"):
        with pytest.raises(ConfigError) as refused:
            from_text("{" + wrong + "}", "c.yaml")
        assert "series.a-b: “a-b” cannot be used as a label name" in str(refused.value)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ("p:9090", "prometheus.url: not an address"),
        ("'http://u:p@p:9090'", "prometheus.url: the address contains a user or password"),
        ("{user: u}", "prometheus.url: this key is missing"),
        ("{url: 'http://p', from: nowhere}", "prometheus.from: no host named"),
        ("{url: 'http://p', user: u, bearer: 'env:B'}", "prometheus.bearer: use only one of"),
        ("{url: 'http://p', password: 'env:B'}", "prometheus.password: password needs a user"),
        ("{url: 'http://p', headers: {X-Token: abc}}", "prometheus.headers.X-Token: this header holds a secret"),
        ("[1]", "prometheus: expected a mapping"),
    ],
)
def test_what_is_wrong_is_named(section: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(f"prometheus: {section}", "c.yaml")
    assert says in "\n".join(caught.value.problems)


@pytest.mark.parametrize("section", ["http://p:9090", {"url": "http://p:9090", "timeout": "5s"}, None])
def test_the_schema_takes_both_forms(section: object) -> None:
    jsonschema.validate({"prometheus": section}, schema())


def test_the_schema_refuses_what_is_neither() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"prometheus": {"timeout": "5s"}}, schema())
