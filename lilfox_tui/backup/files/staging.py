"""Stages restored files next to the current ones, and swaps them in by renames."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from lilfox_tui.backup.files.archive import TarOutcome, archive, created
from lilfox_tui.backup.source import Renames, Settled, Standing, Swap, standing_of
from lilfox_tui.backup.store import BackupError, HalfSwapped
from lilfox_tui.core.crash import phase
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Completed, Host

# A folder of our own beside what is to be replaced, in which a restore takes shape.
#
# Nobody but its owner may enter it (0700), and every command that works in it first holds its working directory against
# the number of the folder that was made: one that was put in its place meanwhile, or a link, is not worked in. So
# nothing of a restore can be led elsewhere by those who may write beside it.


TREE = b"tree"
"""The restored folder's name while it is staged."""
FILE = "file"
"""The restored file's."""
_LONGEST = 255
_TAKEN = 17
_REPLACED = 97
_MAKE = r"""
umask 077
cd -P -- "$1" || exit 1
here=$(pwd -P)
for taken in "$2" "$3"; do if [ -e "./$taken" ] || [ -L "./$taken" ]; then exit 17; fi; done
mkdir -m 700 -- "./$2" && cd -P -- "./$2" || exit 1
[ "$(pwd -P)" = "${here%/}/$2" ] && [ "$(stat -c '%u %a' .)" = "$(id -u) 700" ] && [ -z "$(ls -A)" ] || exit 97
stat -c %d:%i .
"""
_INSIDE = r"""
cd -P -- "$1" && [ "$(stat -c %d:%i .)" = "$2" ] || { echo "$1 is not what was made there" >&2; exit 97; }
shift 2
exec "$@"
"""
_WRITE = 'umask 077; cat > "./$1" && sync -- "./$1"'
_LIKE = r"""
if [ -f "$2" ] && [ ! -L "$2" ]; then chmod --reference="$2" -- "./$1"; chown --reference="$2" -- "./$1" 2>/dev/null; fi
exit 0
"""
_REMOVE = r"""
cd -P -- "$1/$2" && [ "$(stat -c %d:%i .)" = "$3" ] || exit 97
chmod -R u+rwX . && find . -mindepth 1 -delete && cd .. && rmdir -- "./$2"
"""
_EXTRACT = (
    "tar", "--extract", "--file=-", "--preserve-permissions", "--xattrs", "--xattrs-include=*", "--acls",
    "--delay-directory-restore", "--warning=no-timestamp",
)  # fmt: skip
SYNC_S = 600.0


