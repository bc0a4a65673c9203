"""The clock, kills for lack of memory, and file systems that are nearly full or soon will be."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.configuration import FREE
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes, human_duration

_CLOCK = r"""
[ -z "$LILFOX_CONTAINER" ] || { echo container; exit 0; }
exec timedatectl show --property=NTP --property=NTPSynchronized
"""
_KILLS = r"""
cd /sys/fs/cgroup 2>/dev/null || exit 127
[ -n "$LILFOX_CONTAINER" ] || sed -n 's/^oom_kill /host /p' /proc/vmstat
find . -name memory.events -path '*.service/*' -exec grep -H '^oom_kill ' {} + 2>/dev/null
"""
_DISKS = r"""
df -lPT; status=$?; echo; df -lPi; exit $status
"""
FULL_PERCENT, FULL_DAYS = 90, 7
_READ_ONLY = frozenset({"squashfs", "iso9660", "erofs", "udf", "efivarfs", "devtmpfs"})
"""File systems that are always full, or that nothing writes to."""


class Filesystem(Struct, frozen=True):
    """Where a file system is mounted, and how full it is, in percent; ``inodes`` is None where it has no limit."""

    mount: str
    used: int
    inodes: int | None


def parse_clock(printed: Printed) -> Mapping[str, str]:
    """The properties that timedatectl shows."""
    if printed.status == NO_PROGRAM:
        raise NotKnown(tr("timedatectl is not installed"))
    lines = printed.lines()
    if lines == ["container"]:
        raise Absent  # its clock is that of the machine below
    return dict(line.split("=", 1) for line in lines if "=" in line)


def parse_kills(printed: Printed) -> Mapping[str, int]:
    """How many processes were killed for lack of memory, by unit; those of the whole host under an empty name."""
    if printed.status == NO_PROGRAM or not printed.lines():
        raise NotKnown(tr("the kernel does not count memory by unit (no memory.events in /sys/fs/cgroup)"))
    found = {}
    for line in printed.lines():
        place, _blank, count = line.rpartition(" ")
        unit = "" if place == "host" else place.rpartition("/memory.events")[0].rpartition("/")[2]
        if int(count):
            found[unit] = int(count)
    return found


def parse_disks(printed: Printed) -> list[Filesystem]:
    """The file systems in the two tables of ``df``."""
    spaces, _blank, inodes = "\n".join(printed.lines()).partition("\n\n")
    by_mount = {words[5]: words[4] for line in inodes.splitlines()[1:] if len(words := line.split(None, 5)) == 6}
    found, seen = [], set()
    for line in spaces.splitlines()[1:]:
        device, kind, size, used, _free, percent, mount = line.split(None, 6)
        if kind in _READ_ONLY or (device, size, used) in seen or not percent.rstrip("%").isdecimal():
            continue
        seen.add((device, size, used))
        share = by_mount.get(mount, "-").rstrip("%")
        found.append(Filesystem(mount, int(percent.rstrip("%")), int(share) if share.isdecimal() else None))
    return found


CLOCK = Fact("clock", _CLOCK, parse_clock)
KILLS = Fact("oom-kills", _KILLS, parse_kills)
DISKS = Fact("filesystems", _DISKS, parse_disks)


def judge_clock(facts: Facts) -> Iterator[AuditFinding]:
    """A clock that nothing synchronises."""
    shown = facts[CLOCK]
    if "NTPSynchronized" not in shown:
        raise NotKnown(tr("timedatectl does not say whether the clock is synchronised"))
    if shown.get("NTPSynchronized") == "no":
        evidence = tr("timedatectl: NTP={ntp}, NTPSynchronized=no", ntp=shown.get("NTP", "-"))
        fix = Fix(
            tr("Install a client of NTP and start it."),
            commands=("apt-get install systemd-timesyncd", "timedatectl set-ntp true"),
        )
        yield AuditFinding("clock", evidence, fix)


def judge_kills(facts: Facts) -> Iterator[AuditFinding]:
    """Units that lost processes since the boot, and the host where that was in no unit that still runs."""
    kills = facts[KILLS]
    for unit, count in kills.items():
        if unit:
            text = tr("Find out why {unit} needs so much, then raise its limit or the host's memory.", unit=unit)
            commands = (f"systemctl show -p MemoryMax -p MemoryCurrent -p MemoryPeak {shlex.quote(unit)}",)
            yield AuditFinding(
                unit, tr("{unit}: oom_kill {count}", unit=unit, count=count), Fix(text, commands=commands)
            )
    total, told = kills.get("", 0), sum(count for unit, count in kills.items() if unit)
    if total > told:
        text = tr("Find out which process needs so much memory.")
        evidence = tr("/proc/vmstat: oom_kill {count} since the boot", count=total)
        if told:
            evidence = tr(
                "/proc/vmstat: oom_kill {count} since the boot, {rest} of them in no service that still runs",
                count=total,
                rest=total - told,
            )
        yield AuditFinding("host", evidence, Fix(text, commands=("journalctl -k -b --grep 'Out of memory'",)))


def judge_disks(facts: Facts) -> Iterator[AuditFinding]:
    """File systems above 90 % in bytes or inodes."""
    for each in facts[DISKS]:
        mount = shlex.quote(each.mount)
        if each.used > FULL_PERCENT:
            evidence = tr("df: {mount} is {percent}% full", mount=each.mount, percent=each.used)
            fix = Fix(tr("Remove what is not needed, or make it larger."), commands=(f"du -xh -d 2 {mount} | sort -h",))
            yield AuditFinding(each.mount, evidence, fix)
        if each.inodes is not None and each.inodes > FULL_PERCENT:
            evidence = tr("df -i: {mount} has {percent}% of its inodes in use", mount=each.mount, percent=each.inodes)
            fix = Fix(
                tr("Remove small files that are not needed."),
                commands=(f"du --inodes -x -d 2 {mount} | sort -n",),
            )
            yield AuditFinding(f"{each.mount}: inodes", evidence, fix)


def judge_growth(facts: Facts) -> Iterator[AuditFinding]:
    """File systems that are full within a week if the days to come take as much as the last two did. Whole days are
    compared, because what a night's job writes and removes is back where it was; the day that took less counts."""
    known = facts[FREE].known
    if not known:
        raise Absent  # no Prometheus, or none that has asked for two days
    seen: set[tuple[str, str]] = set()
    for each in sorted(known, key=lambda one: (one.instance, len(one.mount), one.mount)):
        free, day_ago, two_ago = each.bytes
        a_day = min(day_ago - free, two_ago - day_ago)
        if (each.instance, each.device) in seen or not a_day > 0 or free >= FULL_DAYS * a_day:
            continue
        seen.add((each.instance, each.device))
        evidence = tr(
            "{instance}: {mount} has {free} free, and each of the last two days took {growth} or more: full in {time}",
            instance=each.instance,
            mount=each.mount,
            free=human_bytes(free),
            growth=human_bytes(a_day),
            time=human_duration(free / a_day * 86400),
        )
        mount = shlex.quote(each.mount)
        text = tr("On that host, find out what grows: what has been written since yesterday, and what is largest.")
        commands = (
            f"find {mount} -xdev -type f -mtime -1 -size +10M -exec ls -lh {{}} +",
            f"du -xh -d 2 {mount} | sort -h",
        )
        yield AuditFinding(f"{each.instance}: {each.mount}", evidence, Fix(text, commands=commands))


