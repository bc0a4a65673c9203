"""Files with secrets that others on the host can read, or that a web server serves."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.audit.secret_values import secret_names
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import Message, listed, ntr, tr

NAMES = (
    r"-name .env -o -name '.env.*' -o -name '*.env' -o -name 'env_[0-9]*' -o -name .pgpass -o -name .netrc "
    r"-o -name .my.cnf -o -name .git-credentials -o -name credentials -o -name '*.pem' -o -name '*.key' "
    r"-o -name id_rsa -o -name id_ecdsa -o -name id_ed25519 -o -name id_dsa"
)
_OTHERS_FILES = (
    "-name node_modules -o -name site-packages -o -name dist-packages -o -name vendor -o -name .git -o -name test "
    "-o -name tests -o -name testdata -o -name examples -o -name .cache"
)
"""Folders with files of others: libraries have keys in their tests."""
SHOW = r"""
show() {
    for file; do
        case $file in
            *.example|*.sample|*.template|*.tmpl|*.dist|*.test) continue ;;
            *.pem|*.key|*/id_*)
                grep -aqE '^-----BEGIN (RSA |EC |DSA |OPENSSH )?PRIVATE KEY-----' "$file" || continue
                grep -aqE '^Proc-Type: 4,ENCRYPTED' "$file" && continue
                grep -aq 'BEGIN OPENSSH' "$file" && ! grep -aq '^b3BlbnNzaC1rZXktdj[E]AAAAABG5vbmU' "$file" && continue
                stat -c 'key %a %u %g %U:%G %n' -- "$file" ;;
            *)
                stat -c 'text %a %u %g %U:%G %n' -- "$file"
                head -c 16384 -- "$file" | grep -a '[=:@ ]' | head -n 100 | cut -c 1-500 | sed 's/^/>/' ;;
        esac
    done
}
"""
"""Shows a file of :data:`NAMES`: of a key that no passphrase protects only that it is one."""
_SHOWS = "sh -c " + shlex.quote(SHOW + 'show "$@"') + " sh {} +"
_READABLE = rf"""
set --
for folder in /etc /opt /srv /home /root /var/www /var/backups /backup /backups /usr/local/etc; do
    [ -d "$folder" ] && set -- "$@" "$folder/"
done
find "$@" -xdev -maxdepth 8 -type d \( ! -perm -001 -o {_OTHERS_FILES} \) -prune \
    -o -type f -perm -004 -size -64k \( {NAMES} \) -exec {_SHOWS}
exit 0
"""
# sites-enabled has links, which grep follows with -R only.
_SERVED = rf"""
roots=$(
    cd /etc; {{
    grep -RhoE '(^|[[:space:];{{])root[[:space:]]+[^;#]+;' nginx/nginx.conf nginx/conf.d nginx/sites-enabled |
        sed -E 's/^[^r]*root[[:space:]]+//; s/[";]//g'
    grep -RhoiE '^[[:space:]]*DocumentRoot[[:space:]]+[^#]+' apache2/sites-enabled httpd/conf httpd/conf.d |
        sed -E 's/^[[:space:]]*[A-Za-z]+[[:space:]]+//; s/"//g'
    }} 2>/dev/null | sed 's/[[:space:]]*$//' | sort -u
)
[ -n "$roots" ] || exit 127
[ "$LILFOX_UID" = 0 ] || exit 1
hiding='^[^#]*location[[:space:]]+~\*?[[:space:]]+"?\^?/?.*\\\.(\(|[[:space:]]|\{{|env)'
grep -RqE "$hiding" /etc/nginx 2>/dev/null && echo hidden
for pid in $(pgrep -x 'nginx|apache2|httpd|caddy'); do
    sed -nE 's/^Uid:[[:space:]]*([0-9]+).*/uid \1/p; s/^Groups:/groups/p; s/^Gid:[[:space:]]*([0-9]+).*/groups \1/p' \
        "/proc/$pid/status" 2>/dev/null
done
printf '%s\n' "$roots" | while IFS= read -r root; do
    [ -d "$root/" ] || continue
    printf 'root %s\n' "$root"
    find "$root/" -xdev -maxdepth 4 -type d \( {_OTHERS_FILES} \) -prune -o -type f -size -64k \( {NAMES} \) \
        -exec {_SHOWS}
