"""Archives a folder with GNU tar on its host: the checks before, the stream, and tar's messages."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import Any

from msgspec import Struct

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.files.tar_filter import ArchiveSummary, TarFilter, filtered, put_below
from lilfox_tui.backup.options import FileTreeOptions
from lilfox_tui.backup.source import DumpCommand, PartSink, StoredPart
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.i18n import clauses, listed, ntr, tr
from lilfox_tui.core.text import clean, whole
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.shell_words import new_tick

# GNU tar on a host, read as a stream, with what it said of files that changed, went away or could not be read.


MOST_SAID = 60_000
"""Bytes of what tar says that are kept: the last."""
_HELD = MOST_SAID + 200
_AT_ONCE = 1024 * 1024
"""Bytes that are passed on together: a block costs as much as some hundred KiB of content."""
SAYING = f"""
tick=$1
shift
exec 3>&1
said=$({{ "$@" 2>&1 >&3 3>&-; printf '\\n%s' "$?"; }} | tail -c {MOST_SAID})
printf '\\n@@LILFOX-SAID %s\\n%s' "$tick" "$said"
"""
"""Runs ``$2…`` and puts what it said and its exit status behind what it wrote, whatever that was."""
_CREATE = (
    "tar", "--create", "--file=-", "--format=posix", "--pax-option=delete=atime,delete=ctime", "--sort=name",
    "--sparse", "--one-file-system", "--xattrs", "--acls", "--quoting-style=escape", "--no-unquote",
)  # fmt: skip
_CANNOT_READ = tr("grant read permission, set sudo: true, exclude them, or skip them with skip_unreadable: true")
_LEFT_OUT = tr("they are left out; to back them up, grant read permission or set sudo: true")
_OCTAL = re.compile(rb"\\([0-7]{3}|.)")
_LINE = re.compile(rb"tar: (?P<name>.*?): (?P<what>(?:Warning: )?(?:%s))" % b"|".join((
    rb"file changed as we read it", rb"File shrank by .*", rb"File removed before we read it", rb"socket ignored",
    rb"file is on a different filesystem; not dumped", rb"contains a cache directory tag.*", rb"Cannot [a-z]+: .*",
    rb"Read error at .*",
)))  # fmt: skip


class TarOutcome(Struct):
    """The outcome of a tar that wrote an archive, filled in when its stream ends. Names are as tar was given them."""

    status: int | None = None
    changed: list[bytes] = []
    vanished: list[bytes] = []
    unreadable: list[bytes] = []
    damaged: list[str] = []
    """The lines of files that the disk could not read, safe to show: tar puts zeros in their place, or leaves them out,
    also without an exit status if it may skip what is unreadable."""
    elsewhere: list[bytes] = []
    """On another file system: not dumped."""
    other: list[str] = []
    """Its other lines, safe to show."""


def created(folder: str, member: str, options: FileTreeOptions | None = None) -> list[str]:
    """Return the argv that archives ``member``, a path below ``folder``."""
    argv = list(_CREATE)
    if options is not None:
        argv += [f"--exclude={glob}" for glob in options.exclude]
        argv += ["--ignore-failed-read"] if options.skip_unreadable else []
    return [*argv, f"--directory={folder}", "--", member]


async def archive(
    host: Host, argv: Sequence[str], said: TarOutcome, *, sudo: bool = False
) -> AsyncGenerator[bytes, None]:
    """Yield what ``argv`` writes, in blocks, then fill ``said``. Raises HostError; BackupError when the exit status is
    missing."""
    tick = new_tick()
    mark = b"\n@@LILFOX-SAID " + tick.encode() + b"\n"
    held, size = [b""], 0
    async with aclosing(host.stream(["sh", "-c", SAYING, "sh", tick, *argv], sudo=sudo)) as blocks:
        async for block in blocks:
            held.append(block)
            size += len(block)
            if size >= _AT_ONCE:
                whole = b"".join(held)
                yield whole[:-_HELD]
                held, size = [whole[-_HELD:]], _HELD
    rest, found, words = b"".join(held).rpartition(mark)
    if not found:
        raise BackupError(
            tr("tar on {host} ended without reporting a status", host=host.name),
            tr("it may have been killed; check memory and logs on the host"),
        )
    if rest:
        yield rest
    fill(said, words)


def refuse_incomplete(said: TarOutcome, where: str, *, skip_unreadable: bool = False) -> None:
    """Raise BackupError when tar could not read everything; with ``skip_unreadable``, files without read permission are
    not the reason. Files that changed meanwhile (exit status 1, tar manual, "Return Codes") are not an error."""
    if said.damaged:
        raise BackupError(
            tr("reading {where} failed: {words}", where=where, words=clauses(said.damaged[:3])),
            tr("check the disk and the kernel log of the host; exclude these files to back up the rest"),
        )
    if said.status in (0, 1):
        return
    if said.unreadable and not skip_unreadable:
        raise BackupError(
            tr("files in {where} cannot be read ({count}): {names}",
               count=len(said.unreadable), where=where, names=named(said.unreadable)),
            _CANNOT_READ,
        )  # fmt: skip
    words = clauses(said.other[:3]) or str(tr("exit status {status}", status=said.status))
    raise BackupError(tr("tar failed on {where}: {words}", where=where, words=words))


def named(names: Sequence[bytes], most: int = 10) -> str:
    """Return the first ``most`` names without control sequences, and the number of the others."""
    more = f" … +{len(names) - most}" if len(names) > most else ""
    return listed(clean(name) for name in names[:most]) + more


def unquoted(name: bytes) -> bytes:
    """Decode a name that tar wrote in its quoting style ``escape``."""
    plain = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

    def one(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes((int(code, 8) & 0xFF,)) if len(code) == 3 else plain.get(code, code)

    return _OCTAL.sub(one, name)


def fill(said: TarOutcome, words: bytes) -> None:
    """Fill ``said`` from ``words``: the lines that tar wrote, and its exit status in the last line."""
    *lines, status = words.split(b"\n")
    said.status = int(status) if status.isdigit() else None
    for line in filter(None, lines):
        found = _LINE.fullmatch(line)
        if found is None:
            if b"Exiting with failure status" not in line:
                said.other.append(clean(line))
            continue
        name, what = unquoted(found["name"]), found["what"]
        if b"changed" in what or b"shrank" in what:
            said.changed.append(name)
        elif b"removed before" in what:
            said.vanished.append(name)
        elif b"Read error" in what or b"Input/output error" in what:
            said.damaged.append(clean(os.fsdecode(name)) + ": " + clean(what.removeprefix(b"Warning: ")))
        elif b"Permission denied" in what:
            said.unreadable.append(name)
        elif b"different filesystem" in what:
            said.elsewhere.append(name)
        elif b"socket ignored" not in what:
            said.other.append(clean(os.fsdecode(name)) + ": " + clean(what))


# What can be known of a folder, and of the place where one is to be restored, before anything is read or written.


SURVEY_S = 600.0
_PROGRAMS = r"""
printf 'tar %s\n' "$(tar --version 2>/dev/null | head -n 1)"
printf 'find %s\n' "$(find --version 2>/dev/null | head -n 1)"
printf 'uid %s\n' "$(id -u)"
kind() {
    if [ -L "$1" ]; then printf link; elif [ -d "$1" ]; then printf folder; elif [ -f "$1" ]; then printf file
    elif [ -e "$1" ]; then printf other; else printf nothing; fi
}
"""
_LOOK = (
    _PROGRAMS
    + r"""
