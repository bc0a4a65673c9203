"""Limits of the kernel that are reached: queues of listeners, file handles, tracked connections, memory; and what Redis
needs of the kernel."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_bytes, human_duration

DATABASES = ("postgres", "redis-server", "valkey-server", "mysqld", "mariadbd", "mongod")
_LIKE_REDIS = ("redis-server", "valkey-server")
# Only the queue of a listener itself says whose it was: the counters of /proc/net/netstat are of all.
_QUEUES = r"""
command -v ss >/dev/null || exit 127
listeners=$(ss -Hlntpm) || exit
cat /proc/sys/net/core/somaxconn || exit 1
cut -d' ' -f1 /proc/uptime
grep '^TcpExt:' /proc/net/netstat
printf '%s\n' "$listeners"
pids=$(printf '%s\n' "$listeners" | sed -n 's/[^"]*"[^"]*",pid=\([0-9]*\).*/\1/p' | sort -un | tr '\n' ',')
[ -n "$pids" ] || exit 0
ps -o pid=,etimes= -p "${pids%,}" 2>/dev/null | sed 's/^/age /'
IFS=,
for pid in $pids; do
    sed -n "s,.*/\([^/]*\.service\)\$,unit $pid \1,p" "/proc/$pid/cgroup" 2>/dev/null | head -n 1
done
exit 0
"""
_KERNEL = rf"""
cd /proc/sys || exit 127
grep -sH '' fs/file-nr vm/overcommit_memory net/netfilter/nf_conntrack_count net/netfilter/nf_conntrack_max |
    tr ':\t' '  '
[ -r /sys/kernel/mm/transparent_hugepage/enabled ] && read -r huge </sys/kernel/mm/transparent_hugepage/enabled
printf 'huge %s\n' "$huge"
read -r uptime idle </proc/uptime
printf 'uptime %s\n' "$uptime"
printf 'page %s\n' "$(getconf PAGESIZE 2>/dev/null || echo 4096)"
sed -n 's/^\(MemTotal\|MemAvailable\|SwapTotal\|SwapFree\): */\1 /p' /proc/meminfo
[ -n "$LILFOX_CONTAINER" ] && echo container || grep '^pswp' /proc/vmstat
for pid in $(pgrep -x '{"|".join(DATABASES)}'); do
    printf 'process %s\n' "$(sed -n 's/^\(Name\|VmRSS\|VmSwap\|THP_enabled\):[[:space:]]*/\1=/p' "/proc/$pid/status" |
        tr -d ' ' | tr '\n' ' ')"
