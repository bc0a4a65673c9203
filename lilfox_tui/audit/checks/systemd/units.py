"""systemd units: those that failed or were changed, and how the services that the administrator wrote are set up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import tr

_PROPERTIES = (
    "Id Result LoadState ActiveState NeedDaemonReload FragmentPath DropInPaths SourcePath Transient TriggeredBy Type "
    "RemainAfterExit Restart RestartUSec StartLimitIntervalUSec StartLimitBurst User DynamicUser Delegate Slice "
    "MemoryMax MemoryHigh"
)
_UNITS = rf"""
command -v systemctl >/dev/null && [ -d /run/systemd/system ] || exit 127
set -- /etc/systemd/system/*.service
dpkg-query -S -- "$@" 2>/dev/null | sed -n 's/^[^:]*: /package /p'
command -v rpm >/dev/null && for file; do rpm -qf -- "$file" >/dev/null 2>&1 && echo "package $file"; done
echo
exec systemctl show --no-pager --property={_PROPERTIES.replace(" ", ",")} \
    '*.service' '*.socket' '*.timer' '*.path' '*.target' '*.mount' '*.swap' '*.slice'
"""
_EXPOSURES = r"""
[ -d /run/systemd/system ] || exit 127
exec systemd-analyze security --no-pager
"""
_OPEN_FILES = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
find /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 2>/dev/null | awk -F/ '{ count[$3]++ }
    END { for (pid in count) if (count[pid] > 200) print count[pid], pid }' |
while read -r count pid; do
    unit=$(sed -n 's,.*/\([^/]*\.service\)$,\1,p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
    limit=$(sed -n 's/^Max open files *\([^ ]*\) .*/\1/p' "/proc/$pid/limits" 2>/dev/null)
    [ -n "$unit" ] && [ -n "$limit" ] && echo "$count $limit $unit"
