"""What is known of programs: which only read, whatever they are given, and which with which arguments.

A program that is not here is ``unknown``; so is every use of one that is not known to only read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from lilfox_tui.runbook import known_sql
from lilfox_tui.runbook.known_names import CHANGE, INTERACTIVE, READ, SHELLS, Verdict
from lilfox_tui.runbook.options import has, letters, operands, unsure

Arguments = tuple[str, ...]


def verdict_of(name: str, arguments: Arguments, *, dynamic: bool, fed: bool) -> Verdict:
    """What a call of program ``name`` is. ``dynamic``: arguments that are only known when it runs; ``fed``: its input
    is a file or another program."""
    if name in READ:
        return "read"
    if name in INTERACTIVE:
        return "interactive"
    if name in CHANGE:
        return "change"
    if name in ("tail", "journalctl", "dmesg"):
        return _LOGS[name](arguments)
    if (judge := _JUDGES.get(name)) is not None:
        found = judge(arguments)
        if found in ("read", "follow") and dynamic:
            return "unknown"
        return "unknown" if found == "interactive" and fed else found
    if name in SHELLS:
        return "interactive" if not arguments and not fed else "unknown"
    return "unknown"


def _tail(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    return "follow" if "f" in found or "F" in found or has(arguments, "--follow") else "read"


def _journalctl(arguments: Arguments) -> Verdict:
    options = [word for word in arguments if word[:1] == "-"]
    if any(_JOURNAL_CHANGES.match(word) for word in options):
        return "change"
    return "follow" if any(_JOURNAL_FOLLOWS.match(word) for word in options) else "read"


_JOURNAL_CHANGES = re.compile("--(?:vacuum|cursor-file|setup|update|rotate|flush|sync|relinquish-var|smart-relinquish)")
_JOURNAL_FOLLOWS = re.compile("-[aemqrx]*f|--follow")


def _dmesg(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    if any(letter in found for letter in "cCDEn") or has(
        arguments, "--clear", "--read-clear", "--console-off", "--console-on", "--console-level"
    ):
        return "change"
    return "follow" if "w" in found or "W" in found or has(arguments, "--follow", "--follow-new") else "read"


def _systemctl(arguments: Arguments) -> Verdict:
    valued = ("--host", "--machine", "--property", "--type", "--lines", "--output", "--state")
    long = ("--no-pager", "--full", "--plain", "--all", "--quiet", "--user", "--system", "--failed", "--no-legend")
    if unsure(arguments, "alq", "HMptnos", long, valued):
        return "unknown"
    words = operands(arguments, "HMptnos", valued)
    if not words:
        return "read"
    if words[0] == "edit":
        return "interactive"
    reads = words[0].startswith(("is-", "list-")) or words[0] in (
        "status", "show", "cat", "get-default", "show-environment", "help",
    )  # fmt: skip
    return "read" if reads else "change"


def _service(arguments: Arguments) -> Verdict:
    return "read" if arguments[1:2] == ("status",) or arguments == ("--status-all",) else "change"


def _find(arguments: Arguments) -> Verdict:
    acts = ("-delete", "-exec", "-execdir", "-ok", "-okdir", "-fprint", "-fprint0", "-fprintf", "-fls")
    return "change" if any(word in acts for word in arguments) else "read"


def _sort(arguments: Arguments) -> Verdict:
    writes = any(word.startswith(("-o", "--o", "--comp", "--files0")) for word in arguments)
    return "unknown" if writes or "o" in letters(arguments) else "read"


def _uniq(arguments: Arguments) -> Verdict:
    return "read" if len(operands(arguments, "fsw")) <= 1 else "change"


_AWK_ACTS = re.compile(r"print[^;}\n]*>|system|getline|(?<!\|)\|(?!\|)|@|close|fflush")


def _awk(arguments: Arguments) -> Verdict:
    words = operands(arguments, "Fv")
    if not words or any(word.startswith("-") and word[:2] not in ("-F", "-v") for word in arguments):
        return "unknown"
    return "unknown" if _AWK_ACTS.search(words[0]) else "read"


_SED_READS = re.compile(
    r"(?:[0-9$]*(?:,[0-9$]+)?|/[^/\\]*/(?:,/[^/\\]*/)?)[pdq=]"
    r"|s([/|#,])(?:(?!\1)[^\n\\]|\\.)*\1(?:(?!\1)[^\n\\]|\\.)*\1[gpIi0-9]*"
)


def _sed(arguments: Arguments) -> Verdict:
    if any(word.startswith(("-i", "--in-place")) for word in arguments):
        return "change"
    if any(word.startswith("-") and word not in ("-n", "-E", "-r", "-u", "-e", "-nE", "-nr") for word in arguments):
        return "unknown"
    scripts = [word for before, word in pairwise(arguments) if before == "-e"]
    scripts = scripts or operands(arguments)[:1]
    simple = scripts and all(_SED_READS.fullmatch(each) and not re.search(r"[;\n{]", each) for each in scripts)
    return "read" if simple else "unknown"


_CURL_READS = re.compile(
    "-[sSfLIikvg46]+|--(?:silent|show-error|fail|fail-with-body|location|head|insecure|include|verbose|compressed)"
)


def _curl(arguments: Arguments) -> Verdict:
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word in ("-m", "--max-time", "--connect-timeout", "--retry", "--retry-delay", "-A", "--resolve", "--cacert"):
            del words[:1]
        elif word in ("-w", "--write-out", "-H", "--header"):
            if "%output" in "".join(words[:1]):
                return "unknown"
            del words[:1]
        elif word in ("-X", "--request"):
            if words[:1] not in (["GET"], ["HEAD"]):
                return "change"
            del words[:1]
        elif word == "--output" or re.fullmatch("-[sSfLIikvg46]*o", word):
            if words[:1] not in (["/dev/null"], ["-"]):
                return "change"
            del words[:1]
        elif word.startswith("-") and not _CURL_READS.fullmatch(word):
            return "unknown"
    return "read"


def _wget(arguments: Arguments) -> Verdict:
    to_stdout = (
        "-O-" in arguments
        or "-qO-" in arguments
        or any(pair in (("-O", "-"), ("-qO", "-")) for pair in pairwise(arguments))
    )
    return "read" if to_stdout or "--spider" in arguments else "change"


def _git(arguments: Arguments) -> Verdict:
    if unsure(arguments, "", "C", ("--no-pager", "--version"), ("--git-dir", "--work-tree")):
        return "unknown"
    words = operands(arguments, "C", ("--git-dir", "--work-tree"))
    if not words:
        return "read"
    verb, rest = words[0], words[1:]
    if any(word.startswith(("--output", "--ext-diff", "--open-files", "-O", "--textconv")) for word in arguments):
        return "unknown"
    if verb in ("log", "show", "diff", "status", "rev-parse", "describe", "ls-files", "shortlog", "blame", "rev-list"):
        return "read"
    if verb in ("branch", "tag", "remote", "stash", "config"):
        listing = {
            "branch": not rest and not any(letter in letters(arguments) for letter in "dDmMcCfu"),
            "tag": not rest and "d" not in letters(arguments),
            "remote": not rest or rest[0] in ("show", "get-url"),
            "stash": rest[:1] == ["list"],
            "config": any(word in ("--get", "-l", "--list", "--get-all") for word in arguments),
        }
        return "read" if listing[verb] else "change"
    return "change"


def _containers(arguments: Arguments) -> Verdict:
    long = ("--version", "--help")
    if arguments[:1] not in (("compose",), ("container",)) and unsure(arguments, "", "Hcfp", long, ("--context",)):
        return "unknown"
    words = operands(arguments, "Hcfp", ("--context",))
    if words[:1] == ["compose"] or words[:1] == ["container"]:
        words = words[1:]
    verb = words[0] if words else ""
    if verb == "logs":
        return "follow" if "f" in letters(arguments) or "--follow" in arguments else "read"
    if verb in ("exec", "attach", "run"):
        return "interactive" if verb == "attach" or {"i", "t"} <= set(letters(arguments[:4])) else "change"
    if verb == "stats":
        return "read" if "--no-stream" in arguments else "follow"
    reads = ("", "ps", "images", "inspect", "top", "version", "info", "port", "diff", "history", "ls")
    return "read" if verb in reads else "change"


def _kubectl(arguments: Arguments) -> Verdict:
    valued = ("--namespace", "--context", "--kubeconfig", "--selector", "--output", "--container", "--tail", "--since")
    if unsure(arguments, "A", "n", ("--all-namespaces",), valued):
        return "unknown"
    words = operands(arguments, "nlocs", valued)
    verb, rest = (words[0], words[1:]) if words else ("", [])
    if verb == "edit" or (verb == "exec" and any(word in ("-it", "-ti", "-i", "-t") for word in arguments)):
        return "interactive"
    if verb in ("get", "logs", "events"):
        letter, long = ("f", "--follow") if verb == "logs" else ("w", "--watch")
        return "follow" if letter in letters(arguments) or has(arguments, long, "--watch-only") else "read"
    sub = {
        "rollout": ("status", "history"),
        "config": ("view", "current-context", "get-contexts"),
        "auth": ("can-i", "whoami"),
    }
    if verb in sub:
        return "read" if rest[:1] and rest[0] in sub[verb] else "change"
    reads = ("", "describe", "top", "version", "cluster-info", "api-resources", "explain", "diff", "wait")
    return "read" if verb in reads else "change"


def _ip(arguments: Arguments) -> Verdict:
    words = [word for word in arguments if not word.startswith("-")]
    if words[:1] == ["monitor"]:
        return "follow"
    if any(letter in ("-b", "-batch", "-force") for letter in arguments) or words[:1] in (["netns"], ["vrf"]):
        return "unknown"
    return "read" if len(words) < 2 or words[1] in ("show", "list", "ls", "get", "s", "sh", "l") else "change"


def _iptables(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    lists = any(letter in found for letter in "LSC") or has(arguments, "--list", "--list-rules", "--check")
    acts = any(letter in found for letter in "ADIRFXNPZE") or any(
        word.startswith(("--append", "--del", "--insert", "--rep", "--flush", "--zero", "--new", "--policy", "--ren"))
        for word in arguments
    )
    return "read" if lists and not acts else "change"


def _nft(arguments: Arguments) -> Verdict:
    words = [word for word in arguments if not word.startswith("-")]
    if any(word in ("-f", "-i", "--file", "--interactive") for word in arguments):
        return "interactive" if "-i" in arguments else "change"
    return "follow" if words[:1] == ["monitor"] else "read" if words[:1] == ["list"] else "change"


def _ping(arguments: Arguments) -> Verdict:
    return "read" if any(re.fullmatch(r"-[46nqO]*c\d*", word) or word == "--count" for word in arguments) else "follow"


def _counting(arguments: Arguments) -> Verdict:
    if "-o" in arguments:
        return "unknown"
    numbers = [word for word in arguments if word.isdigit()]
    return "follow" if len(numbers) == 1 else "read"


def _top(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    if "b" not in found:
        return "interactive"
    return "read" if "n" in found else "follow"


def _tcpdump(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    if "w" in found or "z" in found:
        return "change"
    return "read" if "c" in found or "r" in found else "follow"


def _ss(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    if "K" in found or "D" in found or has(arguments, "--kill", "--diag"):
        return "change"
    return "follow" if "E" in found or has(arguments, "--events") else "read"


def _netstat(arguments: Arguments) -> Verdict:
    return "follow" if "c" in letters(arguments) or "--continuous" in arguments else "read"


def _date(arguments: Arguments) -> Verdict:
    sets = "s" in "".join(word[1:2] for word in arguments if not word.startswith("--")) or has(arguments, "--set")
    return "change" if sets or any(not word.startswith("+") for word in operands(arguments, "dfr")) else "read"


def _only(*first: str) -> Callable[[Arguments], Verdict]:
    """Reads with one of these first words (``""``: with none at all), else changes."""

    def judge(arguments: Arguments) -> Verdict:
        word = arguments[0] if arguments else ""
        return "read" if word in first else "unknown" if word.startswith("-") else "change"

    return judge


def _only_options(pattern: str, otherwise: Verdict = "change") -> Callable[[Arguments], Verdict]:
    """Reads where the first argument is of the form ``pattern``."""

    def judge(arguments: Arguments) -> Verdict:
        return "read" if re.fullmatch(pattern, arguments[0] if arguments else "") else otherwise

    return judge


def _hostname(arguments: Arguments) -> Verdict:
    return "read" if all(re.fullmatch("-[fIisdA]", word) for word in arguments) else "change"


def _sysctl(arguments: Arguments) -> Verdict:
    sets = any("=" in word or re.match("-[wpf]|--(?:write|load|system)", word) for word in arguments)
    return "change" if sets else "read"


def _crontab(arguments: Arguments) -> Verdict:
    found = letters(arguments)
    return "interactive" if "e" in found else "read" if "l" in found and "r" not in found else "change"


def _ssh(arguments: Arguments) -> Verdict:
    return "interactive" if len(operands(arguments, "pilFJobcDLRmSW")) == 1 else "unknown"


def _redis_cli(arguments: Arguments) -> Verdict:
    valued = ("--user", "--pass", "--cacert")
    if unsure(arguments, "c", "hpnau", ("--tls", "--raw", "--no-auth-warning", "--stat", "--latency"), valued):
        return "unknown"
    words = operands(arguments, "hpnau", valued)
    if not words:
        return "follow" if has(arguments, "--stat", "--latency") else "interactive"
    verb, sub = words[0].upper(), words[1].upper() if len(words) > 1 else ""
    if verb in ("MONITOR", "SUBSCRIBE", "PSUBSCRIBE"):
        return "follow"
    reads = (
        "PING INFO GET MGET LLEN LRANGE DBSIZE TTL KEYS SCAN ROLE TYPE EXISTS XLEN XINFO HGET HGETALL HLEN SCARD ZCARD"
    )
    pairs = ("SLOWLOG GET", "SLOWLOG LEN", "CLIENT LIST", "CLIENT INFO", "CONFIG GET", "MEMORY USAGE", "MEMORY STATS")
    return "read" if verb in reads.split() or f"{verb} {sub}" in pairs else "change"


def _lilfox(arguments: Arguments) -> Verdict:
    words = operands(arguments, "", ("--config", "--host", "--language"))
    if words[:1] == ["logs"]:
        return "follow" if "f" in letters(arguments) or "--follow" in arguments else "read"
    reads = words[:1] in (["check"], ["query"]) or words == ["jobs"] or words[1:2] in (["list"], ["show"], ["lint"])
    return "read" if reads else "unknown"


_LOGS: dict[str, Callable[[Arguments], Verdict]] = {"tail": _tail, "journalctl": _journalctl, "dmesg": _dmesg}
_JUDGES: dict[str, Callable[[Arguments], Verdict]] = {
    "systemctl": _systemctl, "service": _service, "find": _find, "sort": _sort, "uniq": _uniq, "awk": _awk,
    "gawk": _awk, "mawk": _awk, "sed": _sed, "curl": _curl, "wget": _wget, "git": _git, "docker": _containers,
    "podman": _containers, "docker-compose": _containers, "kubectl": _kubectl, "ip": _ip, "iptables": _iptables,
    "ip6tables": _iptables, "nft": _nft, "ping": _ping, "vmstat": _counting, "iostat": _counting, "mpstat": _counting,
    "pidstat": _counting, "sar": _counting, "top": _top, "tcpdump": _tcpdump, "ss": _ss, "netstat": _netstat,
    "date": _date, "hostname": _hostname, "sysctl": _sysctl, "crontab": _crontab, "ssh": _ssh, "psql": known_sql.psql,
    "redis-cli": _redis_cli, "lilfox": _lilfox, "file": _only_options(r"(?!-C|--compile).*"),
    "nginx": _only_options(r"-[tTvV]"), "mount": _only_options(""), "tee": _only_options("/dev/null"),
    "apt": _only("list", "show", "search", "policy"), "apt-cache": _only("show", "search", "policy", "depends"),
    "dpkg": _only_options(r"-[lLsS]|--list|--status"), "rpm": _only_options(r"-q[a-z]*"),
    "timedatectl": _only("", "status", "show"), "hostnamectl": _only("", "status"), "resolvectl": _only("status"),
    "loginctl": _only("", "list-sessions", "list-users"), "ufw": _only("status"), "fail2ban-client": _only("status"),
    "supervisorctl": _only("status"), "chronyc": _only("tracking", "sources", "sourcestats"),
    "pg_controldata": _only_options(".*"), "smartctl": _only_options("-[aHix]"), "nc": _only_options("-[vnuw0-9]*z.*"),
    "iotop": _only_options("-b.*", "interactive"),
}  # fmt: skip
