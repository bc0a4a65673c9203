"""The four rules of an operations manual over the demo's real services: linted, corrected as the linter says, firing by
a fault, over when it is healed; real mail, a webhook and a real Alertmanager hear each once, over a kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, AlertDatabase, Outbox
from lilfox_tui.demo.stack import Stack
from tests.services.alertmanager import AlertmanagerServer
from tests.services.http_stand_in import Reply, StandIn
from tests.services.lilfox_command import lilfox, running
from tests.services.mail_server import Authority, Box, mail_server
from tests.unit.alerts.manual_rules import MANUAL
from tests.waiting import PATIENCE_S, pause, unhurried, until

CONFIG = """\
hosts: {{here: {{local: true}}}}
services: {services}
rules: [rules.yml]
alerts: {{every: 1s, group_wait: 500ms, group_interval: 1s, resend: 30s}}
notifiers:
  mail: {{kind: smtp, server: localhost, port: {port}, ca: {ca}, from: a@b.example, to: [c@d.example]}}
  chat: {{kind: webhook, url: '{hook}/chat'}}
  am: {{kind: alertmanager, url: '{alertmanager}'}}
"""
Remarks = dict[str, tuple[str, str]]


@pytest.fixture
async def stack() -> AsyncIterator[Stack]:
    async with Stack(port_base=0, rate=30) as services:
        yield services


@pytest.fixture
async def hook() -> AsyncIterator[StandIn]:
    server = StandIn(lambda _request: Reply(200))
    async with server.running():
        yield server


def remarks_on(rules: Path, *more: str) -> Remarks:
    """What the linter says by rule: the code and the hint of what it says of the expression first."""
    done = lilfox("alerts", "lint", rules, "--json", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    found: Remarks = {}
    for each in json.loads(done.stdout)["files"][0]["warnings"]:
        if each["code"] != "no-severity":
            found.setdefault(each["rule"], (each["code"], each["hint"]))
    return found


def corrected(text: str, remarks: Remarks) -> str:
    """With the expressions that the linter gives, over seconds instead of minutes."""
    lines = text.splitlines()
    for rule in ("HighErrorRate", "HighLatency"):
        at = lines.index(f"      - alert: {rule}") + 1
        lines[at] = "        expr: " + remarks[rule][1].removeprefix("use instead: ")
    quick = "\n".join(lines) + "\n"
    for long, short in (("[5m]", "[8s]"), ("for: 5m", f"for: {unhurried(4):.0f}s"), ("for: 10m", "for: 2s")):
        quick = quick.replace(long, short)
    return quick


class Lab:
    """A configuration over the demo's services, and the processes of LilFox that use it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        self.rules = folder / "rules.yml"
        self._log = folder / "monitor"

    def configure(self, stack: Stack, **places: object) -> None:
        """Writes the configuration."""
        services = {name: {"url": each.url, "metrics_every": "1s"} for name, each in stack.services.items()}
        self.config.write_text(CONFIG.format(services=json.dumps(services), **places))
        self.config.chmod(0o600)

    def monitor(self) -> contextlib.AbstractContextManager[object]:
        """``lilfox monitor`` until the end of the block, which is a kill -9."""
        report = self._log.with_suffix(".jsonl")
        return running(["monitor", "--quiet", "--output", report, "--config", self.config], self._log)

    async def state(self, name: str, state: str) -> dict[str, Any]:
        """The alert, once ``lilfox alerts list`` shows it in this state."""
        found: list[dict[str, Any]] = []

        async def look() -> None:
            while not found:
                done = await asyncio.to_thread(lilfox, "alerts", "list", "--json", "--config", self.config)
                if done.returncode in (0, 1) and done.stdout:
                    alerts = json.loads(done.stdout)["alerts"]
                    found.extend(one for one in alerts if (one["name"], one["state"]) == (name, state))
                await pause(0.5)  # a whole program for a look, and the demo wants the processors too

        async with asyncio.timeout(PATIENCE_S):
            await look()
        return found[0]

    def waits(self) -> int:
        """How many messages are not taken yet."""
        folder = state_folder(self.config)
        assert folder is not None
        database = AlertDatabase(folder / DATABASE)
        try:
            outbox = Outbox(database)
            return outbox.count("mail") + outbox.count("chat") + outbox.count("am")
        finally:
            database.close()


