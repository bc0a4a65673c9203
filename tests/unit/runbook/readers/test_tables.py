"""The tables of readers beside what the installed programs say of themselves.

An option that a program has and its table has not makes a change of it, also shortened; an option of a table is one
that the program has.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache

import pytest

from lilfox_tui.runbook.classify import verdict_of_text
from lilfox_tui.runbook.readers.judge import programs
from lilfox_tui.runbook.readers.spec import ProgramOption, Spec, all_options

_OPTION = re.compile(r"(?<![\w./=+-])(--?[A-Za-z0-9@?][A-Za-z0-9_.-]*[A-Za-z0-9]|-[A-Za-z0-9@?])(?![\w])")
_OWN_HELP = {
    "git": ("git", "{sub}", "-h"), "systemctl": ("systemctl", "--help"), "ip": ("ip", "help"), "openssl": ("openssl",
        "{sub}", "-help"),
    "bash": (), "sh": (), "[": (), "test": (), "ssh": (), "ps": ("ps", "--help", "all"), "curl": ("curl", "--help",
        "all"),
}  # fmt: skip
_SAID_NOWHERE = {
    "curl": {"-#", "--include"}, "ip": {"--brief", "--json", "--color", "--details", "--stats", "--oneline", "-stats",
        "-human"},
    "sudo": {"-C"}, "ps": {"-Z", "--no-heading"}, "systemctl": {"--no-legend"}, "journalctl": {"-l", "--full"},
    "xxd": {"-p", "-plain"}, "route": {"-ee"},
}  # fmt: skip
"""Options that a program has, and whose help does not name them so."""
_ASKED = (
    "arp", "cat", "cmp", "column", "comm", "crontab", "curl", "cut", "date", "df", "diff", "dirname", "dmesg",
    "dpkg", "dpkg-query", "du", "egrep", "env", "fgrep", "file", "findmnt", "fold", "free", "fuser", "getent", "git",
    "grep", "head", "hexdump", "hostname", "hostnamectl", "id", "ifconfig", "ip", "iptables", "join", "journalctl",
    "jq", "last", "loginctl", "lsblk", "lscpu", "lslocks", "lsns", "lsof", "ls", "md5sum", "mount", "mountpoint",
    "namei", "nice", "nl", "nproc", "od", "paste", "pgrep", "pidof", "pmap", "pg_isready", "psql", "ps", "readlink",
    "realpath", "redis-cli", "route", "sed", "seq", "sha256sum", "sort", "ss", "stat", "stdbuf", "strings", "sudo",
    "swapon", "sysctl", "systemctl", "tac", "tail", "tc", "tee", "timedatectl", "timeout", "top", "tr", "uname",
    "uniq", "uptime", "vmstat", "w", "wc", "wget", "who", "xargs", "xxd", "bridge", "tree", "watch", "lsattr",
    "getfacl", "ionice", "nsenter", "fdisk", "sfdisk", "losetup", "prlimit", "ipcs",
)  # fmt: skip


def _installed() -> list[str]:
    """Of those that say quickly what they know."""
    return sorted({name for name in _ASKED if shutil.which(name) and programs()[name].own is None})


@cache
def _help(*words: str) -> str:
    try:
        done = subprocess.run(
            words, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "COLUMNS": "200", "PAGER": "cat", "GIT_PAGER": "cat",
                "HOME": "/nonexistent"},
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def _said(name: str, *subs: str) -> set[str]:
    """The options that the help of a program has."""
    words = _OWN_HELP.get(name, (name, *subs, "--help"))
    asked = [each for word in words for each in (subs if word == "{sub}" else (word,))]
    said = _help(*asked)
    said += re.sub(r"(-[A-Za-z]+)\[([a-z-]+)\]", r"\1 \1\2 ", said)  # -s[tatistics]
    return set(_OPTION.findall(said))


@pytest.mark.fault("4.3")
@pytest.mark.parametrize("name", _installed())
def test_an_option_that_the_table_has_not_makes_a_change(name: str) -> None:
    for subs, spec in [((), programs()[name]), *(((sub,), spec) for sub, spec in _subs(name))]:
        above = all_options(programs()[name]) if programs()[name].inherits else {}
        table = {**above, **all_options(spec)}
        for option in _said(name, *subs) - table.keys():
            if option in ("--", "--help", "--version") or _is_made_of(option, table):
                continue
            before = " ".join((name, *subs))
            written = [f"{before} {option}", f"{before} {option} x", f"{before} {option}=x", f"{before} {option}x"]
            assert not [text for text in written if verdict_of_text(text) in ("read", "follow")], option


def _subs(name: str) -> list[tuple[str, Spec]]:
    """Sub-commands that say for themselves which options they have."""
    return list(programs()[name].subs.items()) if name == "git" else []


def _is_made_of(option: str, table: dict[str, ProgramOption]) -> bool:
    """Whether it is a bundle of what is on the table, or a short option with its value."""
    if option.startswith("--"):
        return False
    for place, letter in enumerate(option[1:], 1):
        found = table.get(f"-{letter}")
        if found is None:
            return bool(re.fullmatch("-[0-9]+", option))
        if found.role:
            return place > 0
    return True


@pytest.mark.fault("4.3")
@pytest.mark.parametrize("name", _installed())
def test_no_option_may_be_shortened(name: str) -> None:
    said = {option for option in _said(name) if option.startswith("--")}
    table = all_options(programs()[name])
    for option in sorted(said) + [each for each in table if each.startswith("--")]:
        for length in range(3, len(option)):
            short = option[:length]
            if short in table or short == "--version":
                continue
            for text in (f"{name} {short}", f"{name} {short} x", f"{name} {short}=x"):
                assert verdict_of_text(text) not in ("read", "follow"), text


@pytest.mark.fault("4.3")
@pytest.mark.parametrize("name", _installed())
def test_an_option_of_the_table_is_one_of_the_program(name: str) -> None:
    spec = programs()[name]
    said = _said(name)
    if len(said) < 4:
        pytest.skip("its help says nothing of options")
    assert all_options(spec).keys() - said - _SAID_NOWHERE.get(name, set()) == set()
