"""The sections ``rules``, ``alerts`` and ``notifiers``."""

from __future__ import annotations

import pytest

from lilfox_tui.alerts.notifiers import command, smtp, webhook
from lilfox_tui.config.loader import from_text, secret_refs
from lilfox_tui.config.model import AlertsConfig, NotifierConfig
from lilfox_tui.config.schema import show
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import ConfigError


def problem(text: str) -> str:
    """The only finding in ``text``, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        from_text(text, "c.yaml")
    (found,) = caught.value.problems
    return found.removeprefix("c.yaml:")


def test_each_notifier_is_the_options_of_its_kind() -> None:
    config = from_text(
        """
        rules: [rules/*.yml, /etc/prometheus/rules.yml]
        alerts: {every: 30s, remind: null, group_by: [alertname, team], external_labels: {site: eu}}
        notifiers:
          mail: {kind: smtp, server: m.example.net, from: a@b.example, to: [c@d.example], password: "env:MAIL"}
          chat: {kind: webhook, url: "env:HOOK", only: ['severity="page"'], resolved: false, timeout: 5s}
          pager: {kind: command, argv: [page, --now]}
        """,
        "c.yaml",
    )
    assert config.rules == ("rules/*.yml", "/etc/prometheus/rules.yml")
    assert config.alerts == AlertsConfig(
        every=Seconds(30), remind=None, group_by=("alertname", "team"), external_labels={"site": "eu"}
    )
    assert config.notifiers == {
        "mail": smtp.Options(
            server="m.example.net", from_="a@b.example", to=("c@d.example",), password=SecretRef("env:MAIL")
        ),
        "chat": webhook.Options(
            url=SecretRef("env:HOOK"), only=('severity="page"',), resolved=False, timeout=Seconds(5)
        ),
        "pager": command.Options(argv=("page", "--now")),
    }
    assert all(isinstance(each, NotifierConfig) for each in config.notifiers.values())
    assert set(secret_refs(config)) == {"env:MAIL", "env:HOOK"}
    assert from_text(show(config), "shown.yaml") == config


@pytest.mark.parametrize(
    ("notifier", "says"),
    [
        (
            "{kind: webhok, url: 'http://h'}",
            "notifiers.a.kind: no such kind of notifier; did you mean webhook",
        ),
        ("{url: 'http://h'}", "notifiers.a.kind: no such kind of notifier; one of: alertmanager"),
        ("{kind: webhook}", "notifiers.a.url: this key is missing; add it"),
        ("{kind: webhook, url: 'http://u:hunter2@h'}", "notifiers.a.url: the address contains a user or password"),
        ("{kind: alertmanager, url: 'h:9093'}", "notifiers.a.url: not an address"),
        ("{kind: webhook, url: 'http://h', headers: {Authorization: hunter2}}", "notifiers.a.headers.Authorization: "),
        ("{kind: smtp, server: m, from: a@b, to: []}", "notifiers.a.to: fewer than 1 items"),
        ("{kind: smtp, server: m, from: a@b, to: [c@d], password: hunter2}", "notifiers.a.password: "),
        ("{kind: smtp, server: m, from: a@b, to: [c@d], tls: yes}", "notifiers.a.tls"),
        (
            "{kind: smtp, server: m, from: a@b, to: [c@d], tls: none, user: fox, password: 'env:MAIL'}",
            "notifiers.a.tls: the password would be sent unencrypted; write tls: starttls, or remove user and password",
        ),
        (
            "{kind: smtp, server: m, from: Ops <a@b>, to: [c@d]}",
            "notifiers.a.from: “Ops <a@b>” is not an email address",
        ),
        ("{kind: smtp, server: m, from: a@b, to: [c@d, ops@]}", "notifiers.a.to.2: “ops@” is not an email address"),
        ("{kind: command, argv: []}", "notifiers.a.argv: fewer than 1 items"),
        ("[x]", "notifiers.a"),
    ],
)
def test_what_is_wrong_is_named_with_what_there_is(notifier: str, says: str) -> None:
    found = problem(f"notifiers:\n  a: {notifier}\n")
    assert found.startswith(f"2: {says}")
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ("{external_labels: {a-b: c}}", "alerts.external_labels: “a-b” is not a valid label name"),
        ("{group_by: ['...']}", "alerts.group_by: “...” is not a valid label name"),
        ("{external_url: fox}", "alerts.external_url: not an address"),
        ("{every: 0s}", "alerts.every: "),
        ("{group_interval: 0s}", "alerts.group_interval: "),  # as Alertmanager
        ("{group_wait: -1s}", "alerts.group_wait: "),
    ],
)
def test_what_is_wrong_with_alerts_is_named(alerts: str, says: str) -> None:
    assert problem(f"alerts: {alerts}\n").startswith(f"1: {says}")


@pytest.mark.fault("4.67")
@pytest.mark.parametrize("wait", ["0s", "0", "0ms", "0.0h"])
def test_alerts_of_a_group_may_be_told_at_once(wait: str) -> None:
    assert from_text(f"alerts: {{group_wait: {wait}}}\n", "c.yaml").alerts.group_wait <= 0


def test_a_template_may_have_several_lines_and_is_shown_so_that_it_is_read_back() -> None:
    text = "notifiers:\n  n:\n    kind: gotify\n    url: http://h\n    token: env:X\n    message: |\n"
    text += "      {{ .Status }}\n      b\n"
    config = from_text(text, "c.yaml")
    assert config.notifiers["n"].message == "{{ .Status }}\nb\n"
    assert from_text(show(config), "c.yaml").notifiers["n"] == config.notifiers["n"]