done
exit 0
"""
# A folder is a place of backups by its name; a dump is one by its first lines. The newest of each folder is looked at.
_DUMPS = r"""
set --
for folder in /backup /backups /var/backups /opt /srv /home /root /mnt /data; do
    [ -d "$folder" ] && set -- "$@" "$folder/"
done
[ "$#" -gt 0 ] || exit 0
tab=$(printf '\t')
find "$@" -xdev -maxdepth 6 -type d ! -perm -001 -prune -o -type f -perm -004 -ipath '*backup*' \
    \( -name '*.sql' -o -name '*.sql.gz' -o -name '*.dump' -o -name '*.pgdump' \) \
    -printf '%h\t%T@\t%m %U %u:%g %f\n' | sort -t "$tab" -k 1,1 -k 2,2nr |
    awk -F '\t' '$1 != place { if (place != "") print count "\t" place "\t" newest; place = $1; newest = $3; count = 0 }
        { count++ } END { if (place != "") print count "\t" place "\t" newest }' | head -n 200 |
    while IFS=$tab read -r count place newest; do
        rest=${newest#* * * }
        case $rest in *.gz) start=$(gzip -dc -- "$place/$rest" | head -c 4096 | tr -d '\0') ;;
        *) start=$(head -c 4096 -- "$place/$rest" | tr -d '\0') ;; esac
        case $start in
            *'PostgreSQL database'*dump*|PGDMP*) printf '%s\t%s\t%s\tPostgreSQL\n' "$count" "$place" "$newest" ;;
            *'MySQL dump'*|*'MariaDB dump'*) printf '%s\t%s\t%s\tMySQL\n' "$count" "$place" "$newest" ;;
        esac
    done
exit 0
"""


class ReadableDumps(Struct, frozen=True):
    """A folder with so many dumps of a database that others can read: the rights and the name of the newest."""

    folder: str
    count: int
    newest: str
    kind: str


class FileWithSecret(Struct, frozen=True):
    """A file that holds a secret: ``names`` of variables; none for a private key. ``root`` is the web root that it is
    in."""

    path: str
    mode: int
    uid: int
    gid: int
    owner: str
    names: tuple[str, ...]
    root: str = ""

    @property
    def evidence(self) -> str:
        """Its rights and what it holds, without values."""
        return f"{self.path}: {self.mode:o} {self.owner}"


class WebRoots(Struct, frozen=True):
    """What web servers may serve. ``hides`` tells that a location of nginx is for names that begin with a dot;
    ``users`` and ``groups`` are those of the server's processes."""

    files: tuple[FileWithSecret, ...]
    hides: bool
    users: frozenset[int]
    groups: frozenset[int]

    def serves(self, file: FileWithSecret) -> bool:
        """Whether the server's processes can read the file and no rule hides it."""
        if self.hides and file.path.rpartition("/")[2].startswith("."):
            return False
        by_group = bool(file.mode & 0o040) and file.gid in self.groups
        by_owner = bool(file.mode & 0o400) and file.uid in self.users - {0}
        return bool(file.mode & 0o004) or by_group or by_owner


def read_files(lines: list[str]) -> list[FileWithSecret]:
    """The files that :data:`SHOW` has shown and that hold a secret."""
    found: list[FileWithSecret] = []
    shown: list[tuple[list[str], list[str], str]] = []
    root = ""
    for line in lines:
        if line.startswith(">") and shown:
            shown[-1][1].append(line[1:])
        elif line.startswith("root "):
            root = line.removeprefix("root ")
        elif line.startswith(("key ", "text ")):
            shown.append((line.split(" ", 5), [], root))
    for (kind, mode, uid, gid, owner, path), content, around in shown:
        names = tuple(secret_names(content))
        if kind == "key" or names:
            found.append(
                FileWithSecret(path.replace("//", "/"), int(mode, 8), int(uid), int(gid), owner, names, around)
            )
    return found


def parse_readable(printed: Printed) -> list[FileWithSecret]:
    """The files with secrets that others can read."""
    return read_files(printed.lines())


