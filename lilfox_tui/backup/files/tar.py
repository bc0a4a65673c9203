"""Reads tar archives member by member, and rejects members that are not safe to extract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias
from zlib import adler32

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean

# A tar archive read as a stream: its members, and the bytes of each, in blocks of any size.
#
# POSIX.1-2017 pax (ustar, extended headers), GNU's long names and numbers, and GNU's sparse files 1.0 (tar manual,
# "Basic Tar Format", "PAX Format, Version 1.0"). What can be read in two ways is not read at all: another tar would
# take it for something else.


BLOCK = 512
MAX_EXTENDED = 1024 * 1024
"""Bytes of one extended header or long name; Linux has no name above 4 KiB and no attribute above 64 KiB."""
MAX_MAP = 2 * 1024 * 1024
"""Bytes of the map of a sparse file: some 100,000 holes."""
MAX_NUMBER = 2**63 - 1

Kind = Literal["file", "folder", "link", "hard link", "device", "pipe"]
_KINDS: dict[int, Kind] = {
    0: "file", ord("0"): "file", ord("7"): "file", ord("1"): "hard link", ord("2"): "link", ord("3"): "device",
    ord("4"): "device", ord("5"): "folder", ord("6"): "pipe",
}  # fmt: skip
_POSIX = b"ustar\x0000"
_ZEROS = bytes(BLOCK)
_ADLER = 65521
"""Adler-32's lower half is one and the sum of all bytes, modulo this (RFC 1950): ten times faster than to add them."""
_KEPT = (b"SCHILY.xattr.", b"SCHILY.acl.")


class TarMember(Struct, frozen=True, kw_only=True):
    """One entry of an archive. Names are bytes as in the archive, without trailing slashes; ``mode`` is the permission
    bits."""

    name: bytes
    kind: Kind
    mode: int
    size: int = 0
    """Of a file's content, holes included."""
    mtime_ns: int = 0
    uid: int = 0
    gid: int = 0
    user: bytes = b""
    group: bytes = b""
    target: bytes = b""
    """Where a link leads, or the member that a hard link is another name of."""
    attributes: tuple[tuple[bytes, bytes], ...] = ()
    """``SCHILY.xattr.NAME`` and ``SCHILY.acl.access`` with their values, sorted."""
    stored: int = 0
    """Bytes of content that follow in the archive, ``sparse_map`` not counted."""
    sparse_map: bytes = b""
    """GNU's map of a sparse file, as it is written."""
    regions: tuple[tuple[int, int], ...] = ()
    """Of a sparse file: offset and length of what is no hole."""


class MemberContent(Struct, frozen=True, gc=False):
    """A chunk of the preceding member's content; ``last`` marks the end. The view is valid until the next step."""

    data: memoryview
    last: bool


Piece: TypeAlias = TarMember | MemberContent


