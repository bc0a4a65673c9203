"""Receivers of an alertmanager.yml as notifiers: what is taken, what is named, and that no secret is read or shown."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lilfox_tui.alerts.alertmanager_file import check_notifications, file_receivers, with_file_receivers
from lilfox_tui.alerts.delivery import open_notifier
from lilfox_tui.alerts.message_template import SAMPLES, with_texts
from lilfox_tui.alerts.notifier import NotifierSetup, subject
from lilfox_tui.alerts.notifiers import smtp, telegram, webhook
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config
from lilfox_tui.config.schema import show
from tests.unit.alerts.running import Run

FILE = """
global:
  smtp_smarthost: mail.example.net:465
  smtp_from: alerts@example.net
  smtp_auth_username: alerts
  smtp_auth_password_file: secrets/mail
  slack_api_url_file: /etc/am/slack
route:
  receiver: ops
  routes:
    - {receiver: db pager, matchers: ['team="db"'], continue: true}
    - {receiver: chat, matchers: ['team=~"db|web"']}
    - {receiver: inline, matchers: ['team="x"']}
templates: [texts/*.tmpl]
receivers:
  - name: ops
    email_configs:
      - {to: 'ops@example.net, sre@example.net', headers: {Subject: '{{ .Status }} {{ .CommonLabels.job }}'}}
  - name: db pager
    pagerduty_configs:
      - {routing_key_file: secrets/pd, description: '{{ template "pagerduty.default.description" . }}', class: x}
    slack_configs:
      - {channel: '#db', title: '{{ template "our.title" . }}', text: '{{ .CommonLabels.alertname }}', color: danger}
      - {channel: '#all', send_resolved: true}
  - name: chat
    telegram_configs:
      - {bot_token_file: /etc/am/bot, chat_id: -100123, message_thread_id: 7, disable_notifications: true}
    webhook_configs:
      - {url: 'http://127.0.0.1:9/x', send_resolved: false, http_config: {tls_config: {insecure_skip_verify: true}}}
    msteamsv2_configs:
      - {webhook_url_file: /etc/am/teams}
  - name: inline
    slack_configs:
      - {api_url: 'https://hooks.slack.com/services/T0/B0/verysecretword'}
    opsgenie_configs:
      - {api_key_file: /etc/am/opsgenie}
    webhook_configs:
      - {url: 'http://127.0.0.1:9/', http_config: {basic_auth: {username: u, password: verysecretword}}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "own.tmpl").write_text('{{ define "our.title" }}DB: {{ .Status | toUpper }}{{ end }}\n')
    (tmp_path / "alertmanager.yml").write_text(FILE)
    text = f"alertmanager_config: {tmp_path}/alertmanager.yml\nalertmanager_receivers: true\n"
    return from_text(text + "notifiers: {bell: {kind: bell}}", "c.yaml")


def test_receivers_are_taken_where_there_is_such_a_notifier(config: Config, tmp_path: Path) -> None:
    found, _lost = file_receivers(config)
    assert list(found) == [
        "ops/smtp", "db pager/pagerduty", "db pager/slack", "db pager/slack/2", "chat/telegram", "chat/webhook",
        "chat/teams",
    ]  # fmt: skip
    mail, bot, hook = found["ops/smtp"], found["chat/telegram"], found["chat/webhook"]
    assert isinstance(mail, smtp.Options)
    assert (mail.server, mail.port, mail.tls, mail.user) == ("mail.example.net", 465, "implicit", "alerts")
    assert mail.password == f"file:{tmp_path}/secrets/mail"
    assert mail.to == ("ops@example.net", "sre@example.net")
    assert isinstance(bot, telegram.Options)
    assert (bot.token, bot.chat, bot.thread, bot.silent) == ("file:/etc/am/bot", "-100123", 7, True)
    assert isinstance(hook, webhook.Options)
    assert (hook.url, hook.verify_tls) == ("http://127.0.0.1:9/x", False)
    assert {name: each.resolved for name, each in found.items()} == {
        "ops/smtp": False, "db pager/pagerduty": True, "db pager/slack": False, "db pager/slack/2": True,
        "chat/telegram": True, "chat/webhook": False, "chat/teams": True,
    }  # fmt: skip
    assert {each.receiver for each in found.values()} == {"ops", "db pager", "chat"}
    assert not found["db pager/pagerduty"].title, "Alertmanager's own texts are LilFox's own"
    assert subject(with_texts(SAMPLES[0], found["db pager/slack"])) == "DB: FIRING"
    for name, options in found.items():
        open_notifier(name, options, NotifierSetup())
        assert from_text(show(Config(notifiers={"x": options})), "c.yaml").notifiers["x"] == options


def test_what_is_not_taken_is_named_with_its_line_and_no_secret_is_shown(config: Config) -> None:
    notes = "\n".join(check_notifications(config))
    assert "verysecretword" not in notes
    what = "slack_configs: api_url: LilFox reads no secret from this file; use api_url_file"
    assert f":34: receiver inline: {what}" in notes
    assert ":36: receiver inline: opsgenie_configs: LilFox has no such notifier; add another one" in notes
    assert ":38: receiver inline: webhook_configs: http_config: basic_auth is not supported" in notes
    assert "receiver db pager: slack_configs: color: has no effect in LilFox" in notes
    assert "receiver db pager: pagerduty_configs: class: has no effect" in notes
    assert "has no notifier" not in notes
    assert "global: has no effect" not in notes
    assert "verysecretword" not in show(with_file_receivers(config))


def test_notifiers_of_ones_own_stand_for_their_receiver_alone(config: Config) -> None:
    text = "notifiers: {mine: {kind: command, argv: [x], receiver: 'db pager'}, chat: {kind: command, argv: [x]}}"
    own = from_text(text, "c.yaml").notifiers
    found, _lost = file_receivers(Config(
        alertmanager_config=config.alertmanager_config, alertmanager_receivers=True, notifiers=own
    ))  # fmt: skip
    assert list(found) == ["ops/smtp"]


def test_without_the_key_none_is_taken(config: Config) -> None:
    plain = Config(alertmanager_config=config.alertmanager_config)
    assert file_receivers(plain) == ({}, [])
    assert with_file_receivers(plain) is plain


async def test_the_engine_has_them(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    run = Run(folder, config=config)
    assert [route.to.name for route in run.engine._receivers._routes][:2] == ["ops/smtp", "db pager/pagerduty"]
    await run.engine._receivers.close()


@pytest.mark.parametrize("labels", ["team=db", "team=web", "team=x", "team=none severity=page"])
def test_amtool_takes_the_file_and_routes_to_the_same_receivers(config: Config, tmp_path: Path, labels: str) -> None:
    file = tmp_path / "alertmanager.yml"
    done = subprocess.run(["amtool", "check-config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    argv = ["amtool", "config", "routes", "test", f"--config.file={file}", *labels.split()]
    theirs = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip().split(",")
    run = Run(tmp_path, config=config)
    tree = run.engine._suppression.tree
    assert tree is not None
    pairs = tuple(sorted(tuple(each.split("=")) for each in labels.split()))
    assert [route.receiver for route in tree.match(pairs)] == theirs  # type: ignore[arg-type]
    reached = {
        route.to.name.partition("/")[0]
        for route in run.engine._receivers._routes
        if tree.grouping(pairs, route.to.route) is not None  # type: ignore[arg-type]
    }
    assert reached == {name for name in theirs if name != "inline"}