CHECKS = (
    AuditCheck(
        "clock-not-synchronised",
        AuditSeverity.MEDIUM,
        tr("the clock is not synchronised"),
        tr("Logs of several hosts cannot be put in order, and tokens and certificates fail."),
        (CLOCK,),
        judge_clock,
        "https://www.freedesktop.org/software/systemd/man/latest/timedatectl.html",
    ),
    AuditCheck(
        "oom-kills",
        AuditSeverity.MEDIUM,
        tr("processes were killed for lack of memory"),
        tr("What is killed loses its requests, and it will happen again."),
        (KILLS,),
        judge_kills,
        "https://docs.kernel.org/admin-guide/cgroup-v2.html#memory",
    ),
    AuditCheck(
        "filesystem-full",
        AuditSeverity.HIGH,
        tr("a file system is nearly full"),
        tr("When it is full, databases stop and logs are lost."),
        (DISKS,),
        judge_disks,
        "https://www.gnu.org/software/coreutils/manual/html_node/df-invocation.html",
    ),
    AuditCheck(
        "filesystem-growth",
        AuditSeverity.HIGH,
        tr("a file system will be full within a week"),
        tr("When it is full, databases stop and logs are lost; until then there is time."),
        (FREE,),
        judge_growth,
        "https://prometheus.io/docs/prometheus/latest/querying/basics/#offset-modifier",
        target="configuration",
    ),
)