class TarReader:
    """Parses a tar archive: ``for piece in reader.feed(block)`` yields each TarMember, followed by its MemberContent if
    it is a file with ``stored`` bytes. Call ``finish`` at the end. Raises BrokenSet for a broken or ambiguous member,
    before yielding any of it."""

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self._padding = 0
        self._next: dict[bytes, bytes] = {}
        self._always: dict[bytes, bytes] = {}
        self._zeros = 0
        self._wanted = 0
        """Bytes of a map of holes that are to be there before it is read again."""
        self.members = 0
        self.position = 0
        """Bytes of the archive that were read."""

    def feed(self, block: bytes) -> Iterator[Piece]:
        """Yield the pieces that ``block``, the next bytes of the archive, completes."""
        data = memoryview(self._held + block if self._held else block)
        at = 0
        while at < len(data):
            if self._left:
                given = data[at : at + self._left]
                self._left -= len(given)
                at += len(given)
                yield MemberContent(given, self._left == 0)
            elif self._padding:
                skipped = min(self._padding, len(data) - at)
                self._padding -= skipped
                at += skipped
            else:
                member, used = self._header(data, at)
                if not used:
                    break
                at += used
                if member is not None:
                    self.members += 1
                    self._left, self._padding = member.stored, -member.stored % BLOCK
                    yield member
        self._held = bytes(data[at:])
        self.position += len(block)

    def finish(self) -> None:
        """Check the end of the archive; raises BrokenSet when the archive is truncated."""
        if self._zeros < 2 or self._left or self._padding:
            raise BrokenSet(
                tr("the archive is truncated: it ends early, after {bytes} bytes", bytes=self.position),
                tr("choose another set"),
            )

    def _header(self, data: memoryview, at: int) -> tuple[TarMember | None, int]:
        """Return the member whose header is at ``at`` (None if something else is there) and the number of bytes used, 0
        if more data is needed."""
        if len(data) - at < BLOCK:
            return None, 0
        header = bytes(data[at : at + BLOCK])
        if header == _ZEROS:
            self._zeros += 1
            if self._next:
                raise self._broken(tr("an extended header has no member"))
            return None, BLOCK
        if self._zeros:
            raise self._broken(tr("there is data after its end"))
        self._check_sum(header)
        kind = header[156]
        if kind in b"xgLK":
            return None, self._extended(header, kind, data, at + BLOCK)
        if kind not in _KINDS:
            raise self._broken(tr("a member has the unknown type {kind}", kind=clean(bytes((kind,)))))
        member = self._member(header, _KINDS[kind])
        if b"GNU.sparse.major" in self._next:
            return self._sparse(member, data, at + BLOCK)
        self._next = {}
        return member, BLOCK

    def _check_sum(self, header: bytes) -> None:
        said = self._number(header[148:156])
        if (said + sum(header[148:156]) - 8 * 32 + 1) % _ADLER != adler32(header) & 0xFFFF:
            raise self._broken(tr("a header has a wrong checksum"))

    def _extended(self, header: bytes, kind: int, data: memoryview, at: int) -> int:
        """Parse an extended header or a long name; return the bytes used, 0 when more data is needed."""
        size = self._number(header[124:136])
        if not 0 < size <= MAX_EXTENDED:
            raise self._broken(tr("an extended header has an invalid size: {size} bytes", size=size))
        whole = size + -size % BLOCK
        if len(data) - at < whole:
            return 0
        body = bytes(data[at : at + size])
        if kind in b"LK":
            new = {b"path" if kind == ord("L") else b"linkpath": body.split(b"\0", 1)[0]}
        else:
            new = self._records(body)
        if kind == ord("g"):
            if any(key in (b"path", b"linkpath", b"size") or key.startswith(b"GNU.") for key in new):
                raise self._broken(tr("a global header sets a name or a size for all members"))
            self._always |= new
        elif self._next.keys() & new.keys() or (self._next and kind == ord("x")):
            raise self._broken(tr("a member has two extended headers"))
        else:
            self._next = self._next | new
        return BLOCK + whole

    def _records(self, body: bytes) -> dict[bytes, bytes]:
        """Parse the records of an extended header: ``LENGTH KEY=VALUE`` and a newline each."""
        found: dict[bytes, bytes] = {}
        at = 0
        while at < len(body):
            length, blank, _ = body[at : at + 20].partition(b" ")
            end = at + (int(length) if blank and length.isdigit() else 0)
            key, equals, value = body[at + len(length) + 1 : end - 1].partition(b"=")
            if not (at < end <= len(body) and key and equals and body[end - 1] == 10):
                raise self._broken(tr("a record of an extended header cannot be read"))
            if key in found:
                raise self._broken(tr("an extended header contains a key twice"))
            found[key] = value
            at = end
        return found

    def _member(self, header: bytes, kind: Kind) -> TarMember:
        said = self._always | self._next
        name = said.get(b"GNU.sparse.name") or said.get(b"path") or _ustar_name(header)
        if kind == "file" and not header[156] and name.endswith(b"/"):
            kind = "folder"
        size = self._decimal(said[b"size"]) if b"size" in said else self._number(header[124:136])
        if b"\0" in name or not 0 <= size <= MAX_NUMBER or (size and kind != "file"):
            raise self._broken(tr("{name} has an invalid size or name", name=clean(name)))
        return TarMember(
            name=name.rstrip(b"/") or name[:1],
            kind=kind,
            mode=self._number(header[100:108]) & 0o7777,
            size=size,
            stored=size,
            mtime_ns=_nanoseconds(said[b"mtime"]) if b"mtime" in said else self._number(header[136:148]) * 10**9,
            uid=self._decimal(said[b"uid"]) if b"uid" in said else self._number(header[108:116]),
            gid=self._decimal(said[b"gid"]) if b"gid" in said else self._number(header[116:124]),
            user=said.get(b"uname") or _until_nul(header[265:297]),
            group=said.get(b"gname") or _until_nul(header[297:329]),
            target=said.get(b"linkpath") or _until_nul(header[157:257]) if kind in ("link", "hard link") else b"",
            attributes=tuple(sorted((key, value) for key, value in said.items() if key.startswith(_KEPT))),
        )

    def _sparse(self, member: TarMember, data: memoryview, at: int) -> tuple[TarMember | None, int]:
        """Return ``member``, a sparse file, with its map, which precedes its content."""
        said = self._next
        if said[b"GNU.sparse.major"] != b"1" or said.get(b"GNU.sparse.minor") != b"0" or member.kind != "file":
            raise self._broken(tr("{name} is a sparse file in a format other than 1.0", name=clean(member.name)))
        size = self._decimal(said.get(b"GNU.sparse.realsize", b""))
        most = min(member.size, MAX_MAP)
        there = min(len(data) - at, most)
        if there < min(self._wanted, most):
            return None, 0
        text = bytes(data[at : at + there])
        lines = self._lines_of_map(text)
        if lines:
            length = len(text) - len(lines[-1])
            length += -length % BLOCK
            if there >= length:
                regions = self._regions(self._numbers(lines[1:-1]), size, member.size - length)
                self._next, self._wanted = {}, 0
                stored = member.size - length
                return replace(
                    member, size=size, stored=stored, sparse_map=text[:length], regions=regions
                ), BLOCK + length
        if there >= most:
            raise self._broken(tr("{name} has a sparse map that cannot be read", name=clean(member.name)))
        self._wanted = 2 * there
        return None, 0

    def _lines_of_map(self, text: bytes) -> list[bytes]:
        """Split a sparse map into its count, its numbers and the rest; return an empty list if the map is
        incomplete."""
        if b"\n" not in text[:32]:
            return []
        count = self._decimal(text.split(b"\n", 1)[0])
        lines = text.split(b"\n", 2 * count + 1) if 2 * count < MAX_MAP else []
        return lines if len(lines) == 2 * count + 2 else []

    def _numbers(self, lines: list[bytes]) -> list[int]:
        """Parse many decimal numbers at once, with the same rules as ``_decimal``."""
        digits = b"".join(lines)
        if lines and not (digits.isdigit() and all(lines) and max(map(len, lines)) < 20):
            raise self._broken(tr("a number in an extended header cannot be read"))
        return list(map(int, lines))

    def _regions(self, numbers: list[int], size: int, stored: int) -> tuple[tuple[int, int], ...]:
        regions = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        end = 0
        for offset, length in regions:
            if offset < end or offset + length > size:
                raise self._broken(tr("a sparse map has regions that overlap or exceed the file"))
            end = offset + length
        if sum(length for _, length in regions) != stored:
            raise self._broken(tr("a sparse map does not match its content"))
        return regions

    def _number(self, field: bytes) -> int:
        """Parse a number of a header: octal digits, or base 256 if the first bit is set (GNU)."""
        if field[0] & 0x80:
            number = int.from_bytes(field, "big", signed=field[0] == 0xFF)
            return number if field[0] == 0xFF else number - (0x80 << 8 * (len(field) - 1))
        digits = field.split(b"\0", 1)[0].strip(b" ")
        try:
            return int(digits, 8) if digits else 0
        except ValueError:
            raise self._broken(tr("a number in a header cannot be read")) from None

    def _decimal(self, text: bytes) -> int:
        if not (text.isdigit() and len(text) < 20 and int(text) <= MAX_NUMBER):
            raise self._broken(tr("a number in an extended header cannot be read"))
        return int(text)

    def _broken(self, what: Message) -> BrokenSet:
        return BrokenSet(
            tr("the archive cannot be trusted: {what} (near byte {position})", what=what, position=self.position),
            tr("choose another set"),
        )


