"""Secrets that every user of a host can see: in the arguments of processes, and in Environment= of units."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.secret_values import is_secret_variable, secrets_in
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, OWN_WORDS, Printed
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.redact import MASK, redact

_PROCESSES = r"""
sed -n 's,^[^ ]* /proc proc \([^ ]*\) .*,mount \1,p' /proc/mounts
{ ps -ww --ppid 2 -p 2 --deselect -o unit:80=,args= || ps -ww -e -o args= | sed 's/^/- /'; } | cut -c 1-4096
"""
_ENVIRONMENTS = r"""
command -v systemctl >/dev/null && [ -d /run/systemd/system ] || exit 127
exec systemctl show --no-pager --all --property=Id,Environment,FragmentPath,DropInPaths '*.service'
"""
_HIDDEN = frozenset({"hidepid=1", "hidepid=2", "hidepid=4", "hidepid=noaccess", "hidepid=invisible"})
_INSTEAD = {
    "redis-cli": tr("Set REDISCLI_AUTH in its environment instead of -a."),
    "valkey-cli": tr("Set REDISCLI_AUTH in its environment instead of -a."),
    "mysql": tr("Write the password to a file that only its user can read, and pass --defaults-extra-file."),
    "mysqldump": tr("Write the password to a file that only its user can read, and pass --defaults-extra-file."),
    "psql": tr("Write the password to ~/.pgpass (mode 600), and leave it out of the address."),
    "pg_dump": tr("Write the password to ~/.pgpass (mode 600), and leave it out of the address."),
    "curl": tr("Write the option to a file that only its user can read, and pass --config."),
    "sshpass": tr("Use a key, or read the password from a file with -f."),
}
"""How these programs get a secret that nobody sees."""
_SHOWN = 200


class RevealingProcess(Struct, frozen=True):
    """A process by its unit (``-`` for none) and its arguments, of which those are secrets that have these names."""

    unit: str
    arguments: str
    names: tuple[str, ...]

    @property
    def program(self) -> str:
        """The name of the program without its folder."""
        return self.arguments.split(" ", 1)[0].rpartition("/")[2].rstrip(":")

    @property
    def place(self) -> str:
        """The service, else the program: the same after each start."""
        return self.unit if self.unit.endswith(".service") and not self.unit.startswith("user@") else self.program


class UnitEnvironment(Struct, frozen=True):
    """A service with secrets in its ``Environment=``: their names, whether each is one plain word, and its files."""

    unit: str
    secrets: tuple[tuple[str, bool], ...]
    files: tuple[str, ...]


def parse_processes(printed: Printed) -> list[RevealingProcess]:
    """The processes with secrets in their arguments; none where /proc hides those of others."""
    mounted, *lines = printed.lines()
    if not mounted.startswith("mount "):
        raise ValueError(mounted)
    if _HIDDEN & set(mounted.removeprefix("mount ").split(",")):
        return []
    found = []
    for line in lines:
        unit, _blank, arguments = line.strip().partition(" ")
        arguments = arguments.strip()
        if any(each in arguments for each in OWN_WORDS):
            continue
        if names := [each.name for each in secrets_in(arguments)]:
            found.append(RevealingProcess(unit, _up_to_a_secret(arguments), tuple(dict.fromkeys(names))))
    return found


def _up_to_a_secret(arguments: str) -> str:
    """The arguments up to their first secret, masked: ps does not show where an argument with blanks ends."""
    shown, mask, rest = redact(arguments).partition(MASK)
    return f"{shown}{mask} …" if rest else f"{shown}{mask}"


def parse_environments(printed: Printed) -> list[UnitEnvironment]:
    """The services with secrets in their environment, from the blocks of ``systemctl show``."""
    if printed.status == NO_PROGRAM:
        raise Absent
    found = []
    for shown in printed.properties():
        secrets = {}
        for word in shlex.split(shown.get("Environment", "")):
            name, _equals, value = word.partition("=")
            if is_secret_variable(name, value):
                secrets[name] = not set(value) & set(" \t\"'\\$`|&/#")
        if secrets:
            files = (shown["FragmentPath"], *shown.get("DropInPaths", "").split())
            found.append(UnitEnvironment(shown["Id"], tuple(secrets.items()), files))
    return found


PROCESSES = Fact("process-arguments", _PROCESSES, parse_processes)
ENVIRONMENTS = Fact("unit-environments", _ENVIRONMENTS, parse_environments)


def judge_arguments(facts: Facts) -> Iterator[AuditFinding]:
    """Processes with secrets in their arguments, once for each service or program."""
    seen = set()
    for process in facts[PROCESSES]:
        subject = f"{process.place}: {listed(process.names)}"
        if subject in seen:
            continue
        seen.add(subject)
        text = _INSTEAD.get(
            process.program, tr("Pass it in a file that only the process can read, or in its environment.")
        )
        yield AuditFinding(subject, tr("ps: {arguments}", arguments=process.arguments[:_SHOWN]), Fix(text))


def judge_environments(facts: Facts) -> Iterator[AuditFinding]:
    """Secrets in ``Environment=`` of services."""
    for each in facts[ENVIRONMENTS]:
        names = [name for name, _plain in each.secrets]
        evidence = tr(
            "systemctl show {unit}: Environment= sets {names} ({files})",
            unit=each.unit,
            names=listed(names),
            files=" ".join(each.files),
        )
        yield AuditFinding(each.unit, evidence, _environment_fix(each, names))


def _environment_fix(each: UnitEnvironment, names: list[str]) -> Fix:
    file = f"/etc/{each.unit.removesuffix('.service')}.secrets"
    drop_in = f"/etc/systemd/system/{each.unit}.d/50-secrets.conf"
    text = tr("Move it to {file} (mode 600), which only systemd reads. Then change it: it may be known.", file=file)
    lines = ("[Service]", f"EnvironmentFile={file}")
    own = [path for path in each.files if path.startswith("/etc/")]
    if not own or not all(plain for _name, plain in each.secrets) or _has_blank(own):
        return Fix(_by_hand(text), drop_in, lines, ("systemctl daemon-reload", f"systemctl restart {each.unit}"))
    pattern = "|".join(names)
    words = f's/"?({pattern})=[^" ]*"? ?//g'
    files = " ".join(map(shlex.quote, own))
    shown = f"systemctl show -p Environment --value {each.unit}"
    return Fix(
        text,
        drop_in,
        lines,
        (
            f"umask 077; {shown} | tr ' ' '\\n' | grep -E '^({pattern})=' >>{file}",
            f"sed -i -E '/^Environment=/{{{words}; /^Environment=[[:space:]]*$/d}}' {files}",
            "systemctl daemon-reload",
            f"systemctl restart {each.unit}",
        ),
    )


def _has_blank(paths: list[str]) -> bool:
    return any(" " in path for path in paths)


def _by_hand(text: Message) -> Message:
    return tr("{what} Move the line by hand: the two files quote its value differently.", what=text)


CHECKS = (
    AuditCheck(
        "secret-in-arguments",
        AuditSeverity.HIGH,
        tr("a process has a secret in its arguments"),
        tr("Every user of the host sees it with ps, and it stays in the history of shells and the logs of sudo."),
        (PROCESSES,),
        judge_arguments,
        "https://man7.org/linux/man-pages/man5/proc_pid_cmdline.5.html",
    ),
    AuditCheck(
        "secret-in-unit",
        AuditSeverity.HIGH,
        tr("a unit has a secret in Environment="),
        tr("Every user of the host reads it with systemctl show, whatever the rights of the unit's file are."),
        (ENVIRONMENTS,),
        judge_environments,
        "https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#Environment=",
    ),
)
