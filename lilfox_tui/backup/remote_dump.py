"""Dumps on the store's own host: programs run where their output is stored, so the data never passes through this
machine.

It is a detached command there (``hosts/detached.py``) that goes on when the link is lost, and when this process is. Of
a dead run that is found by :meth:`RemoteDump.sweep`; while it lives it keeps the store's lock. What runs there packs,
counts and hashes the output into a part, all by POSIX sh.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from lilfox_tui.backup.context import BackupContext
from lilfox_tui.backup.plan import BackupPlan
from lilfox_tui.backup.sets.model import Packing
from lilfox_tui.backup.sets.names import UNFINISHED
from lilfox_tui.backup.source import DumpCommand
from lilfox_tui.backup.store import LINK, BackupError, BackupStore, LinkGone
from lilfox_tui.backup.store_lock import LOCK
from lilfox_tui.core.aio import to_end
from lilfox_tui.core.errors import AuthRefused, CommandUnknown, HostError, LilFoxError, NotBegun
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts import detached
from lilfox_tui.hosts.base import Host, wait_until_reconnected
from lilfox_tui.hosts.detached import DetachedOutput, DetachedState
from lilfox_tui.hosts.process import last_words
from lilfox_tui.jobs.model import Run

if TYPE_CHECKING:
    from lilfox_tui.backup.stores.sftp import SftpStore


PROBE = r"""
for program in "$3" sha256sum tee mkfifo wc tail; do
    command -v "$program" >/dev/null || { echo "missing $program"; exit 0; }
