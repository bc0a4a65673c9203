"""Secrets that git keeps, and keys that lie beside what they decrypt."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.checks.secrets.files import SHOW, FileWithSecret, read_files
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import listed, ntr, tr

_FOLDERS = r"""
[ "$LILFOX_UID" = 0 ] || exit 1
set --
for folder in /opt /srv /home /root /var/www /var/backups /backup /backups /mnt /data /usr/local; do
    [ -d "$folder" ] && set -- "$@" "$folder/"
done
"""
# git is not run: the configuration of a working copy names programs, which would run as root. Its index has the names
# of all files that are tracked, each after a byte of its length.
_TRACKED = (
    _FOLDERS
    + SHOW
    + r"""
wanted='^.?([^[:cntrl:]]*/)?(\.env(\.[a-z]+)?|[a-z]+\.env|id_(rsa|ecdsa|ed25519))$'
copies=$(find "$@" -xdev -maxdepth 6 -name node_modules -prune -o -type d -name .git -print -prune | head -n 200)
[ -n "$copies" ] || exit 127
printf '%s\n' "$copies" | while IFS= read -r copy; do
    [ -f "$copy/index" ] || continue
    names=$(tr '\0' '\n' <"$copy/index" | grep -aE "$wanted")
    [ -n "$names" ] || continue
    printf 'copy %s\n' "${copy%/.git}"
    printf '%s\n' "$names" | head -n 50 | sed 's/^/name /'
    find "${copy%/.git}" -xdev -maxdepth 4 -name .git -prune -o -type f \
        \( -name .env -o -name '.env.*' -o -name '*.env' -o -name 'id_*' \) -print | head -n 50 |
        while IFS= read -r file; do show "$file"; done
done
exit 0
"""
)
_BESIDE = (
    _FOLDERS
    + r"""
find "$@" -xdev -maxdepth 6 -name node_modules -prune -o -type f \
    \( -name '*.age' -o -name '*.gpg' -o -name '*.pgp' -o -name '*.enc' -o -name '*.fernet' \) -print |
    sed -n 's,^\(.*\)/[^/]*\.\([a-z]*\)$,\2 \1,p' | sort | uniq -c | head -n 200 | while read -r count kind folder; do
    case $kind in
        age) pattern='^AGE-SECRET-KEY-(PQ-)?1[A-Z0-9]{40,}' ;;
        gpg|pgp) pattern='^-----BEGIN PGP PRIVATE KEY BLOCK' ;;
        *) pattern='^[A-Za-z0-9_-]{43}=$' ;;
    esac
    printf 'data %s %s\n' "$count" "$folder"
    find "$folder" -xdev -maxdepth 1 -type f -size -16k -exec grep -laE -- "$pattern" {} + | sed 's/^/key /'
done
exit 0
"""
)


class WorkingCopy(Struct, frozen=True):
    """A working copy of git and the files with secrets that it tracks."""

    path: str
    files: tuple[FileWithSecret, ...]


class KeyBeside(Struct, frozen=True):
    """A key in a folder with so many encrypted files."""

    key: str
    folder: str
    files: int


def parse_tracked(printed: Printed) -> list[WorkingCopy]:
    """The working copies whose index names a file that holds a secret now."""
    if printed.status == NO_PROGRAM:
        raise Absent
    found = []
    for part in re.split(r"(?m)^copy ", "\n".join(printed.lines()))[1:]:
        path, *lines = part.split("\n")
        names = {f"{path}/{_name(line.removeprefix('name '))}" for line in lines if line.startswith("name ")}
        files = tuple(file for file in read_files(lines) if file.path in names)
        if files:
            found.append(WorkingCopy(path, files))
    return found


def _name(line: str) -> str:
    """A name of the index without the byte before it, which tells its length; as a newline, that byte is gone."""
    return line[1:] if line and ord(line[0]) == len(line) - 1 else line


def parse_beside(printed: Printed) -> list[KeyBeside]:
    """The keys in folders with encrypted files."""
    found = []
    folder, count = "", 0
    for line in printed.lines():
        kind, _blank, rest = line.partition(" ")
        if kind == "data":
            number, _blank, folder = rest.partition(" ")
            count = int(number)
        elif kind == "key":
            found.append(KeyBeside(rest, folder, count))
    return found


TRACKED = Fact("tracked-secrets", _TRACKED, parse_tracked)
BESIDE = Fact("keys-beside-data", _BESIDE, parse_beside)


def judge_tracked(facts: Facts) -> Iterator[AuditFinding]:
    """Files with secrets that a working copy tracks."""
    for copy in facts[TRACKED]:
        for file in copy.files:
            name = file.path.removeprefix(f"{copy.path}/")
            evidence = tr("{path}/.git/index tracks {name}", path=copy.path, name=name)
            if file.names:
                evidence = tr(
                    "{path}/.git/index tracks {name}, which sets {names}",
                    path=copy.path,
                    name=name,
                    names=listed(file.names[:5]),
                )
            text = tr("Stop tracking it, commit that, and change what it holds: it stays in the history.")
            git = f"git -C {shlex.quote(copy.path)}"
            commands = (
                f"{git} rm --cached --quiet -- {shlex.quote(name)}",
                f"echo {shlex.quote('/' + name)} >>{shlex.quote(copy.path)}/.gitignore",
                f"{git} add .gitignore",
                f"{git} commit --quiet -m {shlex.quote(f'Stop tracking {name}')}",
            )
            yield AuditFinding(file.path, evidence, Fix(text, commands=commands))


def judge_beside(facts: Facts) -> Iterator[AuditFinding]:
    """Keys in a folder with encrypted files."""
    for each in facts[BESIDE]:
        evidence = ntr(
            "{key} contains a key; {folder} has {count} encrypted file",
            "{key} contains a key; {folder} has {count} encrypted files",
            each.files,
            key=each.key,
            folder=each.folder,
        )
        text = tr("Store the key elsewhere (another machine, a password manager), read it there, then remove it here.")
        yield AuditFinding(each.key, evidence, Fix(text, commands=(f"shred -u -- {shlex.quote(each.key)}",)))


CHECKS = (
    AuditCheck(
        "secret-in-git",
        AuditSeverity.HIGH,
        tr("git tracks a file with secrets"),
        tr("Everyone who can clone the repository has the secrets, also after the file is removed."),
        (TRACKED,),
        judge_tracked,
        "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/"
        "removing-sensitive-data-from-a-repository",
    ),
    AuditCheck(
        "key-beside-data",
        AuditSeverity.HIGH,
        tr("a key lies beside what it decrypts"),
        tr("Whoever copies the folder has both, so the encryption protects nothing."),
        (BESIDE,),
        judge_beside,
        "https://cheatsheetseries.owasp.org/cheatsheets/Cryptographic_Storage_Cheat_Sheet.html",
    ),
)
