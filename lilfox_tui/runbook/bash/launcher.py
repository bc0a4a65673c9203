"""Runs a command in bash on a host: its wrapper script, and the variables that must be set before."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.runbook.bash.variables import Variables, variables_of
from lilfox_tui.runbook.model import Command, Runbook

# Variables of commands that nothing sets: ``rm -rf $DIR/*.tmp`` without ``DIR`` is ``rm -rf /*.tmp``.
#
# What a fence sets ends with it. A variable that another fence sets is refused before anything runs; one that only the
# host may set is looked for there by the shell that is about to run the command, which runs nothing
# without it. That shell also runs with ``set -u``: what is set in one branch alone is seen when it is missing. Not so
# where the fence takes another file into its shell (``source``, ``eval``), for those are often not written for it.


_OF_EVERY_SHELL = re.compile(
    r"BASH\w*|LF_\w+|EPOCH\w+|PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|HOSTNAME|IFS|OPTIND|OPTERR|RANDOM|SRANDOM|SECONDS"
    r"|LINENO|PPID|UID|EUID|GROUPS|DIRSTACK|FUNCNAME|HOSTTYPE|OSTYPE|MACHTYPE|SHLVL|SHELLOPTS|PIPESTATUS|_"
)
"""What every login and bash itself set; another fence that sets one of them sets it anew."""
_OF_OURS = re.compile(r"LF_\w+|BASH_\w+|_")
"""What the shell has by the time when it is used, and not before."""
_SHELLS = re.compile(r"(?:(?:\S*/)?env\s++(?:-S\s++)?)?(?:\S*/)?(?:ba)?sh(?:\s.*)?")


class NeededVariables(Struct, frozen=True):
    """The variables that the shell checks before a command runs. ``strict``: it runs with ``set -u``."""

    names: tuple[str, ...] = ()
    strict: bool = False


class UnsetVariables:
    """Finds the variables that a runbook's commands need but that are not set."""

    def __init__(self, runbook: Runbook) -> None:
        self._fences: dict[int, list[Command]] = {}
        for step in runbook.steps:
            for command in step.commands:
                self._fences.setdefault(command.fence, []).append(command)
        self._set_in: dict[str, dict[int, int]] = {}
        """Name → fence → the line there that sets it."""
        for fence, commands in self._fences.items():
            for command in filter(_is_bash, commands):
                for name in _variables(command).sets:
                    self._set_in.setdefault(name, {}).setdefault(fence, command.line)

    def needed(self, command: Command) -> NeededVariables:
        """Return the variables that the shell checks before the command; none for a command whose fence makes no
        change."""
        if not self._counts(command):
            return NeededVariables()
        names = tuple(name for name in _variables(command).needs if not _OF_OURS.fullmatch(name))
        strict = not any(_variables(each).foreign for each in [*self._before(command), command])
        return NeededVariables(names, strict)

    def elsewhere(self, command: Command) -> Iterator[tuple[str, int]]:
        """Yield the names that a command needs and that another fence sets, each with the line of the assignment."""
        if not self._counts(command):
            return
        mine, before = _variables(command), [_variables(each) for each in self._before(command)]
        names = mine.needs if any(each.foreign for each in before) else (*mine.needs, *mine.maybe)
        for name in names:
            lines = self._set_in.get(name, {})
            there = [line for fence, line in lines.items() if fence != command.fence]
            if there and not any(name in each.sets for each in before) and not _OF_EVERY_SHELL.fullmatch(name):
                yield name, there[0]

    def nowhere(self, command: Command) -> Iterator[str]:
        """Yield the names that a command needs and that nothing in the runbook sets; its host may set them."""
        if self._counts(command):
            names = (name for name in _variables(command).needs if name not in self._set_in)
            yield from (name for name in names if not _OF_EVERY_SHELL.fullmatch(name))

    def why_not(self, command: Command) -> Message | None:
        """Return why the command is not run; None if nothing in the runbook prevents it."""
        for name, line in self.elsewhere(command):
            return tr(
                "line {line}: ${name} is set in another fence (line {other}) and lost when that fence ends: here "
                "it is empty",
                line=command.line,
                name=name,
                other=line,
            )
        return None

    def refuse(self, command: Command) -> None:
        """Raise LilFoxError if the command is not run."""
        if (why := self.why_not(command)) is not None:
            raise LilFoxError(why, tr("set it in this fence too, or pass the value with a <placeholder> or a capture"))

    def _counts(self, command: Command) -> bool:
        """Return whether variables of the command are checked: it is bash, and its fence changes something, because a
        folder or a variable that one command sets then affects the later ones."""
        mine = self._fences.get(command.fence, [command])
        return command.kind != "none" and _is_bash(command) and any(
            each.kind in ("change", "interactive") for each in mine
        )  # fmt: skip

    def _before(self, command: Command) -> list[Command]:
        """Return the commands that run before it in its fence."""
        mine = takewhile(lambda each: each != command, self._fences.get(command.fence, ()))
        return [each for each in mine if each.kind != "none" and _is_bash(each)]


