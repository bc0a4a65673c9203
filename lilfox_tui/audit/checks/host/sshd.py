"""sshd: how one logs in, and with which algorithms. ``sshd -T`` says what the daemon's configuration amounts to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from msgspec import Struct

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import NO_PROGRAM, Printed
from lilfox_tui.core.i18n import listed, tr

# The daemon that this login came through; on this machine, the oldest one. A listener writes its arguments into its
# title, so the file of -f stands there. sshd-session is the program of one connection since OpenSSH 9.8.
_LISTENER = r"""
pid=$PPID; listener=
while [ "${pid:-0}" -gt 1 ]; do
    IFS= read -r name <"/proc/$pid/comm" || break
    case $name in sshd|sshd:*) listener=$pid ;; esac
    while read -r key value; do [ "$key" = PPid: ] && break; done <"/proc/$pid/status"
    pid=$value
done
[ -n "$listener" ] || listener=$(pgrep -o -x sshd) || exit 127
set -f; set -- $(tr '\0' ' ' <"/proc/$listener/cmdline"); file=/etc/ssh/sshd_config
while [ $# -gt 1 ]; do [ "$1" = -f ] && file=$2; shift; done
"""
_SETTINGS = (
    _LISTENER
    + r"""
printf 'file %s\n' "$file"
sshd=$(command -v sshd) || exit 127
exec "$sshd" -T -f "$file"
"""
)
_KEYS = (
    _LISTENER
    + r"""
sshd=$(command -v sshd) || exit 127
"$sshd" -T -f "$file" | sed -n 's/^hostkey //p' | while read -r key; do
    [ -e "$key" ] || continue
    printf '%s\n' "$key"
    ssh-keygen -l -f "$key.pub" 2>/dev/null || ssh-keygen -l -f "$key" || exit 1
done
"""
)
_LINES = (
    _LISTENER
    + r"""
[ -r "$file" ] || exit 1
dropped=$(sed -n 's/^[[:space:]]*[Ii]nclude[[:space:]]*=*[[:space:]]*//p' "$file")
set +f; cd /etc/ssh && grep -HnE '^[[:space:]]*[A-Za-z]' -- "$file" $dropped
[ $? -lt 2 ]
"""
)


class Settings(Struct, frozen=True):
    """What ``sshd -T`` prints, keywords in lower case, and the file that it read."""

    file: str
    values: Mapping[str, str]

    def words(self, keyword: str) -> list[str]:
        """The values of a list such as ``ciphers``; raises NotKnown if it was not printed."""
        return self.value(keyword).split(",")

    def value(self, keyword: str) -> str:
        """The value of a keyword; raises NotKnown if it was not printed."""
        if keyword not in self.values:
            raise NotKnown(tr("sshd -T prints no {keyword}", keyword=keyword))
        return self.values[keyword]


class HostKey(Struct, frozen=True):
    """A key of the daemon: its file, its kind as ssh-keygen calls it (``RSA``), and its length."""

    file: str
    kind: str
    bits: int


class SshdLine(Struct, frozen=True):
    """A directive: where it stands, in which ``Match`` block (empty outside of any), and its words."""

    place: str
    match: str
    keyword: str
    value: str


def parse_settings(printed: Printed) -> Settings:
    """The settings in the output of ``sshd -T``."""
    if printed.status == NO_PROGRAM:
        raise Absent
    first, *lines = printed.lines()
    values = dict(line.split(" ", 1) for line in lines if " " in line)
    return Settings(first.removeprefix("file "), values)


def parse_keys(printed: Printed) -> list[HostKey]:
    """The keys: a line with the file of each, then what ``ssh-keygen -l`` prints."""
    if printed.status == NO_PROGRAM:
        raise Absent
    lines = printed.lines()
    words = [line.split() for line in lines[1::2]]
    return [HostKey(file, each[-1].strip("()"), int(each[0])) for file, each in zip(lines[::2], words, strict=True)]


def parse_lines(printed: Printed) -> list[SshdLine]:
    """The directives in grep's ``FILE:NUMBER:LINE``."""
    if printed.status == NO_PROGRAM:
        raise Absent
    found, match, file = [], "", ""
    for text in printed.lines():
        named = re.match(r"([^:]+):(\d+):\s*(\w+)(?:\s+|\s*=\s*)(.*)", text)
        if named is None:
            continue
        path, number, keyword, value = named.groups()
        match = match if path == file else ""
        file = path
        value = value.split(" #")[0].strip().strip('"')
        if keyword.lower() == "match":
            match = "" if value.lower() == "all" else value
        found.append(SshdLine(f"{path}:{number}", match, keyword.lower(), value))
    return found


SETTINGS = Fact("sshd-settings", _SETTINGS, parse_settings)
KEYS = Fact("sshd-keys", _KEYS, parse_keys)
LINES = Fact("sshd-lines", _LINES, parse_lines)
_FIRST = "/etc/ssh/sshd_config.d/00-lilfox-audit.conf"
_RELOAD = ("sshd -t", "systemctl reload ssh || systemctl reload sshd")
_SECOND_FACTOR = "publickey"


def _fix(settings: Settings, lines: list[SshdLine], *wanted: str) -> Fix:
    """The first value of a keyword counts, so the lines go in front: into a file that is included first, or at the top
    of the only one."""
    included = settings.file == "/etc/ssh/sshd_config" and any(
        line.keyword == "include" and "sshd_config.d/*.conf" in line.value for line in lines
    )
    if included:
        return Fix(tr("Write these lines to {file}, then reload sshd.", file=_FIRST), _FIRST, wanted, _RELOAD)
    text = tr("Put these lines at the top of {file}, then reload sshd.", file=settings.file)
    return Fix(text, settings.file, wanted, _RELOAD)


def _password_ways(values: Mapping[str, str]) -> list[str]:
    ways = ["PasswordAuthentication"] if values.get("passwordauthentication") == "yes" else []
    if values.get("kbdinteractiveauthentication") == "yes" and values.get("usepam") == "yes":
        ways.append("KbdInteractiveAuthentication")
    return ways


def _always_keys(values: Mapping[str, str]) -> bool:
    """Whether each list of AuthenticationMethods asks for a key too, so that a password alone opens nothing."""
    lists = values.get("authenticationmethods", "any").split()
    return all(any(method.startswith(_SECOND_FACTOR) for method in each.split(",")) for each in lists)


def judge_passwords(facts: Facts) -> Iterator[AuditFinding]:
    """Passwords that are accepted, for everyone or in a Match block."""
    settings, lines = facts[SETTINGS], facts[LINES]
    settings.value("passwordauthentication")
    if not _always_keys(settings.values):
        for way in _password_ways(settings.values):
            yield AuditFinding(
                way,
                tr("sshd -T -f {file}: {keyword} yes", file=settings.file, keyword=way.lower()),
                _fix(settings, lines, f"{way} no"),
            )
    for line in lines:
        if line.match and line.keyword == "passwordauthentication" and line.value.lower() == "yes":
            yield AuditFinding(
                f"Match {line.match}: PasswordAuthentication",
                tr("{place}: PasswordAuthentication yes in “Match {match}”", place=line.place, match=line.match),
                Fix(tr("Remove the line {place}, then reload sshd.", place=line.place), commands=_RELOAD),
            )


def judge_root(facts: Facts) -> Iterator[AuditFinding]:
    """A root login by password, or by key without anyone's name."""
    settings, lines = facts[SETTINGS], facts[LINES]
    if settings.value("permitrootlogin") != "yes":
        return
    by_password = bool(_password_ways(settings.values)) and not _always_keys(settings.values)
    yield AuditFinding(
        "PermitRootLogin",
        tr("sshd -T -f {file}: permitrootlogin yes", file=settings.file),
        _fix(settings, lines, "PermitRootLogin prohibit-password"),
        None if by_password else AuditSeverity.LOW,
    )


WEAK = {
    "ciphers": re.compile(r"(?:3des|aes\d{3}|blowfish|cast128|rijndael)-cbc|arcfour"),
    "macs": re.compile(r"hmac-md5|hmac-sha1-96|hmac-ripemd|umac-32"),
    "kexalgorithms": re.compile(r"diffie-hellman-group(?:1-|14-sha1$|-exchange-sha1$)|rsa1024"),
    "hostkeyalgorithms": re.compile(r"ssh-dss|ssh-rsa(-cert-v01@openssh\.com)?$"),
}
"""What OpenSSH no longer offers by itself. HMAC-SHA1 is not among it: it needs no collision resistance (RFC 6194), and
OpenSSH offers it."""
_SHORTEST_RSA = 2048
_KEYWORDS = {
    "ciphers": "Ciphers",
    "macs": "MACs",
    "kexalgorithms": "KexAlgorithms",
    "hostkeyalgorithms": "HostKeyAlgorithms",
}


def judge_algorithms(facts: Facts) -> Iterator[AuditFinding]:
    """Offered algorithms that are broken, and keys that are too short."""
    settings, lines = facts[SETTINGS], facts[LINES]
    for keyword, pattern in WEAK.items():
        weak = [word for word in settings.words(keyword) if pattern.match(word)]
        if weak and keyword == "hostkeyalgorithms":
            weak = [word for word in weak if _has_key_for(word, settings, facts[KEYS])]
        if weak:
            yield AuditFinding(
                _KEYWORDS[keyword],
                tr("sshd -T: {keyword} has {names}", keyword=keyword, names=listed(weak)),
                _fix(settings, lines, f"{_KEYWORDS[keyword]} -{','.join(weak)}"),
            )
    for key in facts[KEYS]:
        if key.kind == "RSA" and key.bits < _SHORTEST_RSA:
            yield _short(key)


def _has_key_for(algorithm: str, settings: Settings, keys: list[HostKey]) -> bool:
    """Whether the daemon has what it needs to offer an algorithm: such a key, and a certificate for it."""
    kind = "DSA" if algorithm == "ssh-dss" else "RSA"
    return any(key.kind == kind for key in keys) and ("-cert-" not in algorithm or "hostcertificate" in settings.values)


def _short(key: HostKey) -> AuditFinding:
    file = shlex.quote(key.file)
    return AuditFinding(
        key.file,
        tr("ssh-keygen -l: {file} is an RSA key of {bits} bits", file=key.file, bits=key.bits),
        Fix(
            tr("Replace the key, then reload sshd. Clients that know the host by it must be given the new one."),
            commands=(f"rm -f {file} {file}.pub", f"ssh-keygen -q -t rsa -b 3072 -N '' -f {file}", *_RELOAD),
        ),
    )


_MANUAL = "https://man.openbsd.org/sshd_config"
CHECKS = (
    AuditCheck(
        "ssh-password-auth",
        AuditSeverity.HIGH,
        tr("sshd accepts passwords"),
        tr("Anyone can try passwords over the network. A key cannot be guessed."),
        (SETTINGS, LINES),
        judge_passwords,
        f"{_MANUAL}#PasswordAuthentication",
    ),
    AuditCheck(
        "ssh-root-login",
        AuditSeverity.HIGH,
        tr("root can log in over SSH"),
        tr("The name is known to every attacker, and the log does not say who used the account."),
        (SETTINGS, LINES),
        judge_root,
        f"{_MANUAL}#PermitRootLogin",
    ),
    AuditCheck(
        "ssh-weak-algorithms",
        AuditSeverity.MEDIUM,
        tr("sshd offers weak algorithms"),
        tr("A client that chooses one can be decrypted or impersonated."),
        (SETTINGS, LINES, KEYS),
        judge_algorithms,
        f"{_MANUAL}#Ciphers",
    ),
)
