"""A folder of our own beside what is to be replaced, in which a restore takes shape.

Nobody but its owner may enter it (0700), and every command that works in it first holds its working directory against
the number of the folder that was made: one that was put in its place meanwhile, or a link, is not worked in. So nothing
of a restore can be led elsewhere by those who may write beside it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime, timedelta

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.tree.dumping import Said, archive, created
from lilfox_tui.hosts.base import Completed, Host
from lilfox_tui.i18n import tr
from lilfox_tui.text import clean

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


class Staging:
    """The folder ``.NAME.lilfox_restore_DATE`` in ``parent``; ``stamp`` is its date, in local time."""

    def __init__(self, host: Host, parent: str, name: str, *, sudo: bool, scratch: bool = False) -> None:
        self._host, self._parent, self._name, self._sudo = host, parent, name, sudo
        self._purpose = "drill" if scratch else "restore"
        self._identity = ""
        self.stamp = ""

    @property
    def made(self) -> bool:
        """Whether it is there."""
        return bool(self._identity)

    @property
    def path(self) -> str:
        """Of the folder."""
        return f"{self._parent.rstrip('/')}/{self._folder()}"

    def before(self, name: str) -> str:
        """The path under which what is now called ``name`` in the parent is kept."""
        return f"{self._parent.rstrip('/')}/{before_name(name, self.stamp)}"

    async def make(self, now: datetime) -> None:
        """Makes it, under the next second where names are taken. Raises BackupError."""
        for later in range(60):
            self.stamp = f"{now + timedelta(seconds=later):%Y%m%d_%H%M%S}"
            args = [self._parent, self._folder(), before_name(self._name, self.stamp)]
            done = await self._host.run_script(_MAKE, args, sudo=self._sudo)
            if done.ok:
                self._identity = done.stdout.decode().strip()
                return
            if done.exit_status != _TAKEN:
                raise _failed(self.path, self._host, done)
        raise BackupError(tr("{path} is taken, and so are the names after it", path=clean(self.path)))

    async def extract(self, blocks: AsyncIterator[bytes]) -> None:
        """Extracts an archive that was judged. Raises BackupError, and what ``blocks`` raises."""
        done = await self._host.pour(self._inside(_EXTRACT), blocks, sudo=self._sudo)
        if not done.ok:
            raise _failed(self.path, self._host, done)

    async def write(self, blocks: AsyncIterator[bytes], like: str) -> None:
        """Writes ``FILE``, 0600 or with the rights of the file ``like`` that is there. Raises as ``extract``."""
        done = await self._host.pour(self._inside(("sh", "-c", _WRITE, "sh", FILE)), blocks, sudo=self._sudo)
        if done.ok:
            done = await self._run("sh", "-c", _LIKE, "sh", FILE, like)
        if not done.ok:
            raise _failed(self.path, self._host, done)

    async def sync(self) -> None:
        """Puts all of it on the disk. Raises BackupError."""
        done = await self._run("sync", "-f", ".")
        if not done.ok:
            raise _failed(self.path, self._host, done)

    def read_tree(self, said: Said) -> AsyncGenerator[bytes, None]:
        """What is on the disk of the folder ``TREE``, as an archive."""
        return archive(self._host, self._inside(created(".", TREE.decode())), said, sudo=self._sudo)

    def read_file(self) -> AsyncGenerator[bytes, None]:
        """What is on the disk of ``FILE``."""
        return self._host.stream(self._inside(("cat", f"./{FILE}")), sudo=self._sudo)

    async def remove(self) -> None:
        """Takes it away with all that is in it. Raises BackupError."""
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
    """``.uploads.lilfox_restore_20231230_020000``, at most as long as a name may be."""
    return _shortened(f".{name}", f".lilfox_{purpose}_{stamp}")


def before_name(name: str, stamp: str) -> str:
    """``uploads_before_20231230_020000``, at most as long as a name may be."""
    return _shortened(name, f"_before_{stamp}")


def _shortened(name: str, suffix: str) -> str:
    if len(name.encode()) + len(suffix) <= _LONGEST:
        return name + suffix
    from hashlib import sha256

    mark = "-" + sha256(name.encode()).hexdigest()[:8]
    room = _LONGEST - len(suffix) - len(mark)
    return name.encode()[:room].decode("utf-8", "ignore") + mark + suffix


def _failed(path: str, host: Host, done: Completed) -> BackupError:
    words = clean(b" ".join(done.stderr.splitlines()[:5]))[:500]
    if done.exit_status == _REPLACED:
        return BackupError(
            tr("{path} on {host} was replaced by somebody meanwhile", path=clean(path), host=host.name),
            tr("nothing was written there; look at who may write beside it"),
        )
    return BackupError(
        tr(
            "restoring into {path} on {host} failed: {words}",
            path=clean(path), host=host.name, words=words or done.signal or done.exit_status,
        ),
        tr("what is there was not touched"),
    )  # fmt: skip