def _until_nul(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _ustar_name(header: bytes) -> bytes:
    name = _until_nul(header[:100])
    prefix = _until_nul(header[345:500]) if header[257:265] == _POSIX else b""
    return prefix + b"/" + name if prefix else name


def _nanoseconds(text: bytes) -> int:
    """Convert ``1700000000.123456789`` to nanoseconds, rounded down; anything that is not such a number counts as
    1970."""
    seconds, _, rest = text.partition(b".")
    digits = seconds.removeprefix(b"-")
    if not (digits.isdigit() and len(digits) < 12 and (not rest or rest.isdigit())):
        return 0
    found = int(digits) * 10**9 + int(rest[:9].ljust(9, b"0"))
    return -found if seconds.startswith(b"-") else found


# Members written as a tar archive: headers of our own, so that the tar that reads them sees nothing but what was
# judged. POSIX.1-2017 pax, and GNU's sparse files 1.0.


END = bytes(2 * BLOCK)
_TYPES: dict[Kind, bytes] = {"file": b"0", "hard link": b"1", "link": b"2", "folder": b"5"}
_MOST = 0o7777777
"""Of user and group ids in a header's seven octal digits."""


def header(member: TarMember) -> bytes:
    """Return all blocks that precede the content of ``member``. The content must be padded with zeros to a whole
    block."""
    stored = len(member.sparse_map) + member.stored
    sign = b"-" if member.mtime_ns < 0 else b""
    records = [(b"mtime", sign + b"%d.%09d" % divmod(abs(member.mtime_ns), 10**9))]
    name, target = member.name, member.target
    if member.sparse_map:
        records += [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name)]
        records += [(b"GNU.sparse.realsize", b"%d" % member.size)]
    elif len(name) > 100:
        records.append((b"path", name))
    if len(target) > 100:
        records.append((b"linkpath", target))
    if stored > 0o77777777777:
        records.append((b"size", b"%d" % stored))
    records += [(key, b"%d" % number) for key, number in ((b"uid", member.uid), (b"gid", member.gid)) if number > _MOST]
    records += [(key, word) for key, word in ((b"uname", member.user), (b"gname", member.group)) if len(word) > 31]
    records += member.attributes
    body = b"".join(_record(key, value) for key, value in records)
    before = _ustar(b"lilfox", b"x", len(body)) + body + bytes(-len(body) % BLOCK)
    size = min(stored, 0o77777777777)
    return before + _ustar(name, _TYPES[member.kind], size, target, member) + member.sparse_map


