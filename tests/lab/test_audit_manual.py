"""What an operations manual shows of hosts, set up on one as it stands there, and what the audit finds of each snippet.
``tests/services/test_audit_manual.py`` has those of services and databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.audit.model import Report
from lilfox_tui.logs.sources import file
from tests.lab.auditing import audited, found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab
from tests.lab.manual_host import BACKUP, BACKUP_DATABASE, ENVIRONMENT, LOGGING, LOGSTASH
from tests.lab.manual_stack import LOKI, PROMTAIL
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
APP, UNIT = "/opt/lilfox", "lilfox-gateway.service"
SCRIPT = f"{APP}/scripts/backup_db.sh"
LOGS = "/var/log/lilfox/lilfox-gateway.log"
Findings = set[tuple[str, str]]
TABLE: dict[str, Findings] = {
    "loki.yml: boltdb-shipper, v11, /tmp/loki": {
        ("loki-schema", "schema_config"),
        ("log-state-in-tmp", "/etc/loki/config.yml"),
        ("loki-keeps-all", "retention"),
    },
    "promtail.yml: /tmp/positions.yaml": {
        ("log-state-in-tmp", "/etc/promtail/promtail.yml"),
        ("promtail-end-of-life", "promtail"),
    },
    "logstash.conf": set(),  # it is as Logstash documents it; that it reads each record twice is the next row's fault
    "setup_logging: NAME.log and NAME-daily.log": {("log-written-twice", f"{LOGS[:-4]}-daily.log: lilfox-gateway.log")},
    "monitor.py: open('logs/monitor.log', 'a')": {("log-not-rotated", f"{APP}/logs/monitor.log")},
    ".env, with no word about its rights": {("secret-file-readable", f"{APP}/.env")},
    "backup.sh: cp .env, tar config/": {("secret-file-readable", "/backup/env_20231230_020000")},
    "backup_db.sh: pg_dump | gzip": {
        ("backup-readable", "/backup/postgresql"),
        ("backup-failure-hidden", SCRIPT),
    },
    "iptables -A INPUT -s <attack-ip> -j DROP": {("firewall", "IPv4")},  # the lab has no IPv6
}
CHECKS = ("secrets", "logs", "stack", "firewall", "backup-failure-hidden")
MENDED = ("backup-readable", "backup-failure-hidden", "loki-keeps-all", "log-written-twice")


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("manual")
    made.up()
    yield made
    made.kill()


async def set_up(machine: Machine) -> None:
    """Does what the manual says, as root."""
    files = {
        "/etc/loki/config.yml": LOKI,
        "/etc/promtail/promtail.yml": PROMTAIL,
        "/etc/logstash/conf.d/lilfox.conf": LOGSTASH,
        f"{APP}/.env": ENVIRONMENT,
        f"{APP}/config/app.yaml": "a: 1",
        f"{APP}/public/uploads/a.txt": "fox",
        SCRIPT: BACKUP_DATABASE,
        f"{APP}/scripts/backup.sh": BACKUP,
        f"{APP}/gateway.py": LOGGING,
        f"/etc/systemd/system/{UNIT}": f"[Service]\nExecStart=/usr/bin/python3 {APP}/gateway.py\nRestart=on-failure",
        "/usr/local/bin/date": "#!/bin/sh\necho 20231230_020000",
        "/usr/local/bin/pg_dump": "#!/bin/sh\nprintf -- '--\\n-- PostgreSQL database dump\\n--\\n'",
    }
    for path, text in files.items():
        await write(machine, path, *text.splitlines())
    await run(
        machine,
        f"chmod +x {APP}/scripts/* /usr/local/bin/*; mkdir -p /var/log/lilfox {APP}/logs /var/spool/cron/crontabs",
        f"echo '0 2 * * * {SCRIPT}' >/var/spool/cron/crontabs/root",
        f"fallocate -l 60M {APP}/logs/monitor.log",
        f"cd {APP}; PATH=/usr/local/bin:$PATH bash scripts/backup.sh",
        "cp /bin/sleep /usr/local/bin/promtail; systemd-run -q --unit=promtail /usr/local/bin/promtail 1000",
        "systemctl daemon-reload; systemctl start lilfox-gateway; rm /usr/local/bin/date",
        "iptables -A INPUT -s 203.0.113.9 -j DROP",
    )
    log = machine.root / LOGS.removeprefix("/")
    await asyncio.to_thread(wait_for, lambda: log.exists() and log.read_text().count("\n") > 40, what="it logs")


def told(report: Report) -> Findings:
    return {(each.check.id, each.finding.subject) for each in report.found}


@pytest.mark.provokes("backup-failure-hidden", "backup-readable", "log-written-twice", "loki-keeps-all")
async def test_each_snippet_is_found_for_what_it_is(lab: MachineLab, machine: Machine) -> None:
    assert told(await audited(lab, machine, *CHECKS)) == {("firewall", "IPv4")}
    await set_up(machine)
    logs = {"monitor": file.Options(host=machine.name, path=f"{APP}/logs/*.log")}
    report = await audited(lab, machine, *CHECKS, logs=logs)
    assert [(each.check.id, str(each.reason)) for each in report.not_checked] == []
    assert told(report) == set().union(*TABLE.values())
    shown = "".join(str(each.finding.evidence) for each in report.found)
    assert "Lilfox#2024" not in shown
    for check, subject in (("backup-readable", "/backup/postgresql"), ("backup-failure-hidden", SCRIPT)):
        await mend(machine, found_by(report, check)[subject].fix)
    fix = found_by(report, "loki-keeps-all")["retention"].fix
    compactor, limits = fix.lines[:4], fix.lines[4:]
    merged = LOKI.replace("limits_config:", "\n".join((*compactor, *limits)))
    await write(machine, fix.file, *merged.splitlines())
    once = LOGGING.replace("    logger.addHandler(time_handler)\n", "")  # what the text of the fix says
    await write(machine, f"{APP}/gateway.py", *once.replace("range(60)", "range(61)").splitlines())
    await run(machine, "systemctl restart lilfox-gateway; rm /var/log/lilfox/*-daily.log")
    after = await audited(lab, machine, *MENDED, logs=logs)
    assert (told(after), after.not_checked) == (set(), ())
    assert {each.check.id for each in after.passed} == set(MENDED)
    await write(machine, "/usr/local/bin/pg_dump", "#!/bin/sh", "exit 1")
    status = f"PATH=/usr/local/bin:$PATH bash {SCRIPT}; echo status $?"
    assert "status 1" in await asyncio.to_thread(machine.ssh, status)  # it was 0


CAREFUL = {
    "/etc/cron.daily/checked": "#!/bin/bash\nset -o pipefail\npg_dump shop | gzip >/backup/postgresql/shop.sql.gz",
    "/etc/cron.daily/custom": "#!/bin/sh\npg_dump -Fc shop >/backup/postgresql/shop.dump || exit 1",
    "/etc/cron.daily/status": "#!/bin/bash\npg_dump shop | gzip >x; [ ${PIPESTATUS[0]} = 0 ] || exit 1",
    "/etc/cron.daily/comment": "#!/bin/sh\n# pg_dump shop | gzip",
    "/opt/unused.sh": "#!/bin/sh\npg_dump shop | gzip >x",
}


@pytest.mark.provokes("backup-failure-hidden")
async def test_backups_of_other_kinds(lab: MachineLab, machine: Machine) -> None:
    for path, text in CAREFUL.items():
        await write(machine, path, *text.split("\n"))
    dump = "-- PostgreSQL database dump"
    for path in ("/var/backups/own/a.sql", "/var/backups/open/a.sql", "/srv/shop/structure.sql"):
        await write(machine, path, "--", dump)
    await write(machine, "/var/backups/open/other.sql", "SELECT 1;")
    await run(
        machine,
        "rm -rf /backup /var/spool/cron/crontabs/root; chmod 600 /var/backups/own/a.sql",
        "touch -d yesterday /var/backups/open/other.sql",
    )
    report = await audited(lab, machine, "backup-readable", "backup-failure-hidden")
    assert told(report) == {("backup-readable", "/var/backups/open")}
    unit = "[Service]\nExecStart=/opt/nightly.py\nType=oneshot"
    await write(machine, "/etc/systemd/system/nightly.timer", "[Timer]", "OnCalendar=daily")
    await write(machine, "/etc/systemd/system/nightly.service", *unit.replace(".py", ".sh").split("\n"))
    await write(machine, "/opt/nightly.sh", "#!/bin/sh", "sh ./dump.sh")
    await write(machine, "/opt/dump.sh", "#!/bin/sh", "mysqldump -p'tr0ub4dor+3x' shop | zstd >x")
    await write(machine, "/etc/cron.d/night", "0 2 * * * root pg_dumpall 2>&1 | gzip >/tmp/a.gz")
    await run(machine, "systemctl daemon-reload; systemctl start nightly.timer")
    found = found_by(await audited(lab, machine, "backup-failure-hidden"), "backup-failure-hidden")
    assert {subject: (str(each.evidence), each.fix.commands) for subject, each in found.items()} == {
        "/etc/cron.d/night": (
            "/etc/cron.d/night: 0 2 * * * root pg_dumpall 2>&1 | gzip >/tmp/a.gz; the script does not set pipefail",
            (),
        ),
        "/opt/dump.sh": (
            "/opt/dump.sh: mysqldump -p*** shop | zstd >x; the script does not set pipefail",
            (),
        ),
    }
    await write(machine, "/opt/dump.sh", "#!/bin/sh", "mysqldump shop >x && zstd x")  # as the texts of the fixes say
    await write(machine, "/etc/cron.d/night", "0 2 * * * root pg_dumpall >/tmp/x && gzip -f /tmp/x; ls | wc")
    after = await audited(lab, machine, "backup-failure-hidden")
    assert (told(after), after.not_checked) == (set(), ())
