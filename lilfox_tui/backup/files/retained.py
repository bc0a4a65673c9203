"""What a restore of files keeps beside what is in place, and how that is let go.

Nothing is removed by what the journal says alone: the names must be those that a restore of that target makes, what is
in place must be there and be something else, and nobody may be working in what goes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from msgspec import Struct, structs

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.files.staging import FILE, SYNC_S, TREE, before_name, existing_names, remove_empty, staging_name
from lilfox_tui.backup.source import Renames, RetainedItem, Swap
from lilfox_tui.backup.storage.local_folder import MOUNTS, mount_points
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import clean

_STAGED = re.compile(r"\.lilfox_restore_(\d{8}_\d{6})$", re.ASCII)
_GLOB = re.compile(r"([\[\]*?\\])")
_LOOK = r"""
real=$(readlink -f -- "$2") || exit 1
if [ -e "$1" ] || [ -L "$1" ]; then echo live; fi
case "$(readlink -f -- "$1")/" in "$real"/*) echo same ;; esac
if size=$(timeout 3 du -s --block-size=1 -- "$2" 2>/dev/null); then printf 'size %s\n' "${size%%[!0-9]*}"; fi
found=$(find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/fd -maxdepth 1 \
    \( -lname "$3" -o -lname "$3/*" \) -print -quit 2>/dev/null)
found=${found#/proc/}
if [ -n "$found" ]; then printf 'used %s\n' "${found%%/*}"; fi
printf 'real %s' "$real"
"""
"""Of the target ``$1`` and of what is kept at ``$2``, ``$3`` as a pattern: what is said is bounded in time; the path
comes last, for it may hold anything."""
_REMOVE = r"""
cd -P -- "$1" || exit 1
shift
while [ $# -gt 1 ]; do
    here=$(pwd -P)
    cd -P -- "./$1" 2>/dev/null || exit 0
    [ "$(pwd -P)" = "${here%/}/$1" ] || { echo "$1 is a link" >&2; exit 97; }
    shift
done
if [ "$(id -u)" != 0 ] && [ -d "./$1" ] && [ ! -L "./$1" ]; then
    find "./$1" -type d ! -perm -700 -exec chmod u+rwx '{}' \; 2>/dev/null
fi
rm -rf --one-file-system -- "./$1"
"""
"""Removes the last name, gone to step by step, so that no link leads elsewhere; nothing where it is not there."""


_LEFT = 'find "$1" -maxdepth 1 -type d -name "$2*" -print0'
_IDLE = 'find "$1" -cmin -60 -print -quit'
"""Gives a line where something in the folder has changed within an hour."""
_STAMP = "20231230_020000"


class _Names(Struct, frozen=True):
    """What one restore calls what, below ``parent``."""

    parent: str
    before: tuple[str, ...]
    staged: str
    """The folder of ours in which it was staged."""


async def kept(swap: Swap, host: Host) -> list[RetainedItem]:
    """What there is beside the targets, and why it must stay. Raises BackupError, HostError."""
    found = []
    for one in swap.renames:
        _live, staged, before = await existing_names(host, one, sudo=_sudo(swap))
        path = one.before if before else one.staged if staged else ""
        if not path:
            continue
        names = _names(one)
        if names is None:
            why_not = tr("its name is none that a restore of {target} gives", target=clean(one.target))
            found.append(RetainedItem(target=one.target, name=path, why_not=why_not))
        elif staged and before:
            found.append(RetainedItem(target=one.target, name=path, why_not=tr("the restore did not come to its end")))
        else:
            top = path if before else f"{names.parent.rstrip('/')}/{names.staged}"
            found.append(await _look(host, one, top, needs_live=bool(one.before), sudo=_sudo(swap)))
    return found


async def forget(swap: Swap, host: Host) -> None:
    """Takes away what :func:`kept` gives. Raises BackupError with all of it still there, or which says what could not
    be removed; HostError."""
    for each in await kept(swap, host):
        if str(each.why_not):
            raise BackupError(tr("{name} stays: {reason}", name=clean(each.name), reason=each.why_not))
    for one in swap.renames:
        names = _names(one)
        if names is None:
            continue
        await _remove(host, names.parent, [names.staged], sudo=_sudo(swap))
        if names.before:
            await _remove(host, names.parent, names.before, sudo=_sudo(swap))
        if names.before[1:]:
            await remove_empty(host, one.before.rpartition("/")[0], sudo=_sudo(swap))


async def left(targets: Sequence[str], host: Host, *, sudo: bool) -> list[RetainedItem]:
    """What drills left beside ``targets``. One that was written to within an hour may still run, here or elsewhere.
    Raises BackupError, HostError."""
    found = []
    for target in targets:
        parent, _, name = target.rpartition("/")
        begin = staging_name(name, _STAMP, "drill").removesuffix(_STAMP)
        done = await host.run_script(_LEFT, [parent or "/", _GLOB.sub(r"\\\1", begin)], sudo=sudo)
        for path in filter(None, os.fsdecode(done.stdout).split("\0")):
            if re.fullmatch(r"\d{8}_\d{6}", path.rpartition("/")[2].removeprefix(begin), re.ASCII):
                kept = await _look(host, Renames(target, path, ""), path, needs_live=False, sudo=sudo)
                idle = await host.run_script(_IDLE, [path], sudo=sudo)
                recent = "" if idle.ok and not idle.stdout else tr("a drill has written to it within the last hour")
                found.append(structs.replace(kept, why_not=kept.why_not if str(kept.why_not) else recent))
    return found


async def forget_left(targets: Sequence[str], host: Host, *, sudo: bool) -> list[str]:
    """Takes away what of :func:`left` need not stay. Raises BackupError, HostError."""
    gone = [each.name for each in await left(targets, host, sudo=sudo) if not str(each.why_not)]
    for path in gone:
        parent, _, name = path.rpartition("/")
        await _remove(host, parent or "/", [name], sudo=sudo)
    return gone


async def _look(host: Host, one: Renames, path: str, *, needs_live: bool, sudo: bool) -> RetainedItem:
    real_parent = await _real(host, path.rpartition("/")[0] or "/", sudo=sudo)
    pattern = _GLOB.sub(r"\\\1", f"{real_parent.rstrip('/')}/{path.rpartition('/')[2]}")
    done = await host.run_script(_LOOK, [one.target, path, pattern], sudo=sudo)
    said, _, real = done.stdout.partition(b"real ")
    if not done.ok or not real:
        raise BackupError(_failed(host, path, done.stderr))
    words = dict(line.partition(" ")[::2] for line in said.decode("ascii", "replace").splitlines())
    mounts = await host.run(["cat", str(MOUNTS)], sudo=sudo)
    why_not: Message | str = ""
    if needs_live and "live" not in words:
        why_not = tr("{target} is not there: this may be the only one left", target=clean(one.target))
    elif "same" in words:
        why_not = tr("it is what {target} leads to", target=clean(one.target))
    elif "used" in words:
        why_not = tr("it is in use by process {pid}", pid=words["used"])
    elif not mounts.ok or any(point == real or point.startswith(real + b"/") for point in mount_points(mounts.stdout)):
        why_not = tr("something is mounted in it")
    size = words.get("size", "")
    return RetainedItem(target=one.target, name=path, size_bytes=int(size) if size.isdigit() else None, why_not=why_not)


async def _real(host: Host, folder: str, *, sudo: bool) -> str:
    done = await host.run(["readlink", "-n", "-f", "--", folder], sudo=sudo)
    if not done.ok:
        raise BackupError(_failed(host, folder, done.stderr))
    return os.fsdecode(done.stdout)


async def _remove(host: Host, parent: str, names: Sequence[str], *, sudo: bool) -> None:
    done = await host.run_script(_REMOVE, [parent, *names], sudo=sudo, timeout_s=SYNC_S)
    if not done.ok:
        raise BackupError(_failed(host, "/".join((parent.rstrip("/"), *names)), done.stderr))


def _names(one: Renames) -> _Names | None:
    """The names by which ``one`` is known, if they are those that a restore of its target gives and no others."""
    target, staged = one.target.split("/"), one.staged.split("/")
    for depth in range(1, min(len(target), len(staged))):
        stamped = _STAGED.search(staged[depth])
        if stamped is None:
            continue
        stamp, name, below = stamped[1], target[depth], target[depth + 1 :]
        parent = "/".join(target[:depth])
        ours = staging_name(name, stamp)
        before = (before_name(name, stamp), *below)
        staged_here = {(ours, TREE.decode(), *below)} | ({(ours, FILE)} if not below else set())
        if staged[:depth] != target[:depth] or tuple(staged[depth:]) not in staged_here:
            return None
        if one.before not in ("", "/".join((parent, *before))):
            return None
        return _Names(parent or "/", before if one.before else (), ours)
    return None


def _sudo(swap: Swap) -> bool:
    return bool(swap.options.get("sudo", False))


def _failed(host: Host, path: str, stderr: bytes) -> Message:
    return tr("{path} on {host}: {words}", path=clean(path), host=host.name, words=clean(stderr.strip())[:300])
