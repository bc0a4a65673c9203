"""Commands that change something and look as if they did not, and values that make one of what looks harmless.

Braces of Python's format: ``{F}`` is a file that is not there, ``{X}`` and ``{P}`` ones that are (a text, a program
that makes ``{F}``), ``{D}`` a folder, ``{G}`` a repository, ``{R}`` the port of a Redis, ``{C}`` a process. psql finds
its server by the environment. They are run in ``protected_box.py`` alone, where nothing of the machine can be changed.
"""

from __future__ import annotations

import random
from pathlib import Path

from msgspec import Struct

CHANGES = Path(__file__).with_suffix(".txt").read_text("utf-8")
"""One a line, but those that go on behind a ``\\``, in a here-document or in a quote (``texts`` knows)."""

VALUED: dict[str, tuple[str, ...]] = {
    "nft list table inet <x>": ("made; add table inet made", "kept", "kept\\; flush ruleset", "kept {{ }}", "-f{X}"),
    "nft list <x>": ("ruleset; flush ruleset", "ruleset", "tables;add table inet made"),
    "sudo -u root <x>": ("touch", "id", "{P}", "-s"),
    "sudo <x> {F}": ("touch", "cat", "-e"),
    "timeout 5 <x>": ("touch", "{P}", "id"),
    "timeout <x> cat {X}": ("5", "-k1", "5s"),
    "xargs -n1 <x> <<<{F}": ("touch", "cat", "rm", "env"),
    "echo {F} | xargs <x>": ("touch", "ls", "-I@"),
    "psql -c <x>": ("drop table kept", "select 1", "select touched()", "\\! touch {F}", "insert into kept values (9)"),
    "psql -c 'select 1' <x>": ("-o{F}", "postgres", "options=-cdefault_transaction_read_only=off", "-f{X}"),
    "psql -At <x>": ("-cdrop table kept", "postgres", "-f{X}"),
    "env <x>": ("touch", "A=b", "{P}", "-Stouch {F}"),
    "find {D} <x>": ("-delete", "-print", "-fprint{F}"),
    "find <x>": ("{D}", "-delete", "{D} -delete"),
    "find {D} -name <x>": ("-delete", "*", "x -delete"),
    "sort <x>": ("-o{F}", "{X}", "--output={F}"),
    "sort {X} <x>": ("-o{F}", "{X}"),
    "git -C {G} log <x>": ("--output={F}", "HEAD", "-1"),
    "git -C {G} <x>": ("stash", "log", "tag made"),
    "git -C {G} show <x>": ("HEAD", "--output={F}", "HEAD --output={F}"),
    "ip <x>": ("addr", "link set lo down", "-b{X}", "link"),
    "ip link <x> lo": ("show", "set", "s", "del"),
    "ip -f inet <x> show": ("addr", "link", "-b{X}"),
    "sysctl <x>": ("net.ipv4.ip_forward=1", "net.ipv4.ip_forward", "-p{X}", "-w"),
    "sysctl -n <x>": ("net.ipv4.ip_forward=1", "net.ipv4.ip_forward"),
    "curl -s <x>": ("gopher://127.0.0.1:{R}/_FLUSHALL", "dict://127.0.0.1:{R}/FLUSHALL", "-o{F}", "file://{X}"),
    "curl <x> file://{X}": ("-o{F}", "-s", "-K{X}"),
    "redis-cli -p {R} <x>": ("flushall", "dbsize", "-x", "ping"),
    "redis-cli -p {R} get <x>": ("canary", "flushall"),
    "redis-cli -p {R} <x> canary": ("get", "del", "type", "getdel"),
    "redis-cli -p {R} config <x> maxmemory": ("get", "set"),
    "awk <x> {X}": ("1", 'BEGIN{{system("touch {F}")}}'),
    "awk -v a=<x> '{{print a}}' {X}": ("1", "x\\n", "{F}"),
    "awk '{{print > a}}' a=<x> {X}": ("{F}", "/dev/stdout"),
    "sed -n <x> {X}": ("p", "w {F}", "1e touch {F}"),
    "grep <x> {X}": ("text", "-f{X}", "--help"),
    "iptables -L <x>": ("FORWARD", "-Z", "--zero", "-ZFORWARD"),
    "iptables -t <x> -S": ("filter", "nat"),
    "ss <x>": ("-K", "-tln", "--kill"),
    "dmesg <x>": ("-C", "-T", "--clear"),
    "date <x>": ("-s2020-01-01", "+%s", "--set=x", "010100002020"),
    "date -d <x>": ("now", "-s2020-01-01"),
    "hostname <x>": ("made", "-f", "-Fmade"),
    "uniq {X} <x>": ("{F}", "-c"),
    "tee <x>": ("{F}", "/dev/null", "-a"),
    "cat <x>": ("{X}", "-", "x >{F}", "$(touch {F})", "`touch {F}`", "; touch {F}"),
    "echo <x>": ("$(touch {F})", "a; touch {F}", "`touch {F}`", "> {F}", "'", '"', "*", "~", "a\\"),
    'echo "$(cat <x>)"': ("{X}", "$(touch {F})"),
    "printf -v <x> y": ("a", "a[$(touch {F})]"),
    "printf <x>": ("a", "-va[$(touch {F})]", "%s"),
    "[ -v <x> ]": ("a", "a[$(touch {F})]"),
    "test <x>": ("a", "-v"),
    "[[ <x> -eq 0 ]]": ("0", "a[$(touch {F})]"),
    "echo $(( <x> ))": ("1", "a[$(touch {F})]"),
    "kill <x>": ("{C}", "-l"),
    "ps -p <x>": ("{C}", "1"),
    "ls <x>": ("{D}", "-la", ">{F}"),
    "service <x> status": ("x", "../..{P}"),
    "service x <x>": ("status", "restart"),
    "systemctl <x> x": ("status", "restart", "show"),
    "docker <x> x": ("ps", "rm", "logs"),
    "kubectl <x> pods": ("get", "delete"),
    "tar <x> {X}": ("tf", "xf", "tvf", "cf"),
    "tar -tf {X} <x>": ("-I{P}", "--to-command={P}", "x"),
    "nice <x>": ("touch", "id"),
    "command <x> {F}": ("touch", "-v", "cat"),
    "watch <x>": ("touch {F}", "df"),
    "bash -c <x>": ("touch {F}", "true"),
    "ssh -o BatchMode=yes 127.0.0.1 <x>": ("touch {F}", "true"),
    "tcpdump -c1 -i lo <x>": ("-w{F}", "port 1"),
    "x=<x>; $x {F}": ("touch", "cat"),
    "x=<x>\nsort $x {X}": ("-o{F}", "-r"),
    'x=<x>\ncat -- "$x"': ("{X}", "$(touch {F})"),
    "cat {X} | <x> {F}": ("tee", "cat"),
    "nginx <x>": ("-t", "-sreload", "-e{F}"),
    "openssl x509 -noout -in {X} <x>": ("-subject", "-out{F}"),
    "journalctl <x>": ("--rotate", "-n1", "--vacuum-size=1"),
    "journalctl -u <x>": ("x", "--rotate"),
    "wget -qO- <x>": ("-O{F}", "http://127.0.0.1:{R}/", "--use-askpass={P}"),
}
"""A command with a placeholder, and values of it: some make nothing worse of it, some do."""
READS = (
    "cat {X}",
    "find {D} -name x",
    "sort {X} | uniq -c",
    "git -C {G} log -1 --stat",
    "git -C {G} status",
    "ss -tln",
    "df -h",
    "iptables -L FORWARD -n -v",
    "nft list ruleset",
    "ip addr",
    "sysctl net.ipv4.ip_forward",
    "redis-cli -p {R} dbsize",
    "psql -c 'select count(*) from kept'",
    "psql -l",
    "ps aux",
    "systemctl status x",
    "awk '{{print $1}}' {X}",
    "date +%s",
)
"""What only reads, and so runs: the gate is not shut."""
ATTRIBUTES: tuple[dict[str, object], ...] = (
    {},
    {"risk": "read"},
    {"risk": "read", "confirm": "none"},
    {"interactive": False},
    {"interactive": False, "risk": "read"},
    {"interactive": True},
    {"follow": True},
    {"follow": True, "risk": "read"},
    {"follow": False, "risk": "read"},
    {"confirm": "none"},
    {"check": True, "risk": "read"},
    {"name": "x", "rollback-of": "other", "risk": "read"},
    {"background": True, "risk": "read"},
    {"sudo": True, "risk": "read"},
    {"cwd": "/", "risk": "read"},
    {"interpreter": "bash", "risk": "read"},
    {"interpreter": "sh -c", "risk": "read"},
    {"host": "local", "risk": "read"},
    {"host": "all", "risk": "read"},
    {"expect": 0, "risk": "read", "timeout": "5s"},
    {"capture": {"y": "(.*)"}, "risk": "read"},
    {"risk": "change"},
)
FORMS = (
    "{}",
    "{}",
    "{}",
    "{}",
    "{} | cat",
    "true; {}",
    "true && {}",
    "false || {}",
    "if true; then {}\nfi",
    "( {}\n)",
    "x=$({}\n)",
    "for i in 1; do {}\ndone",
    "cat <({}\n)",
    "timeout 5 {}",
    "env {}",
    "LANG=C {}",
    "sudo {}",
    "nice {}",
    "time {}",
    "command {}",
    "{} 2>/dev/null",
    "#!/bin/bash\n{}",
    "cd /\n{}",
    "x=1\n{}",
    'echo "$({}\n)"',
    '[ -n "$({}\n)" ]',
)
"""Around a command."""
BEFORE = ("cd /", "x=1")
"""What only stands before it, in a fence of two commands."""
WAYS = ("one", "one", "one", "all", "terminal", "from", "log")
"""A command is ordered, or the whole run (``--yes``), or it is in a terminal; a variable's ``from:``; a log source."""


