"""Archives are read as Python's tarfile reads them, in blocks of any size; what is ambiguous is refused."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lilfox_tui.backup.files.tar import BLOCK, MemberContent, TarMember, TarReader
from lilfox_tui.backup.store import BrokenSet

KINDS = {
    tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.CONTTYPE: "file", tarfile.LNKTYPE: "hard link",
    tarfile.SYMTYPE: "link", tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device", tarfile.DIRTYPE: "folder",
    tarfile.FIFOTYPE: "pipe",
}  # fmt: skip

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=90)
paths = st.lists(words, min_size=1, max_size=4).map("/".join).filter(lambda path: path.strip("/") != "")


def is_old_folder(fields: dict[str, Any]) -> bool:
    """Whether it is a folder as archives before ustar have it: a file whose name ends in a slash."""
    return bool(fields["type"] == tarfile.AREGTYPE and fields["name"].endswith("/"))


entries = st.fixed_dictionaries(
    {
        "name": paths,
        "type": st.sampled_from(sorted(KINDS)),
        "mode": st.integers(0, 0o7777),
        "content": st.binary(max_size=2000),
        "mtime": st.integers(-(2**33), 2**36),
        "uid": st.integers(0, 2**32),
        "gid": st.integers(0, 2**21),
        "uname": st.sampled_from(["", "root", "www-data", "用户"]),
        "linkname": paths,
    }
).filter(lambda fields: not (is_old_folder(fields) and fields["content"]))
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def archive(members: list[dict[str, Any]], form: int) -> bytes:
    """An archive of ``members``; those that the format cannot hold are left out."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for fields in members:
            entry = tarfile.TarInfo(fields["name"])
            for key in ("type", "mode", "mtime", "uid", "gid", "uname", "linkname"):
                setattr(entry, key, fields[key])
            content = fields["content"] if KINDS[entry.type] == "file" else b""
            entry.size = len(content)
            try:
                tar.addfile(entry, io.BytesIO(content))
            except (ValueError, UnicodeEncodeError):
                continue
    return made.getvalue()


