"""What the kernel says of its limits and of memory in swap, as hosts answered it that no test can make."""

from __future__ import annotations

import pytest

from lilfox_tui.audit.targets.hosts import Printed
from tests.unit.audit.test_checks import outcomes

KERNEL = """fs/file-nr 3104 0 9223372036854775807
vm/overcommit_memory 1
net/netfilter/nf_conntrack_count 51
net/netfilter/nf_conntrack_max 262144
huge always [madvise] never
uptime 8640000.51
page 4096
MemTotal 8123456 kB
MemAvailable 5123456 kB
SwapTotal 2097148 kB
SwapFree 1897148 kB
pswpin 41233
pswpout 190422
process Name=postgres VmRSS=28096kB VmSwap=0kB THP_enabled=1
process Name=redis-server VmRSS=980000kB VmSwap=2048kB THP_enabled=0
"""
QUEUES = """4096
8640000.51
TcpExt: SyncookiesSent ListenOverflows ListenDrops
TcpExt: 0 90 90
LISTEN 0      511          0.0.0.0:6379      0.0.0.0:*    users:(("redis-server",pid=771,fd=6))
\t skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d90)
LISTEN 0      511             [::]:80           [::]:*    users:(("nginx",pid=801,fd=7),("nginx",pid=800,fd=7))
\t skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d9000)
LISTEN 0      4096      127.0.0.1:9100      0.0.0.0:*
\t skmem:(r0,rb131072,t0,tb16384,f0,w0,o0,bl0,d0)
age     771    86400
age     801  8640000
unit 771 redis-server.service
unit 801 nginx.service
"""


def changed(text: str, *changes: tuple[str, str]) -> str:
    """The text with each first word instead of the second."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


LIMITS = [
    ((), (), ["port 6379"]),  # 90 in a day; those of nginx are of a hundred days, or of packets that open nothing
    ((), ((": 0 90 90", ": 0 0 9000"),), ["good"]),  # nothing overflowed: they were resets and the like
    ((), (("age     771    86400\n", ""),), ["good"]),  # its age is not known: since the boot
    ((), (("d90)", "d0)"), ("4096\n8", "128\n8"), ("511 ", "128 ")), ["port 6379", "port 80"]),
    ((), (("d90)", "d0)"), ("4096\n8", "4096\n8"), ("511 ", "4096 ")), ["good"]),
    ((("9223372036854775807", "3200"),), (("d90)", "d0)"),), ["file handles"]),
    ((("count 51", "count 250000"),), (("d90)", "d0)"),), ["tracked connections"]),
    ((("net/netfilter/nf_conntrack_max 262144\n", ""),), (("d90)", "d0)"),), ["good"]),
]


@pytest.mark.parametrize(("kernel", "queues", "told"), LIMITS)
def test_limits(kernel: tuple[tuple[str, str], ...], queues: tuple[tuple[str, str], ...], told: list[str]) -> None:
    answers = {"kernel": Printed(changed(KERNEL, *kernel)), "listen-queues": Printed(changed(QUEUES, *queues))}
    assert outcomes("kernel-limits", answers) == told


def test_a_host_without_ss_is_not_checked() -> None:
    answers = {"kernel": Printed(KERNEL), "listen-queues": Printed("", 127)}
    assert outcomes("kernel-limits", answers) == ["? ss is not installed"]


SWAPPING = [
    ((), ["good"]),
    ((("VmSwap=2048kB", "VmSwap=180000kB"),), ["redis-server"]),
    ((("pswpin 41233", "pswpin 412330000"),), ["host"]),
    ((("pswpin 41233\npswpout 190422", "container"),), ["good"]),
    ((("pswpin 41233", "pswpin 4123300"), ("uptime 8640000.51", "uptime 7200.5")), ["host"]),
]


@pytest.mark.parametrize(("changes", "told"), SWAPPING)
def test_memory_in_swap(changes: tuple[tuple[str, str], ...], told: list[str]) -> None:
    assert outcomes("swapping", {"kernel": Printed(changed(KERNEL, *changes))}) == told


REDIS = [
    ((), ["good"]),
    ((("overcommit_memory 1", "overcommit_memory 2"),), ["vm.overcommit_memory"]),
    ((("always [madvise]", "[always] madvise"),), ["good"]),
    ((("always [madvise]", "[always] madvise"), ("THP_enabled=0", "THP_enabled=1")), ["transparent_hugepage"]),
    (
        (("always [madvise]", "[always] madvise"), (" THP_enabled=0", "")),
        ["? it is not known whether Redis uses huge pages (no THP_enabled in /proc/PID/status)"],
    ),
    ((("Name=redis-server", "Name=mysqld"),), []),
]


@pytest.mark.parametrize(("changes", "told"), REDIS)
def test_what_redis_needs(changes: tuple[tuple[str, str], ...], told: list[str]) -> None:
    assert outcomes("redis-kernel-settings", {"kernel": Printed(changed(KERNEL, *changes))}) == told


@pytest.mark.parametrize("left_out", [*KERNEL.splitlines(), *QUEUES.splitlines()])
@pytest.mark.parametrize("instead", ["", "x", "0 0 0", "process Name=redis-server VmRSS=x"])
def test_an_answer_that_lacks_a_line_ends_no_audit(left_out: str, instead: str) -> None:
    kernel, queues = (text.replace(left_out, instead) for text in (KERNEL, QUEUES))
    answers = {"kernel": Printed(kernel), "listen-queues": Printed(queues)}
    for check in ("kernel-limits", "swapping", "redis-kernel-settings"):
        outcomes(check, answers)
