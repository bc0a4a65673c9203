"""The renames that put in place what was staged, undo that, and settle what a crash between them left."""

from __future__ import annotations

from lilfox_tui.backup.errors import BackupError, HalfSwapped
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.source import Renames, Settled, Standing, Swap, standing_of
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import clean

_MOVE = r"""
if [ -e "$2" ] || [ -L "$2" ]; then printf '%s\n' "$2 is there already" >&2; exit 17; fi
umask 077
which=$(stat -c %d:%i -- "$1") || exit
mkdir -p -- "$(dirname -- "$2")" && mv -nT -- "$1" "$2" || exit
if [ "$(stat -c %d:%i -- "$1" 2>/dev/null)" = "$which" ]; then
    printf '%s\n' "$2 came there meanwhile" >&2
    exit 17
fi
sync -- "$(dirname -- "$2")" "$(dirname -- "$1")"
"""
"""Renames ``$1`` to ``$2``, where nothing may be, and puts that on the disk. ``-n`` renames without replacing: what
somebody puts there in between stays, too."""
_THERE = r"""
for path in "$@"; do
    if [ -e "$path" ] || [ -L "$path" ]; then printf '1'; else printf '0'; fi
done
"""
_REMOVE_EMPTY = 'rmdir -p -- "$1" 2>/dev/null; exit 0'


async def swap_in(host: Host, renames: tuple[Renames, ...], *, sudo: bool) -> None:
    """Puts everything that was staged in its place. Raises BackupError with all as it was before, or HalfSwapped, which
    says what is where."""
    begun: list[Renames] = []
    half: list[Renames] = []
    try:
        for one in renames:
            begun.append(one)
            if one.before:
                await _move(host, one.target, one.before, sudo=sudo)
            half.append(one)
            phase("swap-first")
            await _move(host, one.staged, one.target, sudo=sudo)
            phase("swap-second")
    except BackupError as error:
        for one in reversed(begun):
            await _back(host, one, half=one in half, sudo=sudo, cause=error)
        raise


async def take_back(host: Host, swap: Swap, *, sudo: bool) -> None:
    """Undoes: what was restored has the name again that it had while it was staged. Raises BackupError, HostError."""
    for one in reversed(swap.renames):
        target, staged, before = await there(host, one, sudo=sudo)
        if one.before and not before:
            if target:
                continue  # never swapped, or undone already
            raise BackupError(
                tr("{before} is gone: there is nothing to go back to", before=clean(one.before)),
                tr("restore another set"),
            )
        if target and staged and one.before:
            raise _too_many(one)
        if target and not staged:
            await _move(host, one.target, one.staged, sudo=sudo)
        if one.before:
            await _move(host, one.before, one.target, sudo=sudo)


async def settle_all(host: Host, swap: Swap, *, sudo: bool) -> Settled:
    """Finishes what was begun, for all was compared before; only where what was staged is gone it is undone."""
    found: set[Settled] = {"nothing"}
    for one in swap.renames:
        target, staged, before = await there(host, one, sudo=sudo)
        if not staged:
            if before and not target:
                await _move(host, one.before, one.target, sudo=sudo)
                found.add("undone")
            continue
        if target and (before or not one.before):
            raise _too_many(one)
        if target:
            await _move(host, one.target, one.before, sudo=sudo)
        await _move(host, one.staged, one.target, sudo=sudo)
        found.add("finished")
    for one in swap.renames:
        await remove_empty(host, one.staged.rpartition("/")[0], sudo=sudo)
    if {"finished", "undone"} <= found:
        raise BackupError(
            tr("of the restore of {set} one part was lost and another is in place", set=swap.set),
            tr("undo it: lilfox restore --undo {set}", set=swap.set),
        )
    return next((state for state in ("undone", "finished") if state in found), "nothing")


async def standing(host: Host, swap: Swap, *, sudo: bool) -> list[Standing]:
    """What is in place of each target. Raises BackupError, HostError."""
    found = []
    for one in swap.renames:
        target, staged, before = await there(host, one, sudo=sudo)
        found.append(standing_of(one, target=target, staged=staged, before=before))
    return found


async def finish_all(host: Host, swap: Swap, *, sudo: bool) -> None:
    """Puts all that was staged in place. Raises BackupError where one of it is gone: what is in place stays."""
    if await settle_all(host, swap, sudo=sudo) == "undone":
        raise BackupError(
            tr("{staged}: is gone, so the restore cannot be finished", staged=clean(swap.staged)),
            tr("take it back, then restore it again"),
        )


async def remove_empty(host: Host, folder: str, *, sudo: bool) -> None:
    """Removes ``folder`` if nothing is in it, then those above it of which that is so."""
    await host.run_script(_REMOVE_EMPTY, [folder], sudo=sudo)


async def _back(host: Host, one: Renames, *, half: bool, sudo: bool, cause: BackupError) -> None:
    """Makes one pair of renames not to have been, as far as it was; ``half``: the first was surely made. Raises
    HalfSwapped, HostError."""
    target, staged, before = await there(host, one, sudo=sudo)
    try:
        if target and not staged:
            await _move(host, one.target, one.staged, sudo=sudo)
            target = False
        if one.before and before and (half or not target):
            await _move(host, one.before, one.target, sudo=sudo)
    except BackupError as error:
        raise HalfSwapped(
            tr(
                "{cause}; going back failed too: {error}. What was at {target} is now {before}, what was restored is"
                " {staged}",
                cause=cause, error=error, target=clean(one.target), before=clean(one.before), staged=clean(one.staged),
            ),
            tr("move what is at {target} out of the way; the next lilfox restore or undo then goes back",
               target=clean(one.target)),
        ) from error  # fmt: skip


async def there(host: Host, one: Renames, *, sudo: bool) -> tuple[bool, bool, bool]:
    """Whether there is something at the target, staged, and kept from before."""
    done = await host.run_script(_THERE, [one.target, one.staged, one.before or "/dev/null/none"], sudo=sudo)
    if not done.ok or len(done.stdout) != 3:
        raise BackupError(_failed(host, done.stderr))
    return done.stdout[0] == 49, done.stdout[1] == 49, done.stdout[2] == 49


async def _move(host: Host, old: str, new: str, *, sudo: bool) -> None:
    done = await host.run_script(_MOVE, [old, new], sudo=sudo)
    if not done.ok:
        raise BackupError(
            tr("{old} could not become {new}: {why}", old=clean(old), new=clean(new), why=_failed(host, done.stderr))
        )


def _failed(host: Host, stderr: bytes) -> Message:
    return tr("{words} (on {host})", words=clean(stderr.strip())[:300], host=host.name)


def _too_many(one: Renames) -> BackupError:
    return BackupError(
        tr(
            "{target} is there although it was renamed to {before}: somebody has made it anew",
            target=clean(one.target),
            before=clean(one.before),
        ),
        tr("move it out of the way, then try again; what was restored is {staged}", staged=clean(one.staged)),
    )