done
exit 0
"""
DROPS_A_DAY, NEAR_PERCENT = 20, 80
_ASKED = {"nginx": 511, "redis-server": 511, "valkey-server": 511, "apache2": 511, "httpd": 511}
"""The backlog that programs ask for by themselves."""
_SWAPPED_BYTES, _SWAPPED_PERCENT = 64 << 20, 10
_SKMEM = re.compile(r"skmem:\([^()]*,d(\d+)\)")
_OWNER = re.compile(r'users:\(\("([^"]+)",pid=(\d+)')


class ListenQueue(Struct, frozen=True):
    """The queue of a port: its length as the kernel has it, what it dropped, and since how long it can have done so.
    ``process`` and ``unit`` are empty where they are not known."""

    port: int
    backlog: int
    dropped: int
    seconds: float
    process: str
    unit: str


class ListenQueues(Struct, frozen=True):
    """The queues of all ports, the limit of their lengths, and how often any of them was full since the boot."""

    somaxconn: int
    overflows: int
    queues: tuple[ListenQueue, ...]


class DatabaseProcess(Struct, frozen=True):
    """A process of a database: its name, its memory, and whether it can get huge pages (None: not told)."""

    name: str
    resident: int
    swapped: int
    huge: bool | None


class Kernel(Struct, frozen=True):
    """What the kernel says of itself: values by the names of their files, numbers as such, and the processes of
    databases."""

    numbers: Mapping[str, tuple[float, ...]]
    huge: str
    container: bool
    processes: tuple[DatabaseProcess, ...]

    def number(self, name: str) -> float:
        """The first number of a value; NotKnown for one that the host does not have."""
        if name not in self.numbers:
            raise NotKnown(tr("the host does not tell {name}", name=name))
        return self.numbers[name][0]


def parse_queues(printed: Printed) -> ListenQueues:
    """The listeners of ``ss``, added up by port: workers may each have one."""
    if printed.status == NO_PROGRAM:
        raise NotKnown(tr("ss is not installed"))
    somaxconn, uptime, names, counts, *lines = printed.lines()
    overflows = int(dict(zip(names.split(), counts.split(), strict=True))["ListenOverflows"])
    ages, units = _by_process("age", lines), _by_process("unit", lines)
    found: dict[int, ListenQueue] = {}
    for line, after in pairwise([*lines, ""]):
        memory = _SKMEM.search(line) or _SKMEM.search(after)
        if not line.startswith("LISTEN ") or memory is None:
            continue
        _state, _queued, backlog, local, *_rest = line.split()
        port, owner = int(local.rpartition(":")[2]), _OWNER.search(line)
        process, pid = owner.groups() if owner else ("", "")
        seconds = float(ages.get(pid, uptime))
        queue = ListenQueue(port, int(backlog), int(memory[1]), seconds, process, units.get(pid, ""))
        other = found.get(port)
        found[port] = queue if other is None or queue.dropped > other.dropped else other
    return ListenQueues(int(somaxconn), overflows, tuple(found.values()))


def _by_process(name: str, lines: Iterable[str]) -> dict[str, str]:
    """The values of lines ``NAME PID VALUE``, by pid."""
    told = (line.split() for line in lines if line.startswith(f"{name} "))
    return {words[1]: words[2] for words in told if len(words) == 3}


def parse_kernel(printed: Printed) -> Kernel:
    """The values; raises NotKnown if /proc has none."""
    if printed.status == NO_PROGRAM:
        raise NotKnown(tr("there is no /proc/sys on this host"))
    numbers, processes = {}, []
    lines = printed.lines()
    for line in lines:
        name, _blank, value = line.partition(" ")
        if found := [float(word) for word in value.split() if word.replace(".", "", 1).isdecimal()]:
            numbers[name] = tuple(found)
        elif name == "process" and "Name=" in value:
            told = dict(word.split("=", 1) for word in value.split())
            huge = told.get("THP_enabled")
            resident, swapped = (int(told.get(each, "0kB").removesuffix("kB")) << 10 for each in ("VmRSS", "VmSwap"))
            processes.append(DatabaseProcess(told["Name"], resident, swapped, None if huge is None else huge == "1"))
    if "MemTotal" not in numbers:
        raise ValueError("MemTotal")
    huge = next((line for line in lines if line.startswith("huge ")), "")
    return Kernel(numbers, huge, "container" in lines, tuple(processes))


QUEUES = Fact("listen-queues", _QUEUES, parse_queues)
KERNEL = Fact("kernel", _KERNEL, parse_kernel)


def _sysctl(text: Message, name: str, *lines: str, then: tuple[str, ...] = ()) -> Fix:
    file = f"/etc/sysctl.d/60-{name}.conf"
    return Fix(text, file, lines, (f"sysctl -p {file}", *then))


def judge_limits(facts: Facts) -> Iterator[AuditFinding]:
    """Queues that dropped connections, or that the kernel cuts; handles and tracked connections that run out."""
    kernel, known = facts[KERNEL], facts[QUEUES]
    for queue in known.queues:
        dropped = min(queue.dropped, known.overflows)
        asked = _ASKED.get(queue.process, 0)
        if dropped >= DROPS_A_DAY * max(1.0, queue.seconds / 86400):
            evidence = tr(
                "the queue of port {port} ({process}) dropped {count} connections in {time}; its length is {length}, "
                "net.core.somaxconn is {limit}",
                port=queue.port,
                process=queue.process or "?",
                count=dropped,
                time=human_duration(queue.seconds),
                length=queue.backlog,
                limit=known.somaxconn,
            )
            yield AuditFinding(f"port {queue.port}", evidence, _queue_fix(queue, known.somaxconn))
        elif queue.backlog == known.somaxconn < asked:
            evidence = tr(
                "the queue of port {port} ({process}) has the length {length} of net.core.somaxconn; the program asks "
                "for {asked}",
                port=queue.port,
                process=queue.process,
                length=queue.backlog,
                asked=asked,
            )
            fix = _queue_fix(queue, known.somaxconn)
            yield AuditFinding(f"port {queue.port}", evidence, fix, AuditSeverity.LOW)
    yield from _used_up(kernel)


def _queue_fix(queue: ListenQueue, limit: int) -> Fix:
    restart = (f"systemctl restart {shlex.quote(queue.unit)}",) if queue.unit else ()
    if queue.backlog >= limit:
        text = tr("Raise the limit, then restart the program: a queue keeps the length that it began with.")
        return _sysctl(text, "backlog", f"net.core.somaxconn = {max(4096, 4 * limit)}", then=restart)
    text = tr(
        "Raise the backlog of the program (tcp-backlog of Redis, backlog= of listen in nginx, --backlog of gunicorn "
        "and uvicorn) to {limit}, and restart it. If the queue fills again, it needs more workers.",
        limit=limit,
    )
    if queue.process == "redis-server":
        return Fix(text, "/etc/redis/redis.conf", (f"tcp-backlog {limit}",), restart)
    return Fix(text, commands=restart)


def _used_up(kernel: Kernel) -> Iterator[AuditFinding]:
    kernel.number("fs/file-nr")
    if len(kernel.numbers["fs/file-nr"]) == 3:
        used, _free, most = map(int, kernel.numbers["fs/file-nr"])
        if used * 100 >= NEAR_PERCENT * most:
            evidence = tr("{file}: {used} of {most} are in use", file="/proc/sys/fs/file-nr", used=used, most=most)
            text = tr("Raise the limit, and find out who has so many files open: lsof or ls /proc/*/fd.")
            yield AuditFinding("file handles", evidence, _sysctl(text, "file-max", f"fs.file-max = {2 * most}"))
    name = "net/netfilter/nf_conntrack_max"
    if name in kernel.numbers:
        used, most = int(kernel.number("net/netfilter/nf_conntrack_count")), int(kernel.number(name))
        if most and used * 100 >= NEAR_PERCENT * most:
            evidence = tr("{file}: {used} of {most} are in use", file="nf_conntrack_count", used=used, most=most)
            text = tr("Raise the limit. An entry takes about 320 bytes of the kernel's memory.")
            line = f"net.netfilter.nf_conntrack_max = {2 * most}"
            yield AuditFinding("tracked connections", evidence, _sysctl(text, "conntrack", line))


def judge_swapping(facts: Facts) -> Iterator[AuditFinding]:
    """Databases with memory in swap, and a host that swaps all the time."""
    kernel = facts[KERNEL]
    by_name: dict[str, list[DatabaseProcess]] = {}
    for each in kernel.processes:
        by_name.setdefault(each.name, []).append(each)
    for name, processes in by_name.items():
        swapped = sum(each.swapped for each in processes)
        share = swapped * 100 / max(1, swapped + sum(each.resident for each in processes))
        if swapped >= _SWAPPED_BYTES and share >= _SWAPPED_PERCENT:
            evidence = tr(
                "{process} has {size} of its memory in swap, {share}% (VmSwap in /proc/PID/status)",
                process=name,
                size=human_bytes(swapped),
                share=round(share),
            )
            yield AuditFinding(name, evidence, _swap_fix(kernel))
    if kernel.container:
        return  # the counters are those of the machine below
    days = max(1.0, kernel.number("uptime") / 86400)
    read = kernel.number("pswpin") * kernel.number("page")
    if read >= days * kernel.number("MemTotal") * 1024:
        evidence = tr(
            "/proc/vmstat: {size} were read from swap in {time} since the boot, more than the memory of {memory} a day",
            size=human_bytes(read),
            time=human_duration(kernel.number("uptime")),
            memory=human_bytes(kernel.number("MemTotal") * 1024),
        )
        text = tr("Find out which processes need so much memory, limit them, or give the host more.")
        commands = ("grep -H VmSwap /proc/[0-9]*/status | sort -k 2 -n | tail",)
        yield AuditFinding("host", evidence, Fix(text, commands=commands))


def _swap_fix(kernel: Kernel) -> Fix:
    used = kernel.number("SwapTotal") - kernel.number("SwapFree")
    there = kernel.number("MemAvailable") > 2 * used
    text = tr("Make the kernel drop its cache before it swaps, and limit other programs or give the host more memory.")
    if there:
        text = tr(
            "Make the kernel drop its cache before it swaps, and read back what is in swap; there is room for it."
        )
    return _sysctl(text, "swappiness", "vm.swappiness = 1", then=("swapoff -a", "swapon -a") if there else ())


def judge_redis(facts: Facts) -> Iterator[AuditFinding]:
    """Settings of the kernel with which Redis cannot save, or stalls when it does."""
    kernel = facts[KERNEL]
    servers = [each for each in kernel.processes if each.name in _LIKE_REDIS]
    if not servers:
        raise Absent
    mode = int(kernel.number("vm/overcommit_memory"))
    if mode != 1:
        text = tr("Set it to 1: a fork then needs no memory reserved in advance.")
        fix = _sysctl(text, "redis", "vm.overcommit_memory = 1")
        severity = AuditSeverity.MEDIUM if mode == 2 else AuditSeverity.LOW
        evidence = tr("vm.overcommit_memory = {mode} on the host of {process}", mode=mode, process=servers[0].name)
        yield AuditFinding("vm.overcommit_memory", evidence, fix, severity)
    if "[always]" not in kernel.huge:
        return
    if any(each.huge for each in servers):
        evidence = tr(
            "/sys/kernel/mm/transparent_hugepage/enabled is {mode}, and {process} has not turned it off for itself",
            mode="always",
            process=next(each.name for each in servers if each.huge),
        )
        text = tr("Leave huge pages to programs that ask for them, then restart Redis.")
        line = "w /sys/kernel/mm/transparent_hugepage/enabled - - - - madvise"
        file = "/etc/tmpfiles.d/huge-pages.conf"
        restart = f"systemctl restart {next(each.name for each in servers if each.huge)}"
        commands = (f"systemd-tmpfiles --create {file}", restart)
        yield AuditFinding("transparent_hugepage", evidence, Fix(text, file, (line,), commands))
    elif any(each.huge is None for each in servers):
        raise NotKnown(tr("it is not known whether Redis uses huge pages (no THP_enabled in /proc/PID/status)"))


CHECKS = (
    AuditCheck(
        "kernel-limits",
        AuditSeverity.MEDIUM,
        tr("a limit of the kernel is reached"),
        tr("Clients wait a second or more, or are refused, although the host is not busy."),
        (QUEUES, KERNEL),
        judge_limits,
        "https://docs.kernel.org/admin-guide/sysctl/net.html#somaxconn",
        ("performance",),
    ),
    AuditCheck(
        "swapping",
        AuditSeverity.MEDIUM,
        tr("memory in use is swapped out"),
        tr("A disk is a thousand times slower than memory, and a database that waits for it holds its locks."),
        (KERNEL,),
        judge_swapping,
        "https://docs.kernel.org/admin-guide/sysctl/vm.html#swappiness",
        ("performance",),
    ),
    AuditCheck(
        "redis-kernel-settings",
        AuditSeverity.MEDIUM,
        tr("the kernel is not set up for Redis"),
        tr("Redis forks to save and to replicate: that fails without memory to promise, and stalls with huge pages."),
        (KERNEL,),
        judge_redis,
        "https://redis.io/docs/latest/operate/oss_and_stack/management/admin/#linux",
        ("performance",),
    ),
)