done
exit 0
"""
_ADMINISTRATORS = ("/etc/systemd/system/", "/usr/local/lib/systemd/system/")
_LONG_RUNNING = frozenset({"simple", "exec", "forking", "notify", "notify-reload", "dbus"})
_AT_ONCE_US = 1_000_000
"""A service that is restarted sooner than this after it ended takes a CPU when it cannot start."""
UNSAFE = 9.0
"""From this exposure on ``systemd-analyze security`` says UNSAFE; a service of root without any protection has 9.6."""
_FULL_PERCENT = 80


class LoadedUnit(Struct, frozen=True):
    """A loaded unit with the properties that ``systemctl show`` has of it. ``packaged``: its file is of a package."""

    properties: Mapping[str, str]
    packaged: bool

    @property
    def id(self) -> str:
        """The name with its type: ``nginx.service``."""
        return self.properties["Id"]

    def value(self, name: str) -> str:
        """A property; empty for one that this type of unit or version of systemd does not have."""
        return self.properties.get(name, "")

    @property
    def is_own(self) -> bool:
        """Whether it is a service that runs until it is stopped and whose file the administrator wrote."""
        return (
            self.id.endswith(".service")
            and not self.packaged
            and not self.id.startswith("snap.")
            and self.value("FragmentPath").startswith(_ADMINISTRATORS)
            and self.value("LoadState") == "loaded"
            and self.value("Type") in _LONG_RUNNING
            and self.value("RemainAfterExit") != "yes"
        )

    @property
    def is_running(self) -> bool:
        """Whether it is active now."""
        return self.value("ActiveState") in ("active", "reloading")


def parse_units(printed: Printed) -> Mapping[str, LoadedUnit]:
    """The units by their names, from the paths that packages own and the blocks of ``systemctl show``."""
    if printed.status == NO_PROGRAM:
        raise Absent
    owned = {line.removeprefix("package ") for line in printed.lines() if line.startswith("package ")}
    found = {}
    for properties in printed.properties():
        if "Id" in properties:
            found[properties["Id"]] = LoadedUnit(properties, properties.get("FragmentPath") in owned)
    if not found:
        raise NotKnown(tr("systemctl shows no units"))
    return found


def parse_exposures(printed: Printed) -> Mapping[str, float]:
    """The exposure of each service in the table of ``systemd-analyze security``."""
    if printed.status == NO_PROGRAM:
        raise NotKnown(tr("systemd-analyze is not installed"))
    _heading, *rows = printed.lines()
    words = [row.split() for row in rows]
    return {row[0]: float(row[1]) for row in words if len(row) > 2}


def parse_open_files(printed: Printed) -> Mapping[str, tuple[int, int]]:
    """For each service the process that is nearest to its limit: how many files it has open, and the limit."""
    found: dict[str, tuple[int, int]] = {}
    for line in printed.lines():
        count, limit, unit = line.split()
        if limit != "unlimited":
            found[unit] = max(found.get(unit, (0, 1)), (int(count), int(limit)), key=lambda each: each[0] / each[1])
    return found


UNITS = Fact("units", _UNITS, parse_units)
EXPOSURES = Fact("unit-exposures", _EXPOSURES, parse_exposures)
OPEN_FILES = Fact("open-files", _OPEN_FILES, parse_open_files)


def _drop_in(unit: str, subject: str, lines: Sequence[str], *, restart: bool) -> Fix:
    file = f"/etc/systemd/system/{unit}.d/50-{subject}.conf"
    text = tr("Write these lines to {file}, then reload systemd.", file=file)
    if restart:
        text = tr("Write these lines to {file}, then restart the service.", file=file)
    return Fix(text, file, tuple(lines), ("systemctl daemon-reload", *([f"systemctl restart {unit}"] * restart)))


def judge_failed(facts: Facts) -> Iterator[AuditFinding]:
    """Units in the state ``failed``."""
    for unit in facts[UNITS].values():
        if unit.value("ActiveState") == "failed" and unit.value("Transient") != "yes":
            text = tr("Read why it failed, fix the cause, then restart it. If nobody needs it, disable it.")
            commands = (f"journalctl --no-pager -n 50 -u {unit.id}", f"systemctl restart {unit.id}")
            evidence = tr(
                "systemctl: {unit} has failed (Result={result})", unit=unit.id, result=unit.value("Result") or "-"
            )
            yield AuditFinding(unit.id, evidence, Fix(text, commands=commands))


def judge_reload(facts: Facts) -> Iterator[AuditFinding]:
    """Units whose files are newer than what systemd has read."""
    for unit in facts[UNITS].values():
        if unit.value("NeedDaemonReload") == "yes":
            file = unit.value("SourcePath") or unit.value("FragmentPath") or unit.value("DropInPaths") or "-"
            evidence = tr("systemctl: {unit}: NeedDaemonReload=yes ({file})", unit=unit.id, file=file)
            text = tr("Reload systemd. What runs already gets the new settings when it is restarted.")
            yield AuditFinding(unit.id, evidence, Fix(text, commands=("systemctl daemon-reload",)))


def judge_restart(facts: Facts) -> Iterator[AuditFinding]:
    """Services of the administrator that stay down, or are restarted at once and without end."""
    for unit in facts[UNITS].values():
        if not unit.is_own or unit.value("ActiveState") == "inactive":
            continue
        file = unit.value("FragmentPath")
        if unit.value("Restart") == "no" and not unit.value("TriggeredBy"):
            yield AuditFinding(
                f"{unit.id}: Restart",
                tr("systemctl show {unit}: Restart=no ({file})", unit=unit.id, file=file),
                _drop_in(unit.id, "restart", ("[Service]", "Restart=on-failure", "RestartSec=1"), restart=False),
            )
        elif unit.value("Restart") != "no" and _restarts_without_end(unit):
            yield AuditFinding(
                f"{unit.id}: StartLimitBurst",
                tr(
                    "systemctl show {unit}: Restart={restart}, RestartUSec={pause}, and no limit of starts ({file})",
                    unit=unit.id,
                    restart=unit.value("Restart"),
                    pause=unit.value("RestartUSec"),
                    file=file,
                ),
                _drop_in(
                    unit.id,
                    "restart",
                    ("[Unit]", "StartLimitIntervalSec=300", "StartLimitBurst=10", "[Service]", "RestartSec=5"),
                    restart=False,
                ),
            )


def _restarts_without_end(unit: LoadedUnit) -> bool:
    unlimited = unit.value("StartLimitIntervalUSec") == "0" or unit.value("StartLimitBurst") == "0"
    return unlimited and _microseconds(unit.value("RestartUSec")) < _AT_ONCE_US


def _microseconds(text: str) -> float:
    """A time span as ``systemctl show`` prints it: ``1min 30s``, ``100ms``, ``0``, ``infinity``."""
    if text == "infinity":
        return math.inf
    units = {"us": 1.0, "ms": 1e3, "s": 1e6, "min": 6e7, "h": 3.6e9, "d": 8.64e10}
    total = 0.0
    for word in text.split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        total += float(number) * units.get(word[len(number) :], 1e12)
    return total


def judge_memory(facts: Facts) -> Iterator[AuditFinding]:
    """Services of the administrator that may take all memory. Those that start others in cgroups of their own (an
    engine of containers) are left out."""
    units = facts[UNITS]
    for unit in units.values():
        if unit.is_own and unit.is_running and unit.value("Delegate") != "yes" and not _is_bounded(unit, units):
            yield AuditFinding(
                unit.id,
                tr(
                    "systemctl show {unit}: MemoryMax=infinity, MemoryHigh=infinity ({file})",
                    unit=unit.id,
                    file=unit.value("FragmentPath"),
                ),
                _memory_fix(unit.id),
            )


def _memory_fix(unit: str) -> Fix:
    fix = _drop_in(unit, "memory", ("[Service]", "MemoryMax=75%"), restart=False)
    text = tr(
        "Write these lines to {file}, then reload systemd. Then lower the limit to twice the peak of the service.",
        file=fix.file,
    )
    return Fix(text, fix.file, fix.lines, fix.commands)


def _is_bounded(unit: LoadedUnit, units: Mapping[str, LoadedUnit]) -> bool:
    """Whether the unit or a slice that it is in has a limit. ``a-b.slice`` is in ``a.slice``."""
    around = [unit]
    name = unit.value("Slice").removesuffix(".slice")
    while name:
        if (slice_ := units.get(f"{name}.slice")) is not None:
            around.append(slice_)
        name = name.rpartition("-")[0]
    limits = [each.value(limit) for each in around for limit in ("MemoryMax", "MemoryHigh")]
    return any(limit not in ("", "infinity") for limit in limits)


_HARDENING = (
    "[Service]",
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectSystem=full",
    "ProtectHome=read-only",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "RestrictSUIDSGID=yes",
    "RestrictRealtime=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
)


def judge_hardening(facts: Facts) -> Iterator[AuditFinding]:
    """Services of the administrator that run as root with no protection of the system from them."""
    for unit in facts[UNITS].values():
        is_root = unit.value("User") in ("", "root", "0") and unit.value("DynamicUser") != "yes"
        if not (unit.is_own and unit.is_running and is_root) or unit.value("Delegate") == "yes":
            continue
        exposure = facts[EXPOSURES].get(unit.id)
        if exposure is not None and exposure >= UNSAFE:
            fix = _drop_in(unit.id, "hardening", _HARDENING, restart=True)
            text = tr(
                "Run it as its own user (User=) if it can. Otherwise write these lines to {file}, then restart it.",
                file=fix.file,
            )
            evidence = tr(
                "{unit} runs as root; systemd-analyze security: exposure {exposure} of 10 ({file})",
                unit=unit.id,
                exposure=exposure,
                file=unit.value("FragmentPath"),
            )
            yield AuditFinding(unit.id, evidence, Fix(text, fix.file, fix.lines, fix.commands))


def judge_open_files(facts: Facts) -> Iterator[AuditFinding]:
    """Services that have nearly as many files open as they may."""
    for unit, (count, limit) in facts[OPEN_FILES].items():
        if 100 * count > _FULL_PERCENT * limit:
            yield AuditFinding(
                unit,
                tr(
                    "a process of {unit} has {count} files open; its limit is {limit}",
                    unit=unit,
                    count=count,
                    limit=limit,
                ),
                _drop_in(unit, "files", ("[Service]", f"LimitNOFILE={max(65536, 4 * limit)}"), restart=True),
            )


_MANUAL = "https://www.freedesktop.org/software/systemd/man/latest"
CHECKS = (
    AuditCheck(
        "unit-failed",
        AuditSeverity.MEDIUM,
        tr("a unit has failed"),
        tr("Its work is not done, and the next failure goes unnoticed, because systemctl already says “degraded”."),
        (UNITS,),
        judge_failed,
        f"{_MANUAL}/systemctl.html",
    ),
    AuditCheck(
        "unit-not-reloaded",
        AuditSeverity.MEDIUM,
        tr("a unit's file was changed, but systemd has not read it"),
        tr("The change is not in effect yet, and surprises everyone at the next restart."),
        (UNITS,),
        judge_reload,
        f"{_MANUAL}/org.freedesktop.systemd1.html",
    ),
    AuditCheck(
        "unit-no-restart",
        AuditSeverity.MEDIUM,
        tr("a service is not restarted when it fails, or is restarted without end"),
        tr("It stays down until somebody notices; or it starts and fails many times a second, and fills the logs."),
        (UNITS,),
        judge_restart,
        f"{_MANUAL}/systemd.service.html#Restart=",
    ),
    AuditCheck(
        "unit-no-memory-limit",
        AuditSeverity.MEDIUM,
        tr("a service may take all memory of the host"),
        tr("When it leaks memory, the kernel kills the largest process, which may be the database beside it."),
        (UNITS,),
        judge_memory,
        f"{_MANUAL}/systemd.resource-control.html#MemoryMax=bytes",
    ),
    AuditCheck(
        "unit-open-files",
        AuditSeverity.MEDIUM,
        tr("a service has nearly reached its limit of open files"),
        tr("At the limit it can neither accept a connection nor open a file."),
        (OPEN_FILES,),
        judge_open_files,
        f"{_MANUAL}/systemd.exec.html#Process%20Properties",
    ),
    AuditCheck(
        "unit-exposed-root",
        AuditSeverity.MEDIUM,
        tr("a service runs as root without any protection"),
        tr("Whoever exploits a bug in the program owns the host."),
        (UNITS, EXPOSURES),
        judge_hardening,
        f"{_MANUAL}/systemd-analyze.html",
    ),
)