printf 'kind %s\n' "$(kind "$1")"
[ -r "$1" ] && printf 'readable yes\n'
[ -L "$1" ] && printf 'real %s\n' "$(readlink -f -- "$1")"
exit 0
"""
)
_SURVEY = r"""
cd -P -- "$1" || exit 1
find . -xdev -printf '%y %s\n' 2>/dev/null |
    awk '{ n[$1]++; if ($1 == "f") b += $2 } END { printf "%.0f %.0f\n", n["f"] + 0, b }'
find . -xdev '(' '(' ! -type l ! -readable ')' -o '(' -type d ! -executable ')' ')' -printf 'U%P\0' -prune \
    -o '(' -type b -o -type c -o -type p ')' -printf 'S%P\0' 2>/dev/null | head -c 200000
"""
_PLACE = (
    _PROGRAMS
    + r"""
parent=$1 target=$2
mounted() {
    at=$(readlink -f -- "$1") awk '
        { gsub(/\\040/, " ", $5); gsub(/\\011/, "\t", $5); gsub(/\\012/, "\n", $5); gsub(/\\134/, "\\", $5) }
        $5 == ENVIRON["at"] { found = 1 }
        END { exit !found }' /proc/self/mountinfo 2>/dev/null
}
printf 'kind %s\n' "$(kind "$target")"
[ -d "$parent" ] && printf 'parent folder\n'
[ -w "$parent" ] && [ -x "$parent" ] && printf 'writable yes\n'
[ -d "$target" ] && printf 'devices %s %s\n' "$(stat -c %d -- "$parent")" "$(stat -c %d -- "$target")"
mounted "$target" && printf 'mounted yes\n'
printf 'stat %s\n' "$(stat -c '%u %a' -- "$parent" 2>/dev/null)"
printf 'bytes %s\n' "$(df -Pk -- "$parent" 2>/dev/null | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')"
printf 'inodes %s\n' "$(df -Pi -- "$parent" 2>/dev/null | awk 'NR == 2 { print $2, $4 }')"
for left in "$parent"/."${target##*/}".lilfox_restore_*; do [ -d "$left" ] && printf 'left %s\n' "${left##*/}"; done
exit 0
"""
)


class PathFacts(Struct, frozen=True):
    """The values that a script reported, by key."""

    words: dict[str, str]

    def __getitem__(self, key: str) -> str:
        return self.words.get(key, "")

    @property
    def root(self) -> bool:
        """Whether the script ran as root."""
        return self["uid"] == "0"


class FolderSurvey(Struct, frozen=True):
    """The contents of a folder; ``unreadable`` and ``special`` (devices, pipes) are names below it."""

    files: int
    size_bytes: int
    unreadable: tuple[bytes, ...] = ()
    special: tuple[bytes, ...] = ()


async def inspect_folder(host: Host, folder: str, *, sudo: bool) -> PathFacts:
    """Inspect a folder that is to be read: ``kind``, ``readable``, ``real``."""
    return await _look(host, _LOOK, [folder], sudo=sudo)


async def inspect_place(host: Host, parent: str, target: str, *, sudo: bool) -> PathFacts:
    """Inspect a restore location. Reports the ``kind`` of what exists there and whether it is ``mounted``; for its
    ``parent``, whether it is ``writable``, its free ``bytes`` and ``inodes``, and what earlier restores ``left``; and
    the ``devices`` of the parent and of an existing folder (for a file, overlayfs reports the device of its layer)."""
    return await _look(host, _PLACE, [parent, target], sudo=sudo)


async def _look(host: Host, script: str, args: list[str], *, sudo: bool) -> PathFacts:
    done = await host.run_script(script, args, sudo=sudo)
    if not done.ok:
        raise BackupError(tr("{host} could not be inspected: {words}", host=host.name, words=clean(done.stderr)[:300]))
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return PathFacts({key: words for key, _, words in (line.partition(" ") for line in lines)})


async def survey(host: Host, folder: str, *, sudo: bool) -> FolderSurvey | None:
    """Count the contents of ``folder``; None if ``find`` is not GNU find or did not finish."""
    done = await host.run_script(_SURVEY, [folder], sudo=sudo, timeout_s=SURVEY_S)
    first, _, names = done.stdout.partition(b"\n")
    numbers = first.split()
    if not done.ok or len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return None
    found = names.split(b"\0")[:-1]
    return FolderSurvey(
        whole(numbers[0]),
        whole(numbers[1]),
        tuple(name[1:] for name in found if name.startswith(b"U")),
        tuple(name[1:] for name in found if name.startswith(b"S")),
    )


def program_checks(host: Host, look: PathFacts) -> list[Check]:
    """Return the checks for GNU tar and GNU find: BusyBox's tar neither reports changed files nor keeps attributes and
    holes."""
    found = []
    for program, words in (("tar", "tar (GNU tar)"), ("find", "find (GNU findutils)")):
        good = look[program].startswith(words)
        have = clean(look[program]) or tr("{program} is missing or reports no version", program=program)
        found.append(
            Check(
                tr("{program} on {host}", program=program, host=host.name),
                "good" if good else "bad",
                have if good else tr("{have}; GNU {program} is required", have=have, program=program),
                "" if good else tr("install GNU {program} on the host", program=program),
            )
        )
    return found


def folder_check(folder: str, look: PathFacts) -> Check:
    """Check that the folder is a real folder and readable."""
    about = tr("folder {folder}", folder=clean(folder))
    if look["kind"] == "link":
        return Check(
            about,
            "bad",
            tr("a symlink to {real}", real=clean(look["real"])),
            tr("use that path instead, so that a restore can swap the folder"),
        )
    if look["kind"] != "folder":
        return Check(about, "bad", tr("missing, or not a folder"), tr("correct the path; nothing was backed up"))
    if not look["readable"]:
        return Check(about, "bad", tr("no read permission"), tr("grant read permission, or set sudo: true"))
    return Check(about, "good", tr("exists"))


def content_checks(folder: str, found: FolderSurvey | None, options: FileTreeOptions) -> list[Check]:
    """Return the checks of a folder's contents: whether everything in it can be read."""
    about = tr("files in {folder}", folder=clean(folder))
    if found is None:
        return [Check(about, "warning", tr("could not be counted"))]
    unreadable = [name for name in found.unreadable if not excluded(name, options.exclude)]
    checks = []
    if unreadable:
        checks.append(
            Check(
                about,
                "warning" if options.skip_unreadable else "bad",
                tr("{count} cannot be read: {names}", count=len(unreadable), names=named(unreadable)),
                _LEFT_OUT if options.skip_unreadable else _CANNOT_READ,
            )
        )
    if special := [name for name in found.special if not excluded(name, options.exclude)]:
        checks.append(Check(about, "warning", tr("devices and pipes are left out: {names}", names=named(special))))
    if not found.files:
        checks.append(Check(about, "warning", tr("it contains no files")))
    return checks or [Check(about, "good", ntr("{count} file", "{count} files", found.files))]


