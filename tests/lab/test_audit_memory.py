"""What a host shares with no other: its memory, swap, clock and tables of the kernel. Found, mended by their own fixes,
and gone, on a host with its own kernel."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from lilfox_tui.audit.model import AuditFinding
from tests.lab.auditing import audited, found_by, mend, run, write
from tests.lab.kernels import SWAP, KernelMachine
from tests.lab.machines import Machine, MachineLab
from tests.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.root, pytest.mark.xdist_group("lab")]
REDIS = "[Service]\nType=notify\nExecStart=redis-server --supervised systemd --dir /tmp --save '' --port 6379"
EATS = "held = bytearray(60 << 20)"
OPENS = """\
import socket, subprocess, time
held = [open("/dev/null") for _ in range(900)]
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
[made.sendto(b"x", ("127.0.0.1", 20000 + port)) for port in range(85)]
subprocess.run(["systemd-notify", "--ready"])
time.sleep(600)
"""
TRACK = "iptables-legacy -A INPUT -m conntrack --ctstate NEW"
NTP_EPOCH_S = 2_208_988_800


@pytest.fixture(scope="module")
def machine(lab: MachineLab) -> Iterator[KernelMachine]:
    made = KernelMachine(lab, "memory1")
    made.up()
    yield made
    made.kill()


async def found(lab: MachineLab, machine: Machine, check: str) -> dict[str, AuditFinding]:
    """What the check finds; it was asked."""
    report = await audited(lab, machine, check)
    assert report.not_checked == ()
    return found_by(report, check)


@contextlib.contextmanager
def time_server(address: str) -> Iterator[None]:
    """Answers questions of NTP with this machine's time (RFC 5905, section 7.3)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 123))

        def serve() -> None:
            while len(asked_from := server.recvfrom(512)) == 2 and (asked := asked_from[0]):
                now = int((time.time() + NTP_EPOCH_S) * 2**32).to_bytes(8, "big")
                head = struct.pack(">BBbbII4s", 0b00_100_100, 1, 4, -20, 0, 0, b"LOCL")
                server.sendto(head + now + asked[40:48] + now + now, asked_from[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            server.sendto(b"", (address, 123))
            thread.join()


@pytest.mark.provokes("clock-not-synchronised")
async def test_a_clock_that_nothing_synchronises(lab: MachineLab, machine: KernelMachine) -> None:
    check = "clock-not-synchronised"
    await write(machine, "/etc/systemd/timesyncd.conf", "[Time]", f"NTP={lab.network}.1")
    shown = await found(lab, machine, check)
    assert [str(each.evidence) for each in shown.values()] == ["timedatectl: NTP=no, NTPSynchronized=no"]
    with time_server(f"{lab.network}.1"):
        await mend(machine, shown["clock"].fix)
        wait_for(lambda: "NTPSynchronized=yes" in machine.ssh("timedatectl", "show"), what="the clock is synchronised")
        assert await found(lab, machine, check) == {}
    await run(machine, "timedatectl set-ntp false")


@pytest.mark.provokes("swapping")
async def test_a_database_with_memory_in_swap(lab: MachineLab, machine: KernelMachine) -> None:
    check = "swapping"
    await write(machine, "/etc/fstab", f"{SWAP} none swap sw 0 0")
    await write(machine, "/etc/systemd/system/cache.service", REDIS)
    await run(machine, "swapon -a; systemctl daemon-reload; systemctl start cache")
    await run(machine, "redis-cli eval \"for i = 1, 100 do redis.call('set', i, string.rep('x', 1000000)) end\" 0")
    assert await found(lab, machine, check) == {}
    await run(machine, "echo 90M >/sys/fs/cgroup/system.slice/cache.service/memory.reclaim")
    shown = await found(lab, machine, check)
    assert shown.keys() == {"redis-server"}
    evidence = str(shown["redis-server"].evidence)
    assert re.fullmatch(r"redis-server has \d+M of its memory in swap, \d\d% \(VmSwap in /proc/PID/status\)", evidence)
    assert shown["redis-server"].fix.commands[1:] == ("swapoff -a", "swapon -a")
    await mend(machine, shown["redis-server"].fix)
    assert await found(lab, machine, check) == {}
    assert machine.ssh("sysctl -n vm.swappiness; swapon --noheadings --show=NAME").split() == ["1", SWAP]
    await run(machine, "systemctl stop cache; swapoff -a; rm /etc/fstab")


@pytest.mark.provokes("oom-kills")
async def test_a_unit_that_is_killed_for_lack_of_memory(lab: MachineLab, machine: KernelMachine) -> None:
    check, unit = "oom-kills", "/etc/systemd/system/importer.service"
    service = "[Service]\nType=notify\nNotifyAccess=all\nOOMPolicy=continue\nMemoryMax={limit}\n"
    eat = "ExecStart=sh -c 'python3 /root/import.py; systemd-notify --ready; exec sleep 600'"
    await write(machine, "/root/import.py", EATS)
    await write(machine, unit, service.format(limit="40M") + eat)
    assert await found(lab, machine, check) == {}
    await run(machine, "systemctl daemon-reload; systemctl start importer")
    shown = await found(lab, machine, check)
    assert {subject: str(each.evidence) for subject, each in shown.items()} == {
        "importer.service": "importer.service: oom_kill 1"
    }
    limit = next(line for line in machine.ssh(*shown["importer.service"].fix.commands).splitlines() if "Max" in line)
    assert limit == f"MemoryMax={40 << 20}"
    await write(machine, unit, service.format(limit="100M") + eat)
    await run(machine, "systemctl daemon-reload; systemctl restart importer")
    shown = await found(lab, machine, check)  # the kernel counts until the next boot
    assert {subject: str(each.evidence) for subject, each in shown.items()} == {
        "host": "/proc/vmstat: oom_kill 1 since the boot"
    }
    machine.kill()
    machine.up()
    await run(machine, "systemctl start importer")
    assert await found(lab, machine, check) == {}


@pytest.mark.provokes("kernel-limits")
async def test_tables_of_the_kernel_that_are_nearly_full(lab: MachineLab, machine: KernelMachine) -> None:
    check = "kernel-limits"
    await write(machine, "/root/open.py", OPENS)
    await run(machine, "modprobe nf_conntrack", TRACK, "sysctl -q net.netfilter.nf_conntrack_udp_timeout=3600")
    assert await found(lab, machine, check) == {}
    used = int(machine.ssh("cat /proc/sys/fs/file-nr").split()[0])
    await run(
        machine,
        "sysctl -q net.netfilter.nf_conntrack_max=100",
        f"sysctl -q fs.file-max={(used + 900) * 100 // 85}",
        "systemd-run -q --unit=holder --service-type=notify -p NotifyAccess=all python3 /root/open.py",
    )
    shown = await found(lab, machine, check)
    assert shown.keys() == {"file handles", "tracked connections"}
    assert re.fullmatch(r"/proc/sys/fs/file-nr: \d+ of \d+ are in use", str(shown["file handles"].evidence))
    assert re.fullmatch(r"nf_conntrack_count: \d+ of 100 are in use", str(shown["tracked connections"].evidence))
    for each in shown.values():
        await mend(machine, each.fix)
    assert await found(lab, machine, check) == {}
    assert machine.ssh("sysctl -n net.netfilter.nf_conntrack_max").strip() == "200"
    await run(machine, "systemctl stop holder; iptables-legacy -F")
