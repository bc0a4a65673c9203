"""The checks of log stacks on a host: the manual's files are put there, found, mended by their fixes, and well."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.cli.exports.log_stack import LOG_STACK, exported_files
from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config
from tests.lab.auditing import found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab
from tests.lab.manual_stack import LOKI, PROMTAIL

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
LOGS = "logs: {app: {path: /var/log/lilfox/app.log, host: web1, format: json_lines, zone: UTC}}\n"
UNIT = "[Service]\nExecStart=/usr/local/bin/promtail 1000\n[Install]\nWantedBy=multi-user.target"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("web1")
    made.up()
    yield made
    made.kill()


async def audited(lab: MachineLab, machine: Machine, *checks: str) -> Report:
    logs = from_text("hosts: {web1: {}}\n" + LOGS, "lilfox.yaml").logs
    config = Config(hosts={"web1": machine.config()}, ssh=lab.ssh(), logs=logs)
    audit = Audit(config, timeout_s=120, exports=partial(exported_files, config))
    return await audit.run(chosen(checks), targets_of(config))


async def test_on_a_host_without_a_log_stack_nothing_is_judged(lab: MachineLab, machine: Machine) -> None:
    report = await audited(lab, machine, "stack")
    assert (report.found, report.not_checked, report.passed) == ((), (), ())


@pytest.mark.provokes("loki-schema", "log-state-in-tmp", "loki-keeps-all")
async def test_loki_as_the_manual_sets_it_up(lab: MachineLab, machine: Machine) -> None:
    path = "/etc/loki/config.yml"
    await write(machine, path, *LOKI.splitlines())
    await run(machine, "mkdir -p /tmp/loki/chunks; echo kept >/tmp/loki/chunks/1")
    report = await audited(lab, machine, "stack")
    assert {each.check.id for each in report.found} == {"loki-schema", "log-state-in-tmp", "loki-keeps-all"}
    await mend(machine, found_by(report, "log-state-in-tmp")[path].fix)
    await run(machine, "grep -q kept /var/lib/loki/chunks/1")
    fix = found_by(report, "loki-schema")["schema_config"].fix
    assert fix.file == path
    mended = LOKI.replace("/tmp/", "/var/lib/").replace(
        "        period: 24h\n", "        period: 24h\n" + "\n".join(fix.lines) + "\n"
    )
    kept = found_by(report, "loki-keeps-all")["retention"].fix
    assert kept.file == path
    mended = mended.replace("limits_config:", "\n".join(kept.lines))
    await write(machine, path, *mended.splitlines())
    report = await audited(lab, machine, "stack")
    assert (report.found, report.not_checked) == ((), ())
    assert {each.check.id for each in report.passed} == {"loki-schema", "log-state-in-tmp", "loki-keeps-all"}
    await run(machine, "rm -r /etc/loki /tmp/loki /var/lib/loki")


@pytest.mark.provokes("log-state-in-tmp", "promtail-end-of-life")
async def test_promtail_as_the_manual_sets_it_up(lab: MachineLab, machine: Machine) -> None:
    path = "/etc/promtail/promtail.yml"
    await write(machine, path, *PROMTAIL.splitlines())
    await write(machine, "/etc/systemd/system/promtail.service", *UNIT.splitlines())
    await run(
        machine,
        "cp /bin/sleep /usr/local/bin/promtail; echo 1 >/tmp/positions.yaml; systemctl daemon-reload",
        "systemctl enable --now promtail",
    )
    report = await audited(lab, machine, "stack")
    assert {each.check.id for each in report.found} == {"log-state-in-tmp", "promtail-end-of-life"}
    assert "process, promtail.service" in str(found_by(report, "promtail-end-of-life")["promtail"].evidence)
    for each in report.found:
        await mend(machine, each.finding.fix)
    await run(machine, "grep -q 1 /var/lib/promtail/positions.yaml")
    report = await audited(lab, machine, "stack")
    assert (report.found, report.not_checked) == ((), ())
    await run(machine, "rm -r /etc/promtail /etc/systemd/system/promtail.service /usr/local/bin/promtail")


@pytest.mark.provokes("export-changed")
async def test_a_collector_with_other_settings_than_the_export(lab: MachineLab, machine: Machine) -> None:
    config = from_text("hosts: {web1: {}}\n" + LOGS, "lilfox.yaml")
    texts = {kind: each.text for kind, each in exported_files(config, "web1").items()}
    texts["loki"] = LOG_STACK["loki"](config, None)
    paths = {
        "alloy": "/etc/alloy/config.alloy",
        "promtail": "/etc/promtail/promtail.yml",
        "loki": "/etc/loki/config.yml",
        "logstash": "/etc/logstash/conf.d/lilfox.conf",
        "filebeat": "/etc/filebeat/filebeat.yml",
    }
    for kind, path in paths.items():
        await write(machine, path, *texts[kind].splitlines())
    report = await audited(lab, machine, "stack")
    assert (report.found, report.not_checked) == ((), ())
    await run(machine, f"sed -i s#lilfox/app.log#lilfox/other.log# {paths['alloy']} {paths['filebeat']}")
    found = found_by(await audited(lab, machine, "export-changed"), "export-changed")
    assert found.keys() == {paths["alloy"], paths["filebeat"]}
    assert found[paths["alloy"]].fix.commands == ("lilfox export alloy --host web1 >config.alloy",)
    for kind in ("alloy", "filebeat"):
        await write(machine, paths[kind], *texts[kind].splitlines())
    assert (await audited(lab, machine, "export-changed")).found == ()
    await run(machine, "rm -r /etc/alloy /etc/promtail /etc/loki /etc/logstash /etc/filebeat")
