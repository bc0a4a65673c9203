"""The limits of the kernel on a whole host: found, mended by their own fixes, and gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lilfox_tui.audit.model import AuditSeverity
from lilfox_tui.backends.kinds import redis
from tests.lab.auditing import audited, found_by, mend, run, write
from tests.lab.machines import Machine, MachineLab

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
REDIS = "[Service]\nType=notify\nExecStart=redis-server /etc/redis/redis.conf --supervised systemd --dir /tmp --save ''"
CONNECT = (
    "import socket\n"
    "made = [socket.socket() for _ in range(80)]\n"
    "[(each.setblocking(False), each.connect_ex(('127.0.0.1', 6379))) for each in made]\n"
)


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[Machine]:
    made = lab.machine("kernel1")
    made.up()
    yield made
    made.kill()


@pytest.mark.provokes("kernel-limits")
async def test_a_queue_that_drops_connections(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/etc/systemd/system/cache.service", REDIS)
    await write(machine, "/etc/redis/redis.conf", "tcp-backlog 5")
    await write(machine, "/root/connect.py", CONNECT)
    await run(machine, "systemctl daemon-reload; systemctl start cache")
    assert (await audited(lab, machine, "kernel-limits")).found == ()
    await run(machine, "systemctl kill -s STOP cache; python3 /root/connect.py; systemctl kill -s CONT cache")
    found = found_by(await audited(lab, machine, "kernel-limits"), "kernel-limits")
    assert found.keys() == {"port 6379"}
    evidence = str(found["port 6379"].evidence)
    assert evidence.startswith("the queue of port 6379 (redis-server) dropped ")
    assert evidence.endswith("its length is 5, net.core.somaxconn is 4096")
    await mend(machine, found["port 6379"].fix)
    after = await audited(lab, machine, "kernel-limits")
    assert (after.found, after.not_checked) == ((), ())
    await run(machine, "systemctl kill -s STOP cache; python3 /root/connect.py")
    await run(machine, "systemctl kill -s CONT cache")
    assert (await audited(lab, machine, "kernel-limits")).found == ()  # so many fit now
    await run(machine, "systemctl stop cache; rm /etc/systemd/system/cache.service")


@pytest.mark.provokes("kernel-limits")
async def test_a_queue_that_the_kernel_cuts(lab: MachineLab, machine: Machine) -> None:
    await write(machine, "/etc/nginx/sites-enabled/default", "server { listen 80; }")
    await run(machine, "sysctl -q net.core.somaxconn=128; mkdir -p /var/log/nginx; systemctl start nginx")
    report = await audited(lab, machine, "kernel-limits")
    assert [(each.finding.subject, each.severity) for each in report.found] == [("port 80", AuditSeverity.LOW)]
    await mend(machine, report.found[0].finding.fix)
    after = await audited(lab, machine, "kernel-limits")
    assert (after.found, after.not_checked) == ((), ())
    assert machine.ssh("ss -Hltn sport = :80").split()[2] == "511"
    await run(machine, "systemctl stop nginx")


@pytest.mark.provokes("redis-kernel-settings")
async def test_what_redis_needs_of_the_kernel(lab: MachineLab, machine: Machine) -> None:
    """The settings are those of this machine, which a test leaves alone: files of the host's own cover them."""
    overcommit, huge = "/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage/enabled"
    await write(machine, "/srv/overcommit", "0")
    await write(machine, "/srv/huge", "[always] madvise never")
    await write(machine, "/etc/systemd/system/redis-server.service", REDIS + " --disable-thp no")
    await run(machine, f"mount --bind /srv/overcommit {overcommit}; mount --bind /srv/huge {huge}")
    report = await audited(lab, machine, "redis-kernel-settings")
    assert (report.found, report.not_checked, report.passed) == ((), (), ())  # no Redis
    await run(machine, "systemctl daemon-reload; systemctl start redis-server")
    found = found_by(await audited(lab, machine, "redis-kernel-settings"), "redis-kernel-settings")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        "vm.overcommit_memory": "vm.overcommit_memory = 0 on the host of redis-server",
        "transparent_hugepage": f"{huge} is always, and redis-server has not turned it off for itself",
    }
    for each in found.values():
        await mend(machine, each.fix)
    after = await audited(lab, machine, "redis-kernel-settings")
    assert (after.found, after.not_checked) == ((), ())
    await write(machine, "/srv/huge", "[always] madvise never")
    await write(machine, "/etc/systemd/system/redis-server.service", REDIS)
    await run(machine, "systemctl daemon-reload; systemctl restart redis-server")
    careful = await audited(lab, machine, "redis-kernel-settings")
    assert (careful.found, careful.not_checked) == ((), ())  # since 6.2 it turns them off for itself
    await run(machine, f"systemctl stop redis-server; umount {overcommit} {huge}")


@pytest.mark.provokes("redis-huge-pages")
async def test_huge_pages_that_redis_takes(lab: MachineLab, machine: Machine) -> None:
    """A file of the host's own covers the kernel's, which is that of this machine."""
    huge, config = "/sys/kernel/mm/transparent_hugepage/enabled", "/etc/redis/redis.conf"
    backends = {"cache": redis.Options(host=machine.name)}
    await write(machine, "/srv/huge", "[always] madvise never")
    await write(machine, "/etc/systemd/system/redis-server.service", REDIS)
    await write(machine, config, "disable-thp no")
    await run(machine, f"mount --bind /srv/huge {huge}; systemctl daemon-reload; systemctl restart redis-server")
    found = found_by(await audited(lab, machine, "redis-huge-pages", backends=backends), "redis-huge-pages")
    assert {subject: str(each.evidence) for subject, each in found.items()} == {
        "huge pages": f"{huge}: [always], disable-thp no"
    }
    fix = found["huge pages"].fix
    assert (fix.file, fix.lines) == (config, ("disable-thp yes",))
    await mend(machine, fix)
    after = await audited(lab, machine, "redis-huge-pages", backends=backends)
    assert (after.found, after.not_checked) == ((), ())
    await write(machine, config, "disable-thp no")
    await write(machine, "/srv/huge", "always [madvise] never")
    await run(machine, "systemctl restart redis-server")
    asked = await audited(lab, machine, "redis-huge-pages", backends=backends)
    assert (asked.found, asked.not_checked) == ((), ())  # Redis does not ask for them
    await run(machine, f"systemctl stop redis-server; umount {huge}; rm {config}")


async def test_nothing_is_found_on_a_host_as_it_is_installed(lab: MachineLab, machine: Machine) -> None:
    report = await audited(lab, machine, "kernel-limits", "swapping", "redis-kernel-settings")
    assert (report.found, report.not_checked) == ((), ())
    assert {each.check.id for each in report.passed} == {"kernel-limits", "swapping"}