class StagingFolder:
    """The folder ``.NAME.lilfox_restore_DATE`` in ``parent``; ``stamp`` is its date, in local time."""

    def __init__(self, host: Host, parent: str, name: str, *, sudo: bool, scratch: bool = False) -> None:
        self._host, self._parent, self._name, self._sudo = host, parent, name, sudo
        self._purpose = "drill" if scratch else "restore"
        self._identity = ""
        self.stamp = ""

    @property
    def made(self) -> bool:
        """Whether the folder has been created."""
        return bool(self._identity)

    @property
    def path(self) -> str:
        """Path of the folder."""
        return f"{self._parent.rstrip('/')}/{self._folder()}"

    def before(self, name: str) -> str:
        """Return the path to which the current ``name`` in the parent is renamed to retain it."""
        return f"{self._parent.rstrip('/')}/{before_name(name, self.stamp)}"

    async def make(self, now: datetime) -> None:
        """Create the folder, under the next free second if names are taken. Raises BackupError."""
        for later in range(60):
            self.stamp = f"{now + timedelta(seconds=later):%Y%m%d_%H%M%S}"
            args = [self._parent, self._folder(), before_name(self._name, self.stamp)]
            done = await self._host.run_script(_MAKE, args, sudo=self._sudo)
            if done.ok:
                self._identity = done.stdout.decode().strip()
                return
            if done.exit_status != _TAKEN:
                raise _failed(self.path, self._host, done)
        raise BackupError(
            tr("all names for the temporary folder are taken; the last one tried was {path}", path=clean(self.path))
        )

    async def extract(self, blocks: AsyncIterator[bytes]) -> None:
        """Extract an archive that was checked. Raises BackupError, and what ``blocks`` raises."""
        done = await self._host.stream_stdin(self._inside(_EXTRACT), blocks, sudo=self._sudo)
        if not done.ok:
            raise _failed(self.path, self._host, done)

    async def write(self, blocks: AsyncIterator[bytes], like: str) -> None:
        """Write ``FILE`` with mode 0600 or the permissions of the existing file ``like``. Raises as ``extract``."""
        done = await self._host.stream_stdin(self._inside(("sh", "-c", _WRITE, "sh", FILE)), blocks, sudo=self._sudo)
        if done.ok:
            done = await self._run("sh", "-c", _LIKE, "sh", FILE, like)
        if not done.ok:
            raise _failed(self.path, self._host, done)

    async def sync(self) -> None:
        """Sync the folder to disk. Raises BackupError."""
        done = await self._run("sync", "-f", ".")
        if not done.ok:
            raise _failed(self.path, self._host, done)

    def read_tree(self, said: TarOutcome) -> AsyncGenerator[bytes, None]:
        """Read the folder ``TREE`` back from the disk, as an archive."""
        return archive(self._host, self._inside(created(".", TREE.decode())), said, sudo=self._sudo)

    def read_file(self) -> AsyncGenerator[bytes, None]:
        """Read ``FILE`` back from the disk."""
        return self._host.stream(self._inside(("cat", f"./{FILE}")), sudo=self._sudo)

    async def remove(self) -> None:
        """Remove the folder with its contents. Raises BackupError."""
        if not self._identity:
            return
        args = [self._parent, self._folder(), self._identity]
        done = await self._host.run_script(_REMOVE, args, sudo=self._sudo, timeout_s=SYNC_S)
        if not done.ok:
            raise _failed(self.path, self._host, done)
        self._identity = ""

    async def _run(self, *argv: str) -> Completed:
        return await self._host.run(self._inside(argv), sudo=self._sudo, timeout_s=SYNC_S)

    def _inside(self, argv: Sequence[str]) -> list[str]:
        return ["sh", "-c", _INSIDE, "sh", self.path, self._identity, *argv]

    def _folder(self) -> str:
        return staging_name(self._name, self.stamp, self._purpose)


def staging_name(name: str, stamp: str, purpose: str = "restore") -> str:
    """Return ``.uploads.lilfox_restore_20231230_020000``, shortened to the longest name allowed."""
    return _shortened(f".{name}", f".lilfox_{purpose}_{stamp}")


def before_name(name: str, stamp: str) -> str:
    """Return ``uploads_before_20231230_020000``, shortened to the longest name allowed."""
    return _shortened(name, f"_before_{stamp}")


def _shortened(name: str, suffix: str) -> str:
    if len(name.encode()) + len(suffix) <= _LONGEST:
        return name + suffix
    mark = "-" + sha256(name.encode()).hexdigest()[:8]
    room = _LONGEST - len(suffix) - len(mark)
    return name.encode()[:room].decode("utf-8", "ignore") + mark + suffix


def _failed(path: str, host: Host, done: Completed) -> BackupError:
    words = clean(b" ".join(done.stderr.splitlines()[:5]))[:500]
    if done.exit_status == _REPLACED:
        return BackupError(
            tr("{path} on {host} was replaced during the restore", path=clean(path), host=host.name),
            tr("nothing was written to it; check who can write to its parent folder"),
        )
    return BackupError(
        tr(
            "restoring into {path} on {host} failed: {words}",
            path=clean(path), host=host.name, words=words or done.ending,
        ),
        tr("the existing data was not touched"),
    )  # fmt: skip


# The renames that put in place what was staged, undo that, and settle what a crash between them left.


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
    """Put everything that was staged in place. Raises BackupError if that failed and nothing has changed, or
    HalfSwapped, which tells where the data is now."""
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
    """Undo the swap: put the earlier data back and give the restored data its staging name again. Raises BackupError,
    HostError."""
    for one in reversed(swap.renames):
        target, staged, before = await existing_names(host, one, sudo=sudo)
        if one.before and not before:
            if target:
                continue  # never swapped, or undone already
            raise BackupError(
                tr("{before} no longer exists, so the restore cannot be undone", before=clean(one.before)),
                tr("restore another set"),
            )
        if target and staged and one.before:
            raise _too_many(one)
        if target and not staged:
            await _move(host, one.target, one.staged, sudo=sudo)
        if one.before:
            await _move(host, one.before, one.target, sudo=sudo)