def _is_bash(command: Command) -> bool:
    program = command.attributes.interpreter or ""
    if not program and command.script and command.text.startswith("#!"):
        program = command.text[2:].split("\n", 1)[0].strip()
    return not program or _SHELLS.fullmatch(program) is not None


def _variables(command: Command) -> Variables:
    """Return the variables of a command's text, with a plain word for each placeholder, whose value is passed
    separately."""
    text = command.text
    for each in sorted(command.placeholders, key=lambda each: each.start, reverse=True):
        text = f"{text[: each.start]}x{text[each.end :]}"
    return variables_of(text)


# What runs a command on a host: a bash that reads nothing but what it is given.
#
#     bash --noprofile --norc -c KEEPER bash READS ENTERS COMMAND
#
# Script and values come on its stdin, each ended by a NUL: nothing of them is in an argv, no value is ever read as
# shell text, and what a lost link has cut is not run. The command begins in the login's home, its own stdin is
# ``/dev/null``; its stdout and stderr are one stream, in the order in which they are written, as in a terminal.
#
# A fence of several commands has a folder on the host (``~/.cache/lilfox/runs/RUN/FENCE-HOST``, 0700; root's with
# sudo): what a command leaves (folder, variables, functions, options, umask) is written there when it ended as
# expected, and read by the next one. So it outlives lost links and this process. ``forget`` takes it away.
#
# Before it runs the shell looks for the variables that it needs (``UnsetVariables``), where all that its fence and
# the host set is there: without one of them nothing is run. Where nothing may be changed, what reads runs behind a
# wall besides: the transactions of its psql are read only, and its git writes no index. A program that asks for
# another environment (sudo, ssh, docker) leaves that behind.
#
# The command is evaluated in the first line of COMMAND: bash counts on from there, so ``line 3`` of an error is the
# third of the command.
#
# A command that wants a terminal is run by the same bash where a person is (``in_terminal``), and takes part in its
# fence. Its stdin is theirs, so what it is given stands in the argv.


_NOTHING = NeededVariables()
FOLDER = ".cache/lilfox/runs"
_BASHES = frozenset({"#!/bin/bash", "#!/usr/bin/bash", "#!/usr/bin/env bash"})
_SHEBANG = re.compile(r"#!\s*(\S+)[ \t]*([^\n]*)")

_HOME = 'LF__HOME=$HOME; if [ -n "$SUDO_UID" ] && [ "$EUID" = 0 ]; then LF__HOME=~root; fi'

