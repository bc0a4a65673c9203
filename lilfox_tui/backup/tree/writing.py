"""Members written as a tar archive: headers of our own, so that the tar that reads them sees nothing but what was
judged. POSIX.1-2017 pax, and GNU's sparse files 1.0."""

from __future__ import annotations

from zlib import adler32

from lilfox_tui.backup.tar_scan import BLOCK, Kind, Member

END = bytes(2 * BLOCK)
_TYPES: dict[Kind, bytes] = {"file": b"0", "hard link": b"1", "link": b"2", "folder": b"5"}
_MOST = 0o7777777
"""Of user and group ids in a header's seven octal digits."""


def header(member: Member) -> bytes:
    """All that stands before the content of ``member``; after it, zeros up to a whole block."""
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


def _ustar(name: bytes, kind: bytes, size: int, target: bytes = b"", member: Member | None = None) -> bytes:
    """A block as POSIX has it; what does not fit stands in the extended header before."""
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
