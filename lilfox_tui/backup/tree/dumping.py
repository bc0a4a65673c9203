"""GNU tar on a host, read as a stream, with what it said of files that changed, went away or could not be read."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from msgspec import Struct

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.tree_options import TreeOptions
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.script import new_tick
from lilfox_tui.i18n import clauses, listed, tr
from lilfox_tui.text import clean

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
CANNOT_READ = tr(
    "give the right to read them, set sudo: true, exclude them, or leave them out by skip_unreadable: true"
)
_OCTAL = re.compile(rb"\\([0-7]{3}|.)")
_LINE = re.compile(rb"tar: (?P<name>.*?): (?P<what>(?:Warning: )?(?:%s))" % b"|".join((
    rb"file changed as we read it", rb"File shrank by .*", rb"File removed before we read it", rb"socket ignored",
    rb"file is on a different filesystem; not dumped", rb"contains a cache directory tag.*", rb"Cannot [a-z]+: .*",
    rb"Read error at .*",
)))  # fmt: skip


class Said(Struct):
    """What came of a tar that wrote an archive: filled when its stream ends. Names are as tar was given them."""

    status: int | None = None
    changed: list[bytes] = []
    vanished: list[bytes] = []
    unreadable: list[bytes] = []
    elsewhere: list[bytes] = []
    """On another file system: not dumped."""
    other: list[str] = []
    """Its other lines, safe to show."""


def created(folder: str, member: str, options: TreeOptions | None = None) -> list[str]:
    """The argv that archives ``member`` as it is below ``folder``."""
    argv = list(_CREATE)
    if options is not None:
        argv += [f"--exclude={glob}" for glob in options.exclude]
        argv += ["--ignore-failed-read"] if options.skip_unreadable else []
    return [*argv, f"--directory={folder}", "--", member]


async def archive(host: Host, argv: Sequence[str], said: Said, *, sudo: bool = False) -> AsyncGenerator[bytes, None]:
    """What ``argv`` writes, in blocks; then ``said`` is filled. Raises HostError; BackupError when it did not say how
    it ended."""
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
            tr("tar on {host} did not say how it ended", host=host.name),
            tr("it may have been killed there; look at its memory and its log"),
        )
    if rest:
        yield rest
    fill(said, words)


def refuse_incomplete(said: Said, where: str) -> None:
    """Raises BackupError when tar did not read all that it should. What changed meanwhile is no such thing: that is its
    exit status 1 (tar manual, "Return Codes")."""
    if said.status in (0, 1):
        return
    if said.unreadable:
        raise BackupError(
            tr("{count} of {where} cannot be read: {names}",
               count=len(said.unreadable), where=where, names=named(said.unreadable)),
            CANNOT_READ,
        )  # fmt: skip
    words = clauses(said.other[:3]) or str(tr("exit status {status}", status=said.status))
    raise BackupError(tr("tar failed on {where}: {words}", where=where, words=words))


def named(names: Sequence[bytes], most: int = 10) -> str:
    """The first names, safe to show, and how many more there are."""
    more = f" … +{len(names) - most}" if len(names) > most else ""
    return listed(clean(name) for name in names[:most]) + more


def unquoted(name: bytes) -> bytes:
    """A name that tar wrote in its quoting style ``escape``."""
    plain = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}

    def one(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes((int(code, 8) & 0xFF,)) if len(code) == 3 else plain.get(code, code)

    return _OCTAL.sub(one, name)


def fill(said: Said, words: bytes) -> None:
    """``words``: the lines that tar said, and in the last its exit status."""
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
        elif b"Permission denied" in what or b"Read error" in what:
            said.unreadable.append(name)
        elif b"different filesystem" in what:
            said.elsewhere.append(name)
        elif b"socket ignored" not in what:
            said.other.append(clean(os.fsdecode(name)) + ": " + clean(what))