_REFUSES = r"""
LF__refuse() { printf '%s\n' "lilfox: $1"; [ -z "$LF__MARK" ] || printf '\0%s 125\n' "$LF__MARK"; exit 125; }
"""
_PLACES = (
    _HOME
    + rf"""
LF__D=$LF__HOME/{FOLDER}/$LF__STATE
"""
    + r"""
case $LF__PLACE in
first)
    (
        umask 077
        find "$LF__HOME/.cache/lilfox/runs" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} + 2>/dev/null
        rm -rf -- "$LF__D"
        mkdir -p -- "$LF__D" && : >"$LF__D/vars" && : >"$LF__D/options"
    ) || LF__refuse "$LF__D cannot be made; nothing was run" ;;
later)
    [ -f "$LF__D/vars" ] ||
        LF__refuse "$LF__D is gone, and with it what the commands before this one left; nothing was run" ;;
esac
LF__M=$LF__MARK
unset -v LF__N LF__V LF__MARK
unset -f LF__refuse
"""
)
_READS = (
    "exec 2>&1"
    + _REFUSES
    + r"""
for LF__N in LF__MARK LF__STATE LF__PLACE LF__FINE LF__CWD LF__WITH LF__NEEDS LF__STRICT LF__WALL; do
    IFS= read -r -d '' "$LF__N" || LF__refuse 'what was sent ended early; nothing was run'
done
while IFS= read -r -d '' LF__N && [ -n "$LF__N" ]; do
    IFS= read -r -d '' LF__V && export "$LF__N=$LF__V" || LF__refuse 'what was sent ended early; nothing was run'
done
IFS= read -r -d '' LF__SCRIPT || LF__refuse 'what was sent ended early; nothing was run'
exec </dev/null
"""
    + _PLACES
    + "exec 2>/dev/null\n"
)
_FINDS = r"""
unset -v LF__N
set --
if [ "$LF__PLACE" = later ]; then
    . "$LF__D/vars" 2>/dev/null
    cd -- "${LF__CD:-$LF__HOME}" || { echo "lilfox: nothing was run"; exit 125; }
    unset -v LF__CD
else
    cd -- "$LF__HOME" 2>/dev/null || cd /
    cd -- "${LF__CWD:-.}" || { echo "lilfox: nothing was run"; exit 125; }
fi
for LF__N in $LF__NEEDS; do
    case $(declare -p "$LF__N" 2>/dev/null) in
    *=* | "declare -"[aA]*) ;;
    *)
        echo "lilfox: \$$LF__N is not set; nothing was run"
        exit 125
        ;;
    esac
done
"""
_HAS_TERMINAL = """
TERM=$LF__TERM
unset -v COLUMNS LINES
"""
"""Of the terminal where it runs, not of where the command before it ran."""
_BEGINS = r"""
if [ -n "$LF__WITH" ]; then
    eval "$LF__WITH ${LF__STRICT:+-u} /dev/fd/3" 3< <(printf '%s\n' "$LF__SCRIPT")
    exit
fi
[ "$LF__PLACE" != later ] || . "$LF__D/options" 2>/dev/null
case $- in *u*) LF__STRICT= ;; esac
[ -z "$LF__STRICT" ] || set -u
"""
WALL = r"""export PGOPTIONS="${PGOPTIONS:+$PGOPTIONS }-c default_transaction_read_only=on" GIT_OPTIONAL_LOCKS=0
"""
"""What a command has in its environment where nothing may be changed."""
_WALLED = rf"""
if [ -n "$LF__WALL" ]; then
{WALL}fi
"""
_ENTERS = "exec 2>&1" + _FINDS + _WALLED + _BEGINS
_ENTERS_TERMINAL = _FINDS + _HAS_TERMINAL + _BEGINS
_COMMAND = r"""while IFS= read -r -d '' LF__N <&3; do IFS= read -r -d '' "$LF__N" <&3; done; exec 3<&-; eval "$1"; eval "$LF__SCRIPT"
{
    set -- "$?" "$LF__PLACE" "$LF__D" "$LF__FINE" "$LF__STRICT"
    if [ -n "$2" ] && { [ "$4" = any ] || [ "$4" = "$1" ]; }; then
        { set +o; [ -z "$5" ] || echo set +u; shopt -p; } >"$3/options.new"
        set +eux
        if [ -n "$LF__WALL" ]; then
            PGOPTIONS=${PGOPTIONS%-c default_transaction_read_only=on} PGOPTIONS=${PGOPTIONS% }
            [ -n "$PGOPTIONS" ] || unset -v PGOPTIONS
            unset -v GIT_OPTIONAL_LOCKS
        fi
        unset -v "${!LF_@}"
        LF__CD=$PWD
        while IFS= read -r LF__N; do
            case $LF__N in
            LF__CD) ;;
            LF__* | BASH* | EUID | PPID | UID | SHELLOPTS) continue ;;
            FUNCNAME | GROUPS | DIRSTACK | PIPESTATUS | _) continue ;;
            esac
            set -- "$@" "$LF__N"
        done < <(compgen -v)
        { declare -p "${@:6}"; declare -f; echo "umask $(umask)"; } >"$3/vars.new"
        mv -f -- "$3/vars.new" "$3/vars"
        mv -f -- "$3/options.new" "$3/options"
    fi
} 2>/dev/null
exit "$1"
"""  # noqa: E501  its first line is the command's
_KEEPER = r"""eval "$1"
LF__GIVEN() { for LF__N in D HOME STATE PLACE FINE CWD WITH NEEDS STRICT WALL TERM SCRIPT; do
    LF__V=LF__$LF__N; printf '%s\0%s\0' "$LF__V" "${!LF__V}"
done; }
trap : HUP INT TERM
exec 4>&2 2>/dev/null
bash --noprofile --norc -c "$3" bash "$2" 2>&4 4>&- 3< <(LF__GIVEN)
LF__S=$?
[ -z "$LF__M" ] || printf '\0%s %s\n' "$LF__M" "$LF__S"
exit "$LF__S"
"""
"""The command is a process of its own, which its ``$$`` means: one that ends itself, or its whole group, leaves this
one, which tells how it ended."""
_BASH = ("bash", "--noprofile", "--norc", "-c", _KEEPER, "bash")
ARGV = (*_BASH, _READS, _ENTERS, _COMMAND)


