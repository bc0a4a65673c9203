"""The checks of systemd's units on a whole host: found, mended by their own fixes, and gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.audit.catalogue import chosen
from tests.lab.auditing import audited, found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
SHOP = "/etc/systemd/system/shop.service"


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("app1")
    made.up()
    yield made
    made.kill()


@pytest.fixture(autouse=True)
def clean(machine: Machine) -> Iterator[None]:
    yield
    machine.ssh("systemctl stop shop; rm -rf /etc/systemd/system/shop.*; systemctl daemon-reload", check=False)
    machine.ssh("systemctl reset-failed")


async def serve(machine: Machine, *lines: str) -> None:
    """A service that the administrator wrote, running."""
    await write(machine, SHOP, "[Service]", "ExecStart=/bin/sleep infinity", *lines)
    await run(machine, "systemctl daemon-reload", "systemctl restart shop")


@pytest.mark.provokes("unit-no-restart", "unit-no-memory-limit", "unit-exposed-root")
async def test_a_service_that_nobody_has_set_up_further(lab: MachineLab, machine: Machine) -> None:
    await serve(machine)
    report = await audited(lab, machine, "systemd")
    assert {(each.check.id, each.finding.subject) for each in report.found} == {
        ("unit-no-restart", "shop.service: Restart"),
        ("unit-no-memory-limit", "shop.service"),
        ("unit-exposed-root", "shop.service"),
    }
    for each in report.found:
        await mend(machine, each.finding.fix)
    after = await audited(lab, machine, "systemd")
    assert (after.found, after.not_checked) == ((), ())
    assert len(after.passed) == len(chosen(["systemd"]))
    assert "active" in machine.ssh("systemctl is-active shop")


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (("Restart=always", "[Unit]", "StartLimitIntervalSec=0"), ["shop.service: StartLimitBurst"]),
        (("Restart=always", "RestartSec=5", "[Unit]", "StartLimitIntervalSec=0"), []),
        (("Restart=on-failure",), []),
        (("Type=oneshot", "ExecStart=", "ExecStart=/bin/true"), []),
    ],
)
async def test_restarts(lab: MachineLab, machine: Machine, lines: tuple[str, ...], found: list[str]) -> None:
    await serve(machine, *lines)
    report = found_by(await audited(lab, machine, "unit-no-restart"), "unit-no-restart")
    assert list(report) == found
    for each in report.values():
        await mend(machine, each.fix)
    after = await audited(lab, machine, "unit-no-restart")
    assert (after.found, after.not_checked) == ((), ())


async def test_what_a_service_may_have_set_otherwise(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/etc/systemd/system/shop.slice", "[Slice]", "MemoryMax=1G")
    await serve(machine, "User=nobody", "Slice=shop.slice", "Restart=always")
    report = await audited(lab, machine, "systemd")
    assert [(each.check.id, each.finding.subject) for each in report.found] == []


async def test_a_service_that_a_timer_starts_needs_no_restart(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/etc/systemd/system/shop.timer", "[Timer]", "OnCalendar=daily")
    await serve(machine)
    await run(machine, "systemctl start shop.timer")
    report = await audited(lab, machine, "unit-no-restart")
    await run(machine, "systemctl stop shop.timer")
    assert report.found == ()


@pytest.mark.provokes("unit-failed")
async def test_a_unit_that_has_failed(lab: MachineLab, machine: Machine) -> None:
    await write(machine, SHOP, "[Service]", "Type=oneshot", "ExecStart=test -e /run/shop.ready")
    await run(machine, "systemctl daemon-reload", "systemctl start shop || true")
    found = found_by(await audited(lab, machine, "unit-failed"), "unit-failed")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        "shop.service": "systemctl: shop.service has failed (Result=exit-code)"
    }
    await run(machine, "touch /run/shop.ready")
    await mend(machine, found["shop.service"].fix)
    assert [each.check.id for each in (await audited(lab, machine, "unit-failed")).passed] == ["unit-failed"]


@pytest.mark.provokes("unit-not-reloaded")
async def test_a_unit_that_was_changed_and_not_reloaded(lab: MachineLab, machine: Machine) -> None:
    await serve(machine)
    await run(machine, f"touch -d 'now + 2 seconds' {SHOP}")
    found = found_by(await audited(lab, machine, "unit-not-reloaded"), "unit-not-reloaded")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        "shop.service": f"systemctl: shop.service: NeedDaemonReload=yes ({SHOP})"
    }
    await mend(machine, found["shop.service"].fix)
    assert [each.check.id for each in (await audited(lab, machine, "unit-not-reloaded")).passed] == [
        "unit-not-reloaded"
    ]


@pytest.mark.provokes("unit-open-files")
async def test_a_service_that_has_nearly_all_its_files_open(lab: MachineLab, machine: Machine) -> None:
    opened = (
        'for number in $(seq 10 260); do eval "exec $number</dev/null"; done; touch /srv/opened; exec sleep infinity'
    )
    await write(machine, "/srv/shop.sh", opened)
    await serve(machine, "ExecStart=", "ExecStart=bash /srv/shop.sh", "LimitNOFILE=300")
    await asyncio.to_thread(wait_for, (machine.root / "srv/opened").exists, what="the files are open")
    found = found_by(await audited(lab, machine, "unit-open-files"), "unit-open-files")
    assert list(found) == ["shop.service"]
    await mend(machine, found["shop.service"].fix)
    assert [each.check.id for each in (await audited(lab, machine, "unit-open-files")).passed] == ["unit-open-files"]


async def test_nothing_is_found_on_a_host_as_it_is_installed(lab: MachineLab, machine: Machine) -> None:
    report = await audited(lab, machine, "systemd")
    assert (report.found, report.not_checked) == ((), ())