async def settle_all(host: Host, swap: Swap, *, sudo: bool) -> Settled:
    """Finish the swap, since everything was compared before; undo it only if staged data is missing."""
    found: set[Settled] = {"nothing"}
    for one in swap.renames:
        target, staged, before = await existing_names(host, one, sudo=sudo)
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
            tr("part of the restore of {set} is in place, but another part was lost", set=swap.set),
            tr("undo the restore: lilfox restore --undo {set}", set=swap.set),
        )
    return next((state for state in ("undone", "finished") if state in found), "nothing")


async def standing(host: Host, swap: Swap, *, sudo: bool) -> list[Standing]:
    """Return which data is in place at each target. Raises BackupError, HostError."""
    found = []
    for one in swap.renames:
        target, staged, before = await existing_names(host, one, sudo=sudo)
        found.append(standing_of(one, target=target, staged=staged, before=before))
    return found


async def finish_all(host: Host, swap: Swap, *, sudo: bool) -> None:
    """Put all staged data in place. Raises BackupError if some of it is missing; what is in place stays."""
    if await settle_all(host, swap, sudo=sudo) == "undone":
        raise BackupError(
            tr("{staged} is gone, so the restore cannot be finished", staged=clean(swap.staged)),
            tr("revert the interrupted restore, then restore again"),
        )


async def remove_empty(host: Host, folder: str, *, sudo: bool) -> None:
    """Remove ``folder`` if it is empty, then each empty folder above it."""
    await host.run_script(_REMOVE_EMPTY, [folder], sudo=sudo)


async def _back(host: Host, one: Renames, *, half: bool, sudo: bool, cause: BackupError) -> None:
    """Undo one pair of renames as far as it was done; ``half``: the first one was certainly done. Raises HalfSwapped,
    HostError."""
    target, staged, before = await existing_names(host, one, sudo=sudo)
    restored_at = one.staged
    try:
        if target and not staged:
            restored_at = one.target
            await _move(host, one.target, one.staged, sudo=sudo)
            restored_at, target = one.staged, False
        if one.before and before and (half or not target):
            await _move(host, one.before, one.target, sudo=sudo)
    except BackupError as error:
        raise _half_swapped(one, cause, error, restored_at) from error


def _half_swapped(one: Renames, cause: BackupError, error: BackupError, restored_at: str) -> HalfSwapped:
    target = clean(one.target)
    if not one.before:
        message = tr(
            "{cause}; rolling back failed too: {error}. {target} did not exist before and now contains the "
            "restored data",
            cause=cause, error=error, target=target,
        )  # fmt: skip
    else:
        message = tr(
            "{cause}; rolling back failed too: {error}. The previous {target} is now {before}; the restored "
            "data is at {staged}",
            cause=cause, error=error, target=target, before=clean(one.before), staged=clean(restored_at),
        )  # fmt: skip
    if restored_at == one.target:
        return HalfSwapped(message, tr("fix that; the next lilfox restore or undo then puts everything back"))
    return HalfSwapped(
        message,
        tr("move {target} out of the way; the next lilfox restore or undo then puts the previous data back",
           target=target),
    )  # fmt: skip


async def existing_names(host: Host, one: Renames, *, sudo: bool) -> tuple[bool, bool, bool]:
    """Return whether the target, the staged data and the data from before exist."""
    done = await host.run_script(_THERE, [one.target, one.staged, one.before or "/dev/null/none"], sudo=sudo)
    if not done.ok or len(done.stdout) != 3:
        raise BackupError(_renames_failed(host, done.stderr))
    return done.stdout[0] == 49, done.stdout[1] == 49, done.stdout[2] == 49


async def _move(host: Host, old: str, new: str, *, sudo: bool) -> None:
    done = await host.run_script(_MOVE, [old, new], sudo=sudo)
    if not done.ok:
        raise BackupError(
            tr(
                "{old} could not be renamed to {new}: {why}",
                old=clean(old),
                new=clean(new),
                why=_renames_failed(host, done.stderr),
            )
        )


def _renames_failed(host: Host, stderr: bytes) -> Message:
    return tr("{words} (on {host})", words=clean(stderr.strip())[:300], host=host.name)


def _too_many(one: Renames) -> BackupError:
    target = clean(one.target)
    return BackupError(
        tr("{target} was renamed to {before}, but exists again", target=target, before=clean(one.before))
        if one.before
        else tr("{target} did not exist before the restore, but exists now", target=target),
        tr("move it out of the way, then try again; the restored data is at {staged}", staged=clean(one.staged)),
    )
