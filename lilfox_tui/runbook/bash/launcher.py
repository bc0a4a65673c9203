"""Runs a command in bash on a host: its wrapper script, and the variables that must be set before."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from lilfox_tui.hosts.base import Host


class NeededVariables(Struct, frozen=True):
    """The variables that the shell checks before a command runs. ``strict``: it runs with ``set -u``."""

    names: tuple[str, ...] = ()
    strict: bool = False


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
# Variables that pass from one fence to the next (``carrying.py``) are written as data into a file of the run there, and
# reach the next command in its environment, from where it takes them into variables of their own names.
#
# Before it runs the shell looks for the variables that it needs (``ShellVariables``), where all that its fence and
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
for LF__N in LF__MARK LF__STATE LF__PLACE LF__FINE LF__CWD LF__WITH LF__NEEDS LF__STRICT LF__WALL LF__KEEPS LF__KEPT; do
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
for LF__N in "${!LF__P_@}" "${!LF__X_@}"; do
    printf -v "${LF__N#LF__?_}" %s "${!LF__N}"
    case $LF__N in LF__X_*) export "${LF__N#LF__?_}" ;; *) export -n "${LF__N#LF__?_}" ;; esac
    unset -v "$LF__N"
done
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
    if [ -n "$LF__KEEPS" ] && { [ "$4" = any ] || [ "$4" = "$1" ]; }; then (
        set +Ceux
        umask 077
        IFS=' ' LF__D=$LF__HOME/FOLDER/$LF__KEPT
        mkdir -p -- "${LF__D%/*}"
        {
            ! [ -f "$LF__D" ] || cat <"$LF__D"
            for LF__N in $LF__KEEPS; do
                LF__V=$(declare -p "$LF__N") LF__V=${LF__V#declare } LF__V=${LF__V%% *}
                [ -n "${!LF__N+x}" ] || LF__V=
                case $LF__V in
                "" | *[aAn]*) printf '%s\0\0\0' "$LF__N" ;;
                *x*) printf '%s\0x\0%s\0' "$LF__N" "${!LF__N}" ;;
                *) printf '%s\0-\0%s\0' "$LF__N" "${!LF__N}" ;;
                esac
            done
        } >"$LF__D.new" && mv -f -- "$LF__D.new" "$LF__D"
    ) fi
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
""".replace("FOLDER", FOLDER)  # noqa: E501  its first line is the command's
_KEEPER = r"""eval "$1"
LF__GIVEN() { for LF__N in D HOME STATE PLACE FINE CWD WITH NEEDS STRICT WALL TERM SCRIPT KEEPS KEPT; do
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


class KeptVariables(Struct, frozen=True):
    """The variables that a command passes to the next fences, and the file with them, relative to ``FOLDER``."""

    names: tuple[str, ...] = ()
    file: str = ""


_NOTHING_KEPT = KeptVariables()


def kept_in(run: str, host: str) -> str:
    """Return the file with what passes from fence to fence on a host, relative to ``FOLDER``."""
    return f"{run}/kept-{hashlib.sha256(host.encode()).hexdigest()[:16]}"


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
    keeps: KeptVariables = _NOTHING_KEPT,
) -> bytes:
    """Return what the shell reads from its stdin.

    ``mark``: printed after a NUL, with the exit status behind it, once the command has ended; it is in no argv and the
    command does not see it. ``fine``: the exit status with which what the command leaves is kept, None for any.
    ``interpreter``: words of a program that reads the script from a file instead; without one ``#!`` says it.
    ``needed``: variables without which nothing is run. ``wall``: nothing may be changed. ``keeps``: what it passes on
    once it has ended as expected.

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
        " ".join(keeps.names),
        keeps.file,
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
    keeps: KeptVariables = _NOTHING_KEPT,
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
        "LF__KEEPS": " ".join(keeps.names),
        "LF__KEPT": keeps.file,
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


async def kept(host: Host, file: str, *, sudo: bool, limit_bytes: int) -> bytes:
    """Return what passes from fence to fence on the host. Raises HostError."""
    script = f'{_HOME}; cat -- "$LF__HOME/{FOLDER}/$1" 2>/dev/null'
    argv = ["bash", "--noprofile", "--norc", "-c", script, "bash", file]
    return (await host.run(argv, sudo=sudo, limit_bytes=limit_bytes)).stdout


async def forget(host: Host, run: str, *, sudo: bool) -> None:
    """Remove the shell state of the run's fences from the host. Raises HostError."""
    script = f'{_HOME}; rm -rf -- "$LF__HOME/{FOLDER}/$1"'
    await host.run(["bash", "--noprofile", "--norc", "-c", script, "bash", run], sudo=sudo)
