"""What is known of the words of a shell command that read their own words once more.

``need`` grows: a value that is an argument may be anything, one that a program reads as a program may only be of the
safe alphabet, one that is calculated with may only be a number, and a command's own name is no value at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum


class Need(IntEnum):
    """What a value at a place must be."""

    ANY = 0
    SAFE = 1
    """Letters, digits and ``._:/-`` (ASCII), without a leading ``-``."""
    NUMBER = 2
    """Digits: a name would be read as a variable, and what that holds be calculated once more."""
    NEVER = 3


RESERVED = frozenset(
    {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time", "esac"}
)
"""Reserved words behind which a command begins, or ends."""
PREFIXES = frozenset(
    {
        "sudo", "doas", "env", "nice", "ionice", "nohup", "setsid", "exec", "command", "builtin", "chroot", "unshare",
        "nsenter", "systemd-run", "stdbuf", "chrt", "taskset", "strace", "xargs", "timeout", "flock", "runuser", "su",
        "ssh", "kubectl", "docker", "podman", "parallel", "watch", "coproc",
    }
)  # fmt: skip
"""Commands that start what stands behind them: a ``--`` of theirs says nothing of its options."""
_READ_AGAIN = frozenset(
    {
        "eval", "source", ".", "trap", "alias", "unset", "read", "mapfile", "readarray", "getopts", "declare",
        "typeset", "local", "readonly", "complete", "compgen", "bind", "enable", "coproc", "wait",
        "ssh", "scp", "rsync", "watch", "parallel", "awk", "gawk", "mawk", "nawk", "sed", "ed", "at", "batch",
    }
)  # fmt: skip
"""Builtins that evaluate subscripts in names, and programs whose arguments are programs."""
_BY_OPTION = {
    **dict.fromkeys(("bash", "sh", "dash", "ash", "ksh", "zsh", "busybox", "su", "runuser", "flock", "script"), "c"),
    **dict.fromkeys(("perl", "ruby", "node"), "eE"),
    **dict.fromkeys(("python", "python3"), "c"),
    **dict.fromkeys(("test", "[", "printf"), "vR"),
    "env": "S",
}
"""Commands that do so with an option of one of these letters."""
_KNOWN = _READ_AGAIN | _BY_OPTION.keys() | {"export"}
_NAMES = ("test", "[", "printf")
"""Of these, those that evaluate names; with the others, what stands behind the program is its arguments."""
_MOST_WORDS = 1000
"""No command that a person writes has more; what is longer takes no value."""
ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\[[^\]]*\])?\+?=")
_SUBSCRIPT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\[[^\]]*")


def needed(words: Sequence[str], current: str) -> Need:
    """What a value must be that stands behind ``words`` of a simple command, in the word that begins with
    ``current``."""
    if len(words) > _MOST_WORDS:
        return Need.NEVER
    if _SUBSCRIPT.fullmatch(current) or "let" in words:
        return Need.NUMBER
    if not words:
        return Need.ANY if ASSIGNED.match(current) else Need.NEVER
    names = [word.rsplit("/", 1)[-1] for word in words]
    if len(names) == 1 and names[0] in PREFIXES:
        return Need.NEVER
    return max((_of_command(names, at, current) for at, name in enumerate(names) if name in _KNOWN), default=Need.ANY)


def _of_command(names: Sequence[str], at: int, current: str) -> Need:
    """What ``names[at]`` asks for, if it is a command."""
    name, options = names[at], [word for word in names[at + 1 :] if word[:1] in ("-", "+")]
    if name in ("declare", "typeset", "local") and any("i" in option for option in options):
        return Need.NUMBER
    if name == "export":
        return Need.ANY if ASSIGNED.match(current) else Need.SAFE
    if name == "printf" and at == len(names) - 1:
        return Need.SAFE
    letters = set(_BY_OPTION.get(name, ""))
    asks = any(letters & set(option) for option in options if not option.startswith("--"))
    if name in _READ_AGAIN or (asks and not _has_program(names, at)):
        return Need.SAFE
    return Need.ANY


def _has_program(names: Sequence[str], at: int) -> bool:
    """Whether the program of ``names[at]`` stands there already: ``sh -c 'printf %s "$1"' sh``."""
    if names[at] in _NAMES:
        return False
    letters = set(_BY_OPTION[names[at]])
    option = next(
        place for place in range(at + 1, len(names)) if names[place][:1] == "-" and letters & set(names[place])
    )
    return any(word[:1] not in ("-", "+") for word in names[option + 1 :])


def ends_options(words: Sequence[str]) -> bool:
    """Whether a ``--`` among ``words`` is that of the command whose argument comes next."""
    began = 0
    for at, word in enumerate(words):
        if word == "--":
            if not PREFIXES & {each.rsplit("/", 1)[-1] for each in words[began:at]}:
                return True
            began = at + 1
    return False
