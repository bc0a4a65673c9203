"""Security updates that are not installed, and a restart that they wait for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import listed, ntr, tr

_UPDATES = r"""
command -v apt-cache >/dev/null || exit 127
updated=$(stat -c %Y /var/lib/apt/lists /var/lib/apt/lists/partial /var/lib/apt/periodic/update-success-stamp \
    2>/dev/null | sort -n | tail -n 1)
printf '%s\n' $(($(date +%s) - updated))
installed=$(dpkg-query -f '${Package} ${Version} ${binary:Package}\n' -W) && cd /var/lib/apt/lists || exit
for release in $({ grep -lis security -- *Release; ls -d -- *[Ss]ecurity*Release; } 2>/dev/null | sort -u); do
    for list in "${release%_*}"_*Packages*; do [ -f "$list" ] && set -- "$@" "$list"; done
done
[ $# -gt 0 ] || exit 0
echo secure
names=$({ /usr/lib/apt/apt-helper cat-file "$@" && printf '\001\n%s\n' "$installed"; } | awk '
    $0 == "\001" { known = 1; next }
    known { if ($1 in secure && !(($1, $2) in versions)) print $3; next }
    $1 == "Package:" { secure[package = $2] = 1 }
    $1 == "Version:" { versions[package, $2] = 1 }
    END { exit !known }') || exit
[ -n "$names" ] || exit 0
apt-get indextargets --format "$(printf '$(DESCRIPTION)\t$(ORIGIN),$(LABEL),$(SUITE),$(CODENAME)')" \
    'Created-By: Packages' || exit
echo
apt-cache policy $names | awk '
    /^[^ ]/ { name = $0; next }
    $1 == "Installed:" { installed = $2; next }
    $1 == "Candidate:" { shown = installed != $2 && installed != "(none)"; if (shown) print name; next }
    / \*\*\* / { shown = 0 }
    shown { print }
    END { exit !NR }'
"""
# The files of the lists have the times of the archive, their folder has that of the last update. ``apt-cache policy``
# of the packages in the lists of an archive for security takes a fifth of the time of ``apt list --upgradable``.
# Without names, it would look at the pins of all packages; ``indextargets`` describes a source with the same words.
_REBOOT = r"""
command -v apt >/dev/null || exit 127
if [ -e /run/reboot-required ]; then echo required; sort -u /run/reboot-required.pkgs 2>/dev/null; fi
[ -z "$LILFOX_CONTAINER" ] || exit 0
printf 'running %s\n' "$(uname -r)"
for file in /boot/vmlinuz-*; do
    if [ -e "$file" ]; then printf 'installed %s\n' "${file#/boot/vmlinuz-}"; fi
done
"""
# Debian writes /run/reboot-required only with unattended-upgrades. The kernel of a container is that of its host.
OLDEST_LISTS_S = 7 * 86400
_NAMED = 5


class Updates(Struct, frozen=True):
    """The packages that an upgrade would replace for security, the age of the lists that say so, in seconds, and
    whether any of them is of an archive for security."""

    lists_age_s: int
    packages: tuple[str, ...]
    security: bool


def parse_updates(printed: Printed) -> Updates:
    """The age of the lists; ``secure`` if one is of an archive for security; and if a package is in one with another
    version than the installed one, the sources, each with a tab and what its release says of itself, an empty line, and
    of ``apt-cache policy``, for each package of which a newer version would be installed, its name and a colon, and the
    versions above the installed one with their sources."""
    age, *lines = _lines(printed)
    if "" not in lines:
        return Updates(int(age), (), security=lines == ["secure"])
    blank = lines.index("")
    secure = {tuple(line.partition("\t")[0].split()) for line in lines[1:blank] if "security" in line.lower()}
    packages: dict[str, None] = {}
    name = ""
    for line in lines[blank + 1 :]:
        if not line.startswith(" "):
            name = line.removesuffix(":")
        elif tuple(line.split()[1:]) in secure:  # without its priority, which a pin may change
            packages[name] = None
    return Updates(int(age), tuple(packages), security=True)


class Restart(Struct, frozen=True):
    """What a restart of the host would bring: the ``packages`` that wait for it (None if nothing says that any does),
    and the newest installed kernel of the same kind as the ``running`` one, empty if that runs."""

    packages: tuple[str, ...] | None
    running: str
    newer: str


def parse_reboot(printed: Printed) -> Restart:
    """``required`` and the packages that wait, then ``running VERSION``, and ``installed VERSION`` for each kernel in
    /boot. Raises ValueError for anything else."""
    packages: list[str] = []
    kernels: dict[str, list[str]] = {"running": [], "installed": []}
    for line in _lines(printed):
        kind, blank, kernel = line.partition(" ")
        (kernels[kind] if blank else packages).append(kernel if blank else line)
    if packages and packages[0] != "required":
        raise ValueError(packages[0])
    running = "".join(kernels["running"])
    version, flavour = _kernel(running)
    named = {other: name for name in kernels["installed"] if (other := _kernel(name))[1] == flavour}
    newest = max(named, default=None)
    newer = named[newest] if newest is not None and running and newest[0] > version else ""
    return Restart(tuple(packages[1:]) if packages else None, running, newer)


def _kernel(name: str) -> tuple[tuple[int, ...], str]:
    """The numbers of a kernel's version, and its flavour: ``cloud-amd64`` of ``6.1.0-25-cloud-amd64``."""
    words = name.split("-")
    numbers = [word for word in words if word[:1].isdigit()]
    flavour = "-".join(word for word in words if not word[:1].isdigit())
    return tuple(int(each) for each in re.findall(r"\d+", "-".join(numbers))), flavour


def _lines(printed: Printed) -> list[str]:
    if printed.status == NO_PROGRAM:
        raise NotKnown(tr("no apt on this host; LilFox knows only the updates of Debian and Ubuntu"))
    return printed.lines()


UPDATES = Fact("security-updates", _UPDATES, parse_updates)
REBOOT = Fact("reboot-required", _REBOOT, parse_reboot)


def judge_updates(facts: Facts) -> Iterator[AuditFinding]:
    """Security updates in lists that are not old."""
    updates = facts[UPDATES]
    if updates.packages:
        named = listed(updates.packages[:_NAMED]) + (" …" if len(updates.packages) > _NAMED else "")
        yield AuditFinding(
            "packages",
            ntr("{count} package: {names}", "{count} packages: {names}", len(updates.packages), names=named),
            Fix(tr("Install the updates."), commands=("apt-get update", "apt-get dist-upgrade")),
        )
    elif updates.lists_age_s > OLDEST_LISTS_S:
        days = updates.lists_age_s // 86400
        raise NotKnown(tr("the package lists are {days} days old: run apt-get update", days=days))
    elif not updates.security:
        raise NotKnown(tr("no package list is of an archive for security: add it to the sources, run apt-get update"))


def judge_reboot(facts: Facts) -> Iterator[AuditFinding]:
    """A host that still runs what an update has replaced."""
    restart = facts[REBOOT]
    if restart.packages is not None:
        evidence = tr("/run/reboot-required exists; packages: {names}", names=listed(restart.packages) or "-")
    elif restart.newer:
        evidence = tr(
            "kernel {running} is running, and {newer} is installed", running=restart.running, newer=restart.newer
        )
    else:
        return
    fix = Fix(tr("Restart the host in a maintenance window."), commands=("systemctl reboot",))
    yield AuditFinding("reboot", evidence, fix)


CHECKS = (
    AuditCheck(
        "security-updates",
        AuditSeverity.HIGH,
        tr("security updates are not installed"),
        tr("The faults that they mend are public, and so are programs that use them."),
        (UPDATES,),
        judge_updates,
        "https://www.debian.org/security/",
    ),
    AuditCheck(
        "reboot-required",
        AuditSeverity.HIGH,
        tr("an update waits for a restart of the host"),
        tr("The kernel or library with the fault is still in use until then."),
        (REBOOT,),
        judge_reboot,
        "https://www.debian.org/doc/debian-policy/ch-opersys.html#signaling-that-a-reboot-is-required",
    ),
)