class Attempt(Struct, frozen=True):
    """One fence, and what is ordered of it. ``runs``: whether it must; None where that is by its value."""

    text: str
    attributes: dict[str, object]
    values: dict[str, str]
    way: str
    runs: bool | None


def texts() -> list[str]:
    """Those of CHANGES: what bash reads as one."""
    found: list[str] = []
    for line in CHANGES.strip("\n").split("\n"):
        last = found[-1] if found else ""
        document = "<<E" in last and not last.endswith("\nE")
        quote = last.endswith("-- '") and last.count('"') % 2 == 1
        if last.endswith("\\") or document or quote:
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


def attempts(seed: int, count: int, words: dict[str, str]) -> list[Attempt]:
    """``count`` of them: each text once as it stands, then texts, forms, attributes and values by chance."""
    chance, made = random.Random(seed), list[Attempt]()
    plain: list[tuple[str, dict[str, str], bool | None]] = [(text, {}, True) for text in READS]
    plain += [(text, {}, False) for text in texts()]
    plain += [(text, {"x": value}, None) for text, values in VALUED.items() for value in values]
    while len(made) < count:
        first = len(made) < len(plain)
        text, values, runs = plain[len(made)] if first else chance.choice(plain)
        form = "{}" if first else chance.choice(FORMS)
        way = "one" if first else chance.choice(WAYS)
        known = (runs is True and first) or (runs is False and way != "log")  # a log source has no shell
        made.append(
            Attempt(
                text=form.replace("{}", text.format_map(words), 1),
                attributes={} if runs and first else chance.choice(ATTRIBUTES),
                values={name: value.format_map(words) for name, value in values.items()},
                way=way,
                runs=runs if known else None,
            )
        )
    return made