class FenceSession(Struct, frozen=True):
    """The place where a command leaves its shell state for the next command of its fence."""

    run: str
    number: int
    place: Literal["first", "later"]
    host: str = ""
    """Hosts may have one home in common; what was left on one is nothing to another."""

    @property
    def folder(self) -> str:
        """The session's folder, relative to ``FOLDER``."""
        return f"{self.run}/{self.number}-{hashlib.sha256(self.host.encode()).hexdigest()[:16]}"


def given(
    script: str,
    env: Mapping[str, str],
    *,
    mark: str = "",
    fence: FenceSession | None = None,
    fine: int | None = 0,
    cwd: str = "",
    interpreter: str = "",
    wall: bool = False,
    needed: NeededVariables = _NOTHING,
) -> bytes:
    """Return what the shell reads from its stdin.

    ``mark``: printed after a NUL, with the exit status behind it, once the command has ended; it is in no argv and the
    command does not see it. ``fine``: the exit status with which what the command leaves is kept, None for any.
    ``interpreter``: words of a program that reads the script from a file instead; without one ``#!`` says it.
    ``needed``: variables without which nothing is run. ``wall``: nothing may be changed.

    Raises ValueError for a NUL."""
    fields = [
        mark,
        "" if fence is None else fence.folder,
        "" if fence is None else fence.place,
        "any" if fine is None else str(fine),
        cwd,
        with_words(script, interpreter),
        " ".join(needed.names),
        "1" if needed.strict else "",
        "1" if wall else "",
        *(each for pair in env.items() for each in pair),
        "",
        script,
    ]
    if any("\0" in field for field in fields):
        raise ValueError("a NUL in a script or a value")
    return b"".join(field.encode("utf-8", "surrogateescape") + b"\0" for field in fields)


def in_terminal(
    script: str,
    *,
    fence: FenceSession | None = None,
    cwd: str = "",
    interpreter: str = "",
    needed: NeededVariables = _NOTHING,
) -> tuple[str, ...]:
    """Return the argv that runs a script without secrets in the current terminal. Its shell state is kept however it
    ends: the user says whether it worked."""
    known = {
        "LF__MARK": "",
        "LF__STATE": "" if fence is None else fence.folder,
        "LF__PLACE": "" if fence is None else fence.place,
        "LF__FINE": "any",
        "LF__CWD": cwd,
        "LF__WITH": with_words(script, interpreter),
        "LF__NEEDS": " ".join(needed.names),
        "LF__STRICT": "1" if needed.strict else "",
        "LF__SCRIPT": script,
    }
    words = "".join(f"{name}={shlex.quote(value)}\n" for name, value in known.items())
    return (*_BASH, f"{words}LF__TERM=$TERM{_REFUSES}{_PLACES}", _ENTERS_TERMINAL, _COMMAND)


def with_words(script: str, interpreter: str) -> str:
    """Return the program that reads the script, quoted for a shell; empty if bash itself does."""
    if interpreter:
        return shlex.join(shlex.split(interpreter))
    if (shebang := _SHEBANG.match(script)) is None:
        return ""
    return shlex.join(word for word in (shebang[1], shebang[2].strip()) if word)


def is_bash(script: str, interpreter: str | None) -> bool:
    """Return whether bash itself runs a whole script: its first line names bash, and no ``interpreter`` is set."""
    return not interpreter and script.split("\n", 1)[0].strip() in _BASHES


async def forget(host: Host, run: str, *, sudo: bool) -> None:
    """Remove the shell state of the run's fences from the host. Raises HostError."""
    script = f'{_HOME}; rm -rf -- "$LF__HOME/{FOLDER}/$1"'
    await host.run(["bash", "--noprofile", "--norc", "-c", script, "bash", run], sudo=sudo)
