"""Secrets that git keeps, and keys that lie beside what they decrypt."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from msgspec import Struct

from lilfox_tui.audit.checks.secrets.files import SHOW, FileWithSecret, read_files
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.targets.hosts import Printed
from lilfox_tui.core.i18n import listed, ntr, tr

# git is not run: the configuration of a working copy names programs, which would run as root. Its index has the names
# of all files that are tracked, each after a byte of its length. The folders are walked once for both.
_FOLDERS = (
    r"""
[ "$LILFOX_UID" = 0 ] || exit 1
set --
for folder in /opt /srv /home /root /var/www /var/backups /backup /backups /mnt /data /usr/local; do
    [ -d "$folder" ] && set -- "$@" "$folder/"
done
"""
    + SHOW
    + r"""
found=$(find "$@" -xdev -maxdepth 6 -name node_modules -prune -o -type d -name .git -print -prune -o -type f \
    \( -name '*.age' -o -name '*.gpg' -o -name '*.pgp' -o -name '*.enc' -o -name '*.fernet' \) -print)
[ -n "$found" ] || exit 0
printf '%s\n' "$found" | grep -v '/\.git$' | sed -n 's,^\(.*\)/[^/]*\.\([a-z]*\)$,\2 \1,p' | sort | uniq -c |
    head -n 200 | while read -r count kind folder; do
    case $kind in
        age) pattern='^AGE-SECRET-KEY-(PQ-)?1[A-Z0-9]{40,}' ;;
        gpg|pgp) pattern='^-----BEGIN PGP PRIVATE KEY BLOCK' ;;
        *) pattern='^[A-Za-z0-9_-]{43}=$' ;;
    esac
    printf 'data %s %s\n' "$count" "$folder"
    find "$folder" -xdev -maxdepth 1 -type f -size -16k -exec grep -laE -- "$pattern" {} + | sed 's/^/key /'
done
copies=$(printf '%s\n' "$found" | grep '/\.git$') || exit 0
wanted='^.?([^[:cntrl:]]*/)?(\.env(\.[a-z]+)?|[a-z]+\.env|id_(rsa|ecdsa|ed25519))$'
echo copies
printf '%s\n' "$copies" | head -n 200 | while IFS= read -r copy; do
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


class WorkingCopy(Struct, frozen=True):
    """A working copy of git and the files with secrets that it tracks."""

    path: str
    files: tuple[FileWithSecret, ...]


class KeyBeside(Struct, frozen=True):
    """A key in a folder with so many encrypted files."""

    key: str
    folder: str
    files: int


class Folders(Struct, frozen=True):
    """What lies in the folders where people keep data: working copies of git whose index names a file that holds a
    secret now (None: no working copy at all), and keys beside encrypted files."""

    copies: Sequence[WorkingCopy] | None
    keys: Sequence[KeyBeside]


def parse_folders(printed: Printed) -> Folders:
    """First the folders with encrypted files, each with the keys in it; then ``copies`` and the working copies."""
    lines = printed.lines()
    if "copies" not in lines:
        return Folders(None, _read_keys(lines))
    begin = lines.index("copies")
    return Folders(_read_copies(lines[begin + 1 :]), _read_keys(lines[:begin]))


def _read_copies(lines: Sequence[str]) -> list[WorkingCopy]:
    found = []
    for part in re.split(r"(?m)^copy ", "\n".join(lines))[1:]:
        path, *shown = part.split("\n")
        names = {f"{path}/{_name(line.removeprefix('name '))}" for line in shown if line.startswith("name ")}
        files = tuple(file for file in read_files(shown) if file.path in names)
        if files:
            found.append(WorkingCopy(path, files))
    return found


def _name(line: str) -> str:
    """A name of the index without the byte before it, which tells its length; as a newline, that byte is gone."""
    return line[1:] if line and ord(line[0]) == len(line) - 1 else line


def _read_keys(lines: Sequence[str]) -> list[KeyBeside]:
    found = []
    folder, count = "", 0
    for line in lines:
        kind, _blank, rest = line.partition(" ")
        if kind == "data":
            number, _blank, folder = rest.partition(" ")
            count = int(number)
        elif kind == "key":
            found.append(KeyBeside(rest, folder, count))
    return found


FOLDERS = Fact("folders-of-data", _FOLDERS, parse_folders)


def judge_tracked(facts: Facts) -> Iterator[AuditFinding]:
    """Files with secrets that a working copy tracks."""
    copies = facts[FOLDERS].copies
    if copies is None:
        raise Absent
    for copy in copies:
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
    for each in facts[FOLDERS].keys:
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
        (FOLDERS,),
        judge_tracked,
        "https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/"
        "removing-sensitive-data-from-a-repository",
    ),
    AuditCheck(
        "key-beside-data",
        AuditSeverity.HIGH,
        tr("a key lies beside what it decrypts"),
        tr("Whoever copies the folder has both, so the encryption protects nothing."),
        (FOLDERS,),
        judge_beside,
        "https://cheatsheetseries.owasp.org/cheatsheets/Cryptographic_Storage_Cheat_Sheet.html",
    ),
)