def parse_served(printed: Printed) -> WebRoots:
    """The files with secrets in web roots."""
    if printed.status == NO_PROGRAM:
        raise Absent
    lines = printed.lines()
    words = [line.split() for line in lines if line.startswith(("uid ", "groups"))]
    return WebRoots(
        tuple(read_files(lines)),
        "hidden" in lines,
        frozenset(int(each[1]) for each in words if each[0] == "uid"),
        frozenset(int(number) for each in words if each[0] == "groups" for number in each[1:]),
    )


def parse_dumps(printed: Printed) -> list[ReadableDumps]:
    """The folders, each by a line of four cells: their number, the folder, the newest, and what it is a dump of."""
    found = []
    for line in printed.lines():
        count, folder, newest, kind = line.split("\t")
        mode, _uid, owner, name = newest.split(" ", 3)
        found.append(ReadableDumps(folder.replace("//", "/"), int(count), f"{name} ({mode} {owner})", kind))
    return found


DUMPS = Fact("readable-dumps", _DUMPS, parse_dumps)
READABLE = Fact("readable-secrets", _READABLE, parse_readable)
SERVED = Fact("served-secrets", _SERVED, parse_served)


def judge_readable(facts: Facts) -> Iterator[AuditFinding]:
    """Files with secrets that every user of the host can read."""
    for file in facts[READABLE]:
        text = tr("Remove the access of others. The program that needs the file must own it or be in its group.")
        yield AuditFinding(file.path, _evidence(file), Fix(text, commands=(f"chmod o-rwx {shlex.quote(file.path)}",)))


def judge_dumps(facts: Facts) -> Iterator[AuditFinding]:
    """Folders with dumps of databases that every user of the host can read."""
    for each in facts[DUMPS]:
        evidence = ntr(
            "{folder}: {count} dump of {kind} that everyone can read: {newest}",
            "{folder}: {count} dumps of {kind} that everyone can read; the newest: {newest}",
            each.count,
            folder=each.folder,
            kind=each.kind,
            newest=each.newest,
        )
        text = tr("Close the folder to others, and put umask 077 at the beginning of the script that writes the dumps.")
        yield AuditFinding(each.folder, evidence, Fix(text, commands=(f"chmod o-rwx {shlex.quote(each.folder)}",)))


def judge_served(facts: Facts) -> Iterator[AuditFinding]:
    """Files with secrets in a web root."""
    served = facts[SERVED]
    for file in served.files:
        if served.serves(file):
            above = file.root.rstrip("/").rpartition("/")[0] or "/"
            text = tr(
                "Move it out of {root}, tell the application where it is now, and change what it holds: it may have "
                "been read.",
                root=file.root,
            )
            command = f"mv -i {shlex.quote(file.path)} {shlex.quote(above)}/"
            yield AuditFinding(file.path, _evidence(file), Fix(text, commands=(command,)))


def _evidence(file: FileWithSecret) -> Message:
    if not file.names:
        return tr("{file}; a private key without a passphrase", file=file.evidence)
    return tr("{file}; sets {names}", file=file.evidence, names=listed(file.names[:5]))


CHECKS = (
    AuditCheck(
        "secret-file-readable",
        AuditSeverity.CRITICAL,
        tr("every user of the host can read a file with secrets"),
        tr("Whoever breaks into any program on the host gets the passwords and keys of all the others."),
        (READABLE,),
        judge_readable,
        "https://cheatsheetseries.owasp.org/cheatsheets/Secrets_Management_Cheat_Sheet.html",
    ),
    AuditCheck(
        "backup-readable",
        AuditSeverity.HIGH,
        tr("every user of the host can read the dumps of a database"),
        tr("A dump has all rows, with the password hashes, whatever the rights in the database are."),
        (DUMPS,),
        judge_dumps,
        "https://www.postgresql.org/docs/current/backup-dump.html",
    ),
    AuditCheck(
        "secret-file-served",
        AuditSeverity.CRITICAL,
        tr("a file with secrets is in a web root"),
        tr("The web server gives it to everyone who asks, and programs ask every address for /.env all day."),
        (SERVED,),
        judge_served,
        "https://owasp.org/www-project-web-security-testing-guide/latest/4-Web_Application_Security_Testing/"
        "02-Configuration_and_Deployment_Management_Testing/04-Review_Old_Backup_and_Unreferenced_Files_for_Sensitive_Information",
    ),
)