def _ustar(name: bytes, kind: bytes, size: int, target: bytes = b"", member: TarMember | None = None) -> bytes:
    """Return a POSIX ustar block; what does not fit is in the extended header before it."""
    mode, uid, gid, mtime, user, group = 0o600, 0, 0, 0, b"", b""
    if member is not None:
        mode, uid, gid = member.mode, min(member.uid, _MOST), min(member.gid, _MOST)
        mtime = min(max(member.mtime_ns // 10**9, 0), 0o77777777777)
        user, group = member.user[:31], member.group[:31]
    block = b"".join(
        (
            name[:100].ljust(100, b"\0"),
            b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime),
            b"        " + kind + target[:100].ljust(100, b"\0") + b"ustar\x0000",
            user.ljust(32, b"\0") + group.ljust(32, b"\0") + b"0000000\0" * 2,
        )
    ).ljust(BLOCK, b"\0")
    total = (adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)  # 512 times 127 is less than its modulus
    return block[:148] + b"%06o\0 " % total + block[156:]


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


# Which members of an archive may become files, and under which name, whoever made the archive.
#
# The rules are those of Python's ``data`` filter (PEP 706) and what was found to pass it since: a name is taken apart
# here and put together anew, nothing is ever written through a link, and a link leads to what lies in the same folder.


LONGEST_NAME = 255
LONGEST_PATH = 4000
"""Bytes; Linux ends at 4096 (PATH_MAX), and the folder beside which is staged comes before it."""
_PRIVILEGED = b"SCHILY.xattr.security."


class SafeMembers:
    """Checks members one by one, in the archive's order. All names must begin with ``prefix``; the returned names are
    relative to it, and the folder itself is ``b""``."""

    def __init__(self, prefix: bytes, *, links_out: bool, setuid: bool) -> None:
        self._prefix = _parts(prefix)
        self._links_out = links_out
        self._setuid = setuid
        self._links: set[bytes] = set()

    def judged(self, member: TarMember) -> TarMember | None:
        """Return ``member`` as it may be written; None for a folder above ``prefix``. Raises BrokenSet for an unsafe
        member."""
        parts = self._inner(member.name, member)
        if parts is None:
            if member.kind != "folder":
                raise refused(member, tr("it lies outside the folder"))
            return None
        if member.kind in ("device", "pipe"):
            raise refused(member, tr("it is a device or a pipe"))
        for end in range(len(parts)):
            if b"/".join(parts[:end]) in self._links:
                raise refused(member, tr("it would be written through a symlink"))
        name = b"/".join(parts)
        target = member.target
        if member.kind == "link":
            self._judge_link(member, parts)
            self._links.add(name)
        elif name in self._links:
            raise refused(member, tr("it would be written through a symlink"))
        elif member.kind == "hard link":
            target = self._hard_target(member)
        if not parts and member.kind != "folder":
            raise refused(member, tr("it would replace the folder itself"))
        plain = member.kind == "file" and not self._setuid
        return replace(
            member,
            name=name,
            target=target,
            mode=member.mode & 0o1777 if plain else member.mode,
            attributes=tuple(pair for pair in member.attributes if self._setuid or not pair[0].startswith(_PRIVILEGED)),
        )

    def _inner(self, name: bytes, member: TarMember) -> list[bytes] | None:
        """Return the components of ``name`` below the prefix; None if it lies above."""
        parts = _parts(name)
        if name.startswith(b"/") or b".." in parts:
            raise refused(member, tr("its name points outside the folder"))
        if len(name) > LONGEST_PATH or any(len(part) > LONGEST_NAME for part in parts):
            raise refused(member, tr("its name is too long"))
        depth = len(self._prefix)
        if parts[:depth] == self._prefix:
            return parts[depth:]
        if parts == self._prefix[: len(parts)]:
            return None
        raise refused(member, tr("it lies outside the folder"))

    def _judge_link(self, member: TarMember, parts: list[bytes]) -> None:
        if not member.target or len(member.target) > LONGEST_PATH:
            raise refused(member, tr("it is a symlink without a valid target"))
        if leads_out(b"/".join(parts), member.target) and not self._links_out:
            raise BrokenSet(
                tr(
                    "{name} is a symlink to {target}, outside the folder",
                    name=clean(member.name),
                    target=clean(member.target),
                ),
                tr("if this is intended, set links_out: true for this source"),
            )

    def _hard_target(self, member: TarMember) -> bytes:
        """Return the target of a hard link, relative to the prefix."""
        parts = self._inner(member.target, member)
        if not parts:
            raise refused(member, tr("it is a hard link to something outside the folder"))
        for end in range(1, len(parts) + 1):
            if b"/".join(parts[:end]) in self._links:
                raise refused(member, tr("it is a hard link to a symlink"))
        return b"/".join(parts)


def leads_out(name: bytes, target: bytes) -> bool:
    """Return whether a symbolic link may lead out of the folder that contains ``name``. ``..`` is allowed only at the
    start of its target: the link's own folder is real, but a later component may itself be a link, and ``..`` after
    that may lead anywhere."""
    if target.startswith(b"/"):
        return True
    parts = _parts(target)
    ups = next((at for at, part in enumerate(parts) if part != b".."), len(parts))
    return ups > name.count(b"/") or b".." in parts[ups:]


def refused(member: TarMember, why: Message) -> BrokenSet:
    """Return the error for an unsafe member."""
    return BrokenSet(
        tr("archive entry {name} must not be restored: {why}", name=clean(member.name), why=why),
        tr("nothing was changed; check who can write to the store, and choose another set"),
    )


def _parts(name: bytes) -> list[bytes]:
    return [part for part in name.split(b"/") if part not in (b"", b".")]
