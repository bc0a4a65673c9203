"""The checks of logs on a whole host: found, mended by their own fixes, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.logs.sources import file
from tests.lab.auditing import audited, found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
LARGE = "fallocate -l 60M"
TIMER = "systemctl disable --now -q logrotate.timer"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("log1")
    made.up()
    yield made
    made.kill()


@pytest.mark.provokes("log-not-rotated")
async def test_a_large_log_that_nothing_rotates(lab: MachineLab, machine: Machine) -> None:
    await run(
        machine,
        "systemctl enable --now -q logrotate.timer; mkdir -p /srv/shop /var/log/quiet",
        f"useradd -m shop; {LARGE} /srv/shop/app.log; chown -R shop:shop /srv/shop; chmod 775 /srv/shop",
        f"{LARGE} /var/log/quiet/old.log; touch -d '9 days ago' /var/log/quiet/old.log",
        "head -c 1M /dev/zero >/var/log/a.log",
    )
    logs = {"shop": file.Options(host=machine.name, path="/srv/shop/*.log")}
    found = found_by(await audited(lab, machine, "log-not-rotated", logs=logs), "log-not-rotated")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        "/srv/shop/app.log": "/srv/shop/app.log: 60M; no rule of logrotate, no rotated files"
    }
    await mend(machine, found["/srv/shop/app.log"].fix)
    assert (await audited(lab, machine, "log-not-rotated", logs=logs)).found == ()
    await run(machine, f"logrotate --force {found['/srv/shop/app.log'].fix.file}")
    assert machine.ssh("ls /srv/shop").split() == ["app.log", "app.log.1"]  # the rule does what it is for
    await run(machine, f"rm /srv/shop/*; {LARGE} /srv/shop/app.log; {TIMER}")
    found = found_by(await audited(lab, machine, "log-not-rotated", logs=logs), "log-not-rotated")
    assert "neither a timer nor cron starts logrotate" in str(found["/srv/shop/app.log"].evidence)
    await mend(machine, found["/srv/shop/app.log"].fix)
    assert (await audited(lab, machine, "log-not-rotated", logs=logs)).found == ()
    await run(machine, "rm -r /srv/shop /etc/logrotate.d/srv-shop-app")


async def test_a_program_that_rotates_its_log_itself(lab: MachineLab, machine: Machine) -> None:
    await run(machine, f"{LARGE} /var/log/app.log; echo >/var/log/app.log.1")
    report = await audited(lab, machine, "log-not-rotated")
    await run(machine, "rm /var/log/app.log*")
    assert report.found == ()


@pytest.mark.provokes("log-overwritten")
async def test_two_services_that_write_one_file(lab: MachineLab, machine: Machine) -> None:
    for unit in ("api", "worker"):
        lines = (
            "[Service]",
            "ExecStart=sh -c 'echo begun; exec sleep infinity'",
            "StandardOutput=file:/var/log/shop.log",
        )
        await write(machine, f"/etc/systemd/system/{unit}.service", *lines)
    await run(machine, "systemctl daemon-reload", "systemctl start api", "systemctl start worker")
    written = machine.root / "var/log/shop.log"
    await asyncio.to_thread(wait_for, lambda: "begun" in written.read_text(), what="both write")
    report = await audited(lab, machine, "log-overwritten")
    found = found_by(report, "log-overwritten")
    assert found.keys() == {"/var/log/shop.log: api.service", "/var/log/shop.log: worker.service"}
    for each in found.values():
        await mend(machine, each.fix)
    after = await audited(lab, machine, "log-overwritten")
    assert (after.found, after.not_checked) == ((), ())
    await run(machine, "systemctl stop api worker; rm -r /etc/systemd/system/api.* /etc/systemd/system/worker.*")


async def test_children_that_inherit_a_log(lab: MachineLab, machine: Machine) -> None:
    lines = ("[Service]", "ExecStart=sh -c 'sleep infinity & sleep infinity'", "StandardOutput=file:/var/log/shop.log")
    await write(machine, "/etc/systemd/system/api.service", *lines)
    await run(machine, "systemctl daemon-reload", "systemctl start api")
    report = await audited(lab, machine, "log-overwritten")
    await run(machine, "systemctl stop api; rm /etc/systemd/system/api.service")
    assert (report.found, report.not_checked) == ((), ())


WRITES = (
    "import logging, sys",
    "handler = logging.FileHandler('/srv/shop/shop.log', 'w')",
    "{formatter}",
    "layout = '%(asctime)s - %(name)s - %(levelname)s - %(message)s'",
    "logging.basicConfig(level='INFO', handlers=[handler], format=layout)",
    "for number in range(9): logging.getLogger('shop').info('GET /items/%s 200', number, extra={{'request_id': 'r7'}})",
)
"""An application that logs requests as the manual's console format has it, or by a formatter."""


@pytest.mark.provokes("log-not-structured")
async def test_lines_that_lack_what_searches_need(lab: MachineLab, machine: Machine) -> None:
    async def logs_with(formatter: str) -> None:
        text = "\n".join(WRITES).format(formatter=formatter)
        await write(machine, "/srv/shop/app.py", text)
        await run(machine, "python3 /srv/shop/app.py")

    await logs_with("")
    logs = {"shop": file.Options(host=machine.name, path="/srv/shop/*.log")}
    found = found_by(await audited(lab, machine, "log-not-structured", logs=logs), "log-not-structured")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        "/srv/shop/shop.log": "/srv/shop/shop.log: the newest 9 lines have no JSON, times without an offset, "
        "no request id"
    }
    lines = found["/srv/shop/shop.log"].fix.lines
    await logs_with("\n".join((*lines, "", "handler.setFormatter(JSONFormatter())")))
    after = await audited(lab, machine, "log-not-structured", logs=logs)
    assert (after.found, after.not_checked) == ((), ())
    assert [each.check.id for each in after.passed] == ["log-not-structured"]
    await run(machine, "rm -r /srv/shop")


async def test_nothing_is_found_on_a_host_as_it_is_installed(lab: MachineLab, machine: Machine) -> None:
    report = await audited(lab, machine, "logs")
    assert (report.found, report.not_checked) == ((), ())