def excluded(name: bytes, globs: tuple[str, ...]) -> bool:
    """Whether tar's ``--exclude`` excludes ``name`` or a folder above it."""
    parts = name.decode("utf-8", "surrogateescape").split("/")
    return any(
        fnmatchcase("/".join(parts[start:end]), glob)
        for glob in globs
        for end in range(1, len(parts) + 1)
        for start in range(end)
    )


# Dumping a folder: tar on its host, counted on the way, with all that is told of it.


class FolderArchive:
    """A folder to dump: ``member``, a path below ``root``, both as on the host."""

    def __init__(self, host: Host, root: str, member: str, options: FileTreeOptions) -> None:
        self._host, self._root, self._member, self._options = host, root, member, options
        self._survey: FolderSurvey | None = None

    @property
    def path(self) -> str:
        """Path of the folder."""
        return f"{self._root.rstrip('/')}/{self._member}"

    async def checks(self) -> list[Check]:
        """See :meth:`BackupSource.checks`."""
        look = await inspect_folder(self._host, self.path, sudo=self._options.sudo)
        found = [*program_checks(self._host, look), folder_check(self.path, look)]
        if all(check.state == "good" for check in found):
            found += content_checks(self.path, await self._look_into(), self._options)
        return found

    async def size_bytes(self) -> int | None:
        """Return the size of the folder's files in bytes, without headers and excluded files."""
        found = await self._look_into()
        return None if found is None else found.size_bytes

    async def dump(self, into: PartSink, stem: str) -> None:
        """Store the folder as ``STEM.tar``. Raises BackupError, HostError."""
        said, counting = TarOutcome(), ArchiveSummary(os.fsencode(self._member))
        sieve = TarFilter(counting, rename=lambda member: put_below(member, b""))
        argv = created(self._root, self._member, self._options)
        part = await self._dumped_there(into, stem, argv, said, counting)
        if part is None:
            size = await self.size_bytes()
            async with aclosing(archive(self._host, argv, said, sudo=self._options.sudo)) as blocks:
                whole = filtered(self._complete(blocks, said), sieve)
                async with aclosing(whole):
                    part = await into.put(stem, ".tar", "files", whole, total_bytes=size)
        if not counting.counts["folder"]:
            raise BackupError(
                tr("{path} is not a folder and was not backed up", path=clean(self.path)), tr("correct the path")
            )
        into.describe(part, counting.detail() | _told(said))
        self._note(into, said, counting)

    async def _dumped_there(
        self, into: PartSink, stem: str, argv: Sequence[str], said: TarOutcome, counting: ArchiveSummary
    ) -> StoredPart | None:
        """Let the store's host write tar's archive itself, if it can, and read it back to count its contents. Return
        None if it cannot, or if devices and pipes must be left out. Raises like :meth:`dump`."""
        looked = await self._look_into()
        if looked is None or any(not excluded(name, self._options.exclude) for name in looked.special):
            return None
        made = await into.put_there(stem, ".tar", "files", DumpCommand(self._host, tuple(argv), self._options.sudo))
        if made is None:
            return None
        fill(said, made.said.removesuffix(b"\n") + b"\n" + str(made.status).encode())
        refuse_incomplete(said, self.path, skip_unreadable=self._options.skip_unreadable)
        sieve = TarFilter(counting)
        async with aclosing(into.read_back(made.part)) as blocks:
            async for block in blocks:
                sieve.take(block)
        sieve.finish()
        if counting.special:  # they came after the folder was looked at
            raise BackupError(
                tr("devices or pipes appeared in {path} after it was checked: {names}",
                   path=clean(self.path), names=named(counting.special)),
                tr("Run the backup again."),
            )  # fmt: skip
        return made.part

    async def _complete(self, blocks: AsyncIterator[bytes], said: TarOutcome) -> AsyncGenerator[bytes, None]:
        """Yield ``blocks``, then raise BackupError if tar could not read everything."""
        async for block in blocks:
            yield block
        refuse_incomplete(said, self.path, skip_unreadable=self._options.skip_unreadable)

    def _note(self, into: PartSink, said: TarOutcome, counting: ArchiveSummary) -> None:
        where = clean(self.path)
        if said.changed:
            into.note(tr("files in {where} changed while being read: {names}", where=where, names=named(said.changed)))
        if said.vanished:
            into.note(
                tr(
                    "files in {where} disappeared before they could be read: {names}",
                    where=where,
                    names=named(said.vanished),
                )
            )
        if said.unreadable:
            into.note(
                tr(
                    "files in {where} that could not be read were left out: {names}",
                    where=where,
                    names=named(said.unreadable),
                )
            )
        if said.elsewhere:
            into.note(
                tr(
                    "other file systems mounted in {where} were left out: {names}",
                    where=where,
                    names=named(said.elsewhere),
                )
            )
        if counting.special:
            into.note(
                tr(
                    "devices or pipes in {where} were left out: {names}",
                    where=where,
                    names=named(counting.special),
                )
            )
        if counting.links_out and not self._options.links_out:
            into.note(tr(
                "symlinks in {where} point outside it: {names}; a restore will be refused unless links_out: true "
                "is set", where=where, names=named(counting.links_out),
            ))  # fmt: skip

    async def _look_into(self) -> FolderSurvey | None:
        if self._survey is None:
            self._survey = await survey(self._host, self.path, sudo=self._options.sudo)
        return self._survey


def _told(said: TarOutcome) -> dict[str, Any]:
    lists = {"changed": said.changed, "vanished": said.vanished, "unreadable": said.unreadable}
    return {key: [clean(name) for name in names[:100]] for key, names in lists.items() if names}