done
[ "$(cat "$1/$2" 2>/dev/null)" = "$2" ] && echo same
exit 0
"""
"""``FOLDER NAME PACKER``: whether that host has the programs (``missing NAME``), and whether the store's folder is the
same as SFTP has it (``same``): a file of that name there holds its name."""

END_BYTES = 512
PIPELINE = r"""
folder=$1 part=$2 packing=$3 lock=$4
shift 4
umask 077
w=$LILFOX_JOB/work
mkdir "$w" || exit 90
trap 'rm -rf "$w"' EXIT
trap 'exit 143' HUP INT TERM
cd "$folder" || exit 90
case $part in */*) mkdir -p "${part%/*}" || exit 90 ;; esac
mkfifo "$w/a" "$w/b" "$w/c" "$w/d" || exit 90
set -C
: >"$part" || exit 91
set +C
if [ "$(id -u)" = 0 ]; then chown -h "$(stat -c %u:%g .)" "$part" || exit 91; fi
pack() {
    case $packing in
        zstd) exec zstd -q -T1 -2 --check -c ;;
        gzip) exec gzip -n -c ;;
    esac
}
sha256sum <"$w/a" >"$w/raw_sha256" &
readers=$!
wc -c <"$w/b" >"$w/raw_bytes" &
readers="$readers $!"
tail -c END_BYTES <"$w/c" >"$w/end" &
readers="$readers $!"
sha256sum <"$w/d" >"$w/sha256" &
readers="$readers $!"
(while sleep 20; do touch -c "$lock"; done) >/dev/null 2>&1 &
beat=$!
trap 'kill "$beat"; rm -rf "$w"' EXIT
{ "$@"; echo $? >"$w/status"; } |
    { tee "$w/a" "$w/b" "$w/c"; echo $? >"$w/s1"; } |
    { (pack); echo $? >"$w/s2"; } |
    { tee "$w/d"; echo $? >"$w/s3"; } >>"$part"
for reader in $readers; do wait "$reader" || exit 92; done
for step in s1 s2 s3; do [ "$(cat "$w/$step")" = 0 ] || exit 93; done
sync "$part" 2>/dev/null || sync
word() { read -r first _ <"$w/$1" && echo "$2 $first"; }
word status status && word raw_bytes raw_bytes && word raw_sha256 raw_sha256 && word sha256 sha256 || exit 94
echo "size_bytes $(($(wc -c <"$part")))"
echo
cat "$w/end"
""".replace("END_BYTES", str(END_BYTES))
"""``FOLDER NAME.part PACKING LOCK ARGV…``. What ARGV says on stderr goes to stderr; to stdout, once it is on the disk:
a line each of ``status`` (of ARGV), ``raw_bytes``, ``raw_sha256``, ``sha256``, ``size_bytes``, an empty line, and the
last bytes that ARGV wrote.

Exits 90 to 94 where the part could not be made. While it runs it keeps the store's LOCK fresh: nobody else may write
there, also when the one who has begun it cannot be heard. The trap for signals is not enough against SIGKILL: then the
folder goes with the job's own.
"""


POLL_S = 0.5
AGAIN_S = 5.0
PATIENCE_S = 3600.0
"""So long a lost link is waited for. The command goes on there all the same."""
ENDING_S = 20.0
SAID_BYTES = 64 * 1024
"""Of what the command says on stderr: so much of its start, and of its end."""
_PACKERS = {"zstd": "zstd", "gzip": "gzip"}


class RemoteDumpReport(Struct, frozen=True, kw_only=True):
    """The result of a remote dump. ``status`` is the command's exit status, ``said`` its stderr, ``end`` the last bytes
    of its output (512 at most)."""

    status: int
    raw_bytes: int
    raw_sha256: str
    size_bytes: int
    sha256: str
    said: bytes
    end: bytes


def open_remote_dump(run: Run, context: BackupContext, plan: BackupPlan, store: BackupStore) -> RemoteDump | None:
    """Return the remote dump for the plan's main store; None if that store is not SFTP on the host of one of the plan's
    sources, or if the plan encrypts, which only this machine does."""
    options = plan.stores[plan.main]
    near = [source for source in plan.config.sources.values() if source.host == getattr(options, "host", None)]
    if options.kind != "sftp" or not near or plan.config.encrypt is not None:
        return None
    as_root = any(getattr(source, "sudo", False) or getattr(source, "as_", "") for source in near)
    return RemoteDump(run, cast("SftpStore", store), context.host(options.host), options.path, sudo=as_root)


class RemoteDump:
    """Dumps that ``host`` itself writes into ``folder``, the folder of ``store``, which this run has locked. ``sudo``:
    some of its commands run as root."""

    def __init__(self, run: Run, store: SftpStore, host: Host, folder: str, *, sudo: bool = False) -> None:
        self._run, self._store, self._host, self._folder = run, store, host, folder
        self._prefix = f"backup-{hashlib.sha256(folder.encode()).hexdigest()[:12]}-"
        self._sudo = sudo
        self._why_not: dict[str, str] = {}
        self._heard_s = 0.0

    async def takes(self, command: DumpCommand, packing: Packing) -> bool:
        """Return whether the host can run the command and write its output to the store; reports the reason once if it
        cannot. Raises HostError."""
        if command.host is not self._host:
            return False
        if packing not in self._why_not:
            self._cannot(packing, await self._probe(_PACKERS.get(packing, "cat")))
        return not self._why_not[packing]

    def _cannot(self, packing: Packing, why: str) -> None:
        """Remember and report why the host cannot write dumps itself; ``why`` is empty if it can."""
        self._why_not[packing] = why
        if why:
            self._run.say(
                str(tr("{host} cannot write its dumps to {store} directly; they pass through this machine: "
                       "{reason}",
                       host=self._host.name, store=self._store.where, reason=why))
            )  # fmt: skip

    async def _probe(self, packer: str) -> str:
        """Return why the host cannot write dumps itself; empty if it can."""
        name = f"lilfox-same-{os.urandom(8).hex()}"
        await self._store.put_small(name, name.encode())
        try:
            done = await self._host.run_script(PROBE, [self._folder, name, packer])
        finally:
            await self._store.remove([name])
        word, _, program = done.stdout.decode("ascii", "replace").strip().partition(" ")
        if word == "missing":
            return str(tr("{program} is missing", program=program))
        return "" if word == "same" else str(tr("commands on the host see a different folder than SFTP"))

    async def make(
        self, name: str, packing: Packing, command: DumpCommand, moved: Callable[[int], None]
    ) -> RemoteDumpReport | None:
        """Run the command on the host into ``NAME.part``; ``moved`` gets the number of bytes stored. Waits while the
        connection is lost. Returns None, and reports it, if the host cannot start the command. On an error or a
        cancellation, ends the command if the host is reachable; the part stays.

        Raises BackupError, LinkGone; HostError where it is worth a new try.
        """
        job = self._prefix + os.urandom(8).hex()
        self._store.keep_there(True)
        watching: asyncio.Task[None] | None = None
        self._heard()
        try:
            await self._begin(job, name, packing, command)
            self._run.say(str(tr("{part} is being created on {host} itself and continues if the connection is "
                                 "lost",
                                 part=name, host=self._host.name)))  # fmt: skip
            watching = asyncio.create_task(self._watch(name, moved))
            out, said, end = await self._followed(job, command)
            report = self._report(name, out, said, end)
        except NotBegun as error:
            self._cannot(packing, str(error))
            return None
        except BaseException:
            await to_end(self._give_up(job, command))
            raise
        finally:
            self._store.keep_there(False)
            if watching is not None:
                watching.cancel()
                await asyncio.wait([watching])
        await self._forget(job, sudo=command.sudo)
        return report

    async def sweep(self) -> None:
        """End and report the commands that a dead run left running on the host. The store's lock is held. Raises
        HostError."""
        for as_root in {False, self._sudo}:
            with suppress(AuthRefused):
                for found in await detached.listing(self._host, sudo=as_root):
                    if found.id.startswith(self._prefix):
                        await self._sweep(found, sudo=as_root)

    async def _sweep(self, found: DetachedState, *, sudo: bool) -> None:
        words = {"part": found.label, "host": self._host.name}
        if found.state == "running":
            since = "?" if found.since is None else f"{found.since.astimezone():%Y-%m-%d %H:%M:%S}"
            told = tr(
                "a process left by an earlier run is still creating {part} on {host} (pid {pid}, since {since}); "
                "LilFox stops it and starts again", pid=found.pid, since=since, **words,
            )  # fmt: skip
            found = await detached.cancel(self._host, found.id, sudo=sudo)
        else:
            told = tr(
                "an earlier run that died left {part} on {host}; it belongs to no set and is created again",
                **words,
            )
        self._run.say(str(told), "warning")
        if found.state != "running":
            await self._forget(found.id, sudo=sudo)

    async def _begin(self, job: str, name: str, packing: Packing, command: DumpCommand) -> None:
        args = [self._folder, name + UNFINISHED, packing, f"{self._folder}/{LOCK}", *command.argv]
        while True:
            try:
                await detached.start_script(
                    self._host, job, PIPELINE, args, sudo=command.sudo, limit_bytes=SAID_BYTES, label=name
                )
            except NotBegun:
                raise
            except LINK as error:
                self._lost(error)
                await wait_until_reconnected(self._host, AGAIN_S)
                continue
            self._heard()
            return

    async def _followed(self, job: str, command: DumpCommand) -> tuple[bytes, bytes, DetachedState]:
        out, said = bytearray(), bytearray()
        async with aclosing(detached.follow(self._host, job, sudo=command.sudo, lost=self._lost)) as told:
            async for each in told:
                self._heard()
                if isinstance(each, DetachedState):
                    return bytes(out), bytes(said), each
                _into(each, out, said)
        raise AssertionError("what is followed comes to an end")

    async def _watch(self, name: str, moved: Callable[[int], None]) -> None:
        script = 'wc -c <"$1"'
        while True:
            await asyncio.sleep(POLL_S)
            with suppress(HostError):
                done = await self._host.run_script(script, [f"{self._folder}/{name}{UNFINISHED}"])
                if done.ok and (size := done.stdout.strip()).isdigit():
                    self._heard()
                    moved(int(size))

    def _report(self, name: str, out: bytes, said: bytes, end: DetachedState) -> RemoteDumpReport:
        if end.state != "ended":
            raise CommandUnknown(
                self._host.name,
                tr(
                    "{part}: the process that was creating it on {host} is gone and left no result",
                    part=name,
                    host=self._host.name,
                ),
                tr("It was killed, or the host went down. Check the host's log."),
                pid=end.pid,
            )
        lines, _, last = out.partition(b"\n\n")
        words = dict(line.split(" ", 1) for line in lines.decode("ascii", "replace").splitlines() if " " in line)
        if not end.ok or "size_bytes" not in words:
            reason = last_words(said) or str(tr("exit status {status}", status=end.exit_status))
            raise BackupError(
                tr("{part} could not be created on {host}: {reason}", part=name, host=self._host.name, reason=reason),
                tr("Nothing was kept. Check the host's disk and log."),
            )
        return RemoteDumpReport(
            status=int(words["status"]),
            raw_bytes=int(words["raw_bytes"]),
            raw_sha256=words["raw_sha256"],
            size_bytes=int(words["size_bytes"]),
            sha256=words["sha256"],
            said=said,
            end=last,
        )

    def _heard(self) -> None:
        self._heard_s = asyncio.get_running_loop().time()

    def _lost(self, error: HostError) -> None:
        """Report the lost connection; raises LinkGone if the host has been silent for too long."""
        silent_s = asyncio.get_running_loop().time() - self._heard_s
        if silent_s > PATIENCE_S:
            raise LinkGone(
                tr("no contact with {host} for {seconds:.0f} s: {error}", host=self._host.name, seconds=silent_s,
                   error=error),
                tr("Work already started continues on the host; the next run stops it and creates the dump again."),
            )  # fmt: skip
        self._run.say(
            str(tr("the connection to {host} was lost, reconnecting; work already started on it continues: "
                   "{error}",
                   host=self._host.name, error=error)),
            "warning",
        )  # fmt: skip

    async def _give_up(self, job: str, command: DumpCommand) -> None:
        with suppress(LilFoxError, TimeoutError):
            async with asyncio.timeout(ENDING_S):
                await detached.cancel(self._host, job, sudo=command.sudo)
                await detached.forget(self._host, job, sudo=command.sudo)

    async def _forget(self, job: str, *, sudo: bool) -> None:
        with suppress(HostError):  # it is swept, or forgotten with its age
            await detached.forget(self._host, job, sudo=sudo)


def _into(each: DetachedOutput, out: bytearray, said: bytearray) -> None:
    (out if each.stream == "stdout" else said).extend(each.data)