def heard(hook: StandIn, path: str) -> list[tuple[str, str]]:
    """Status and name of each alert that arrived at ``path``."""
    documents = [json.loads(one.body) for one in hook.requests if one.path == path]
    return [(one["status"], one["labels"]["alertname"]) for each in documents for one in each["alerts"]]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    made = Lab(tmp_path)
    made.rules.write_text(MANUAL)
    return made


@pytest.mark.parametrize(("fault", "rule"), [("5xx", "HighErrorRate"), ("slow", "HighLatency")])
async def test_a_rule_of_the_manual_is_corrected_fires_and_is_told_once_over_kill_9(
    lab: Lab, stack: Stack, hook: StandIn, tmp_path_factory: pytest.TempPathFactory, fault: str, rule: str
) -> None:
    authority, box = Authority(tmp_path_factory.mktemp("ca")), Box()
    with AlertmanagerServer(tmp_path_factory.mktemp("am"), f"{hook.url}/from-am") as alertmanager:
        async with mail_server(box, authority.server) as port:
            lab.configure(stack, port=port, ca=authority.ca, hook=hook.url, alertmanager=alertmanager.url)
            remarks = await asyncio.to_thread(remarks_on, lab.rules)
            assert {name: code for name, (code, _hint) in remarks.items()} == {
                "HighErrorRate": "not-a-ratio",
                "HighLatency": "percentile-of-each",
                "HighCPUUsage": "only-here",
                "HighMemoryUsage": "only-here",
            }
            alone = corrected(MANUAL, remarks).partition("      - alert: HighCPUUsage")[0]
            lab.rules.write_text(alone)
            assert await asyncio.to_thread(remarks_on, lab.rules) == {}
            with lab.monitor():
                await stack.fault("gateway", fault)
                await lab.state(rule, "pending")
                fires = await lab.state(rule, "firing")
                firing = [("firing", rule)]
                await until(lambda: [str(one["Subject"]) for one in box.mails] == [f"[FIRING 1] {rule}"])
                await until(lambda: heard(hook, "/chat") == firing, what="the webhook")
                await until(lambda: heard(hook, "/from-am") == firing, what="Alertmanager's receiver")
                await until(lambda: lab.waits() == 0, what="it is known that they have it")
            with lab.monitor():
                assert (await lab.state(rule, "firing"))["fired_at"] == fires["fired_at"]
                await stack.heal("gateway")
                await lab.state(rule, "resolved")
                both = [("firing", rule), ("resolved", rule)]
                await until(lambda: heard(hook, "/from-am") == both, what="Alertmanager tells the end")
                await until(lambda: len(box.mails) == 2 and len(heard(hook, "/chat")) == 2)
                await until(lambda: lab.waits() == 0, what="nothing waits")
    assert heard(hook, "/chat") == heard(hook, "/from-am") == both
    assert [str(one["Subject"]) for one in box.mails] == [f"[FIRING 1] {rule}", f"[RESOLVED 1] {rule}"]


async def test_cpu_and_memory_of_the_manual_fire_below_what_this_machine_has(lab: Lab, stack: Stack) -> None:
    lowered = corrected(MANUAL, remarks_on(lab.rules)).replace("> 80", "> -1").replace("> 85", "> 0.1")
    lab.rules.write_text(lowered)
    lab.configure(stack, port=1, ca="none", hook="http://127.0.0.1:1", alertmanager="http://127.0.0.1:1")
    lab.config.write_text(lab.config.read_text().partition("notifiers:")[0])
    with lab.monitor():
        for rule in ("HighCPUUsage", "HighMemoryUsage"):
            assert (await lab.state(rule, "firing"))["labels"]["host"] == "here"