def read(data: bytes, step: int) -> list[tuple[TarMember, bytes]]:
    """Members and their stored content, fed ``step`` bytes at a time."""
    reader = TarReader()
    found: list[tuple[TarMember, bytes]] = []
    for at in range(0, len(data), step):
        for piece in reader.feed(data[at : at + step]):
            if isinstance(piece, MemberContent):
                found[-1] = (found[-1][0], found[-1][1] + bytes(piece.data))
            else:
                found.append((piece, b""))
    reader.finish()
    return found


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(entries, max_size=5), st.sampled_from(FORMATS), st.integers(1, 12_000))
def test_what_tarfile_reads_is_read(members: list[dict[str, Any]], form: int, step: int) -> None:
    data = archive(members, form)
    found = read(data, max(step, len(data) // 400))
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        expected = tar.getmembers()
        assert len(found) == len(expected)
        for (member, content), entry in zip(found, expected, strict=True):
            kind = "folder" if entry.isdir() else KINDS[entry.type]
            name = os.fsencode(entry.name).rstrip(b"/")
            assert (member.kind, member.name) == (kind, name or member.name)
            assert (member.mode, member.size, member.uid, member.gid) == (entry.mode, entry.size, entry.uid, entry.gid)
            assert (member.mtime_ns, member.user) == (int(entry.mtime) * 10**9, os.fsencode(entry.uname))
            if kind in ("link", "hard link"):
                assert member.target == os.fsencode(entry.linkname)
            source = tar.extractfile(entry) if kind == "file" else None
            assert content == (source.read() if source else b"")


def test_an_old_folder_with_content_is_refused() -> None:
    """tarfile reads the content on as headers or not, by its version."""
    fields = dict.fromkeys(("mode", "mtime", "uid", "gid"), 0)
    entry = {"name": "a/", "type": tarfile.AREGTYPE, "content": b"x", "uname": "", "linkname": "", **fields}
    with pytest.raises(BrokenSet, match="has an invalid size or name"):
        read(archive([entry], tarfile.USTAR_FORMAT), 512)


def test_what_gnu_tar_writes_is_read(tmp_path: Path) -> None:
    """Holes, attributes, hard links, long names, names that are no UTF-8."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "plain").write_bytes(b"abc")
    os.setxattr(tree / "plain", "user.k", b"\0v\n=")
    os.link(tree / "plain", tree / "same")
    (tree / "a link").symlink_to("plain")
    deep = tree / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"deep")
    Path(os.fsdecode(os.fsencode(tree) + b"/\xff\x1b[31m\n")).write_bytes(b"odd")
    with (tree / "holes").open("wb") as file:
        os.pwrite(file.fileno(), b"here", 3_000_000)
        os.pwrite(file.fileno(), b"there", 9_000_000)
        file.truncate(20_000_000)
    data = subprocess.run(
        ["tar", "--format=posix", "--sparse", "--xattrs", "--sort=name", "-cf-", "-C", str(tmp_path), "tree"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    found = {member.name: (member, content) for member, content in read(data, 700)}
    assert found[b"tree/plain"][0].attributes == ((b"SCHILY.xattr.user.k", b"\0v\n="),)
    assert found[b"tree/same"][0].kind == "hard link"
    assert found[b"tree/same"][0].target == b"tree/plain"
    assert found[b"tree/a link"][0].target == b"plain"
    assert found[b"tree/" + b"d" * 200 + b"/" + b"e" * 200 + b"/x"][1] == b"deep"
    assert found[b"tree/\xff\x1b[31m\n"][1] == b"odd"
    assert found[b"tree/plain"][0].mtime_ns == (tree / "plain").stat().st_mtime_ns
    holes, content = found[b"tree/holes"]
    assert (holes.size, holes.stored) == (20_000_000, len(content))
    whole = bytearray(holes.size)
    at = 0
    for offset, length in holes.regions:
        whole[offset : offset + length] = content[at : at + length]
        at += length
    assert hashlib.sha256(whole).digest() == hashlib.sha256((tree / "holes").read_bytes()).digest()


def small() -> bytes:
    entry = {"name": "a", "type": tarfile.REGTYPE, "mode": 0o644, "content": b"x" * 700, "mtime": 0, "uid": 0, "gid": 0}
    return archive([entry | {"uname": "", "linkname": "b"}], tarfile.GNU_FORMAT)


def test_a_cut_archive_is_refused_wherever_it_is_cut() -> None:
    data = small()
    end = BLOCK + 1024 + 2 * BLOCK
    for at in range(0, end, 37):
        with pytest.raises(BrokenSet):
            read(data[:at], 10_240)
    assert len(read(data[:end], 10_240)) == 1


def test_an_archive_with_something_behind_its_end_is_refused() -> None:
    with pytest.raises(BrokenSet, match="there is data after its end"):
        read(small() + small(), 10_240)


def test_a_flipped_bit_in_a_header_is_found() -> None:
    data = small()
    for at in range(0, BLOCK, 7):
        broken = data[:at] + bytes((data[at] ^ 4,)) + data[at + 1 :]
        with pytest.raises(BrokenSet):
            read(broken, 10_240)


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def extended(*records: bytes, kind: bytes = b"x") -> bytes:
    """An extended header with these records."""
    body = b"".join(records)
    entry = tarfile.TarInfo("h")
    entry.type, entry.size = kind, len(body)
    return entry.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % BLOCK)


def of_kind(kind: bytes) -> bytes:
    entry = tarfile.TarInfo("s")
    entry.type = kind
    return entry.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (extended(record(b"path", b"b"), record(b"path", b"c")), "contains a key twice"),
        (extended(record(b"path", b"b")) * 2, "two extended headers"),
        (extended(record(b"path", b"b"), kind=b"g"), "global header sets a name or a size for all members"),
        (extended(record(b"size", b"0"), kind=b"g"), "global header sets a name or a size for all members"),
        (extended(record(b"size", b"-1")), "number"),
        (extended(record(b"size", b"9" * 40)), "number"),
        (extended(b"99 path=b\n"), "record"),
        (extended(b"path=b\n"), "record"),
        (extended(record(b"path", b"b\0c")), "invalid size or name"),
        (extended(record(b"GNU.sparse.major", b"0"), record(b"GNU.sparse.minor", b"1")), "sparse"),
        (extended(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0")), "number"),
        (of_kind(b"S"), "unknown type S"),
        (of_kind(b"D"), "unknown type D"),
        (of_kind(b"\x1b"), "unknown type ␛"),
        (bytes(BLOCK), "there is data after its end"),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(before: bytes, why: str) -> None:
    with pytest.raises(BrokenSet, match=why):
        read(before + small(), 10_240)


def test_an_endless_extended_header_is_not_collected() -> None:
    entry = tarfile.TarInfo("h")
    entry.type, entry.size = b"x", 8 * 1024**3
    with pytest.raises(BrokenSet, match="extended header has an invalid size: 8589934592 bytes"):
        read(entry.tobuf(tarfile.GNU_FORMAT), 10_240)
