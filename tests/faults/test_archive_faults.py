"""Archives as an attacker would make them. Rows are those of the table of faults; everything beside the target is held
against what it was."""

from __future__ import annotations

import asyncio
import os
import sys
import tarfile
from pathlib import Path

import pytest

from lilfox_tui.backup.sources import files
from lilfox_tui.hosts.base import Host
from tests.faults.uploads_app import TOP, Made, U, app, file, folder, hard, host, link, options, special
from tests.services.tree_sets import StoredTree, dumped, refused, restored, snapshot, tar_of
from tests.unit.backup.files.test_tar import extended, record

__all__ = ["app", "host"]
HOSTILE: dict[str, list[Made]] = {
    "parent": [TOP, file("public/uploads/../../../canary/new")],
    "parent at the start": [TOP, file("../canary/new")],
    "parent at the end": [TOP, folder("public/uploads/a/..")],
    "absolute": [TOP, file("/tmp/lilfox-absolute")],
    "absolute top": [file("//tmp/lilfox-absolute")],
    "link to the parent, then through it": [TOP, link(f"{U}/l", ".."), file(f"{U}/l/new")],
    "link within, then through it": [TOP, folder(f"{U}/d"), link(f"{U}/l", "d"), file(f"{U}/l/new")],
    "link, then a file of its name": [TOP, link(f"{U}/l", "kept.txt"), file(f"{U}/l")],
    "link, then a folder of its name": [TOP, link(f"{U}/l", "."), folder(f"{U}/l"), file(f"{U}/l/new")],
    "link out": [TOP, link(f"{U}/l", "/etc/passwd")],
    "link up and out": [TOP, folder(f"{U}/a"), link(f"{U}/a/l", "../../x")],
    "chain of links": [TOP, folder(f"{U}/a"), link(f"{U}/a/up", ".."), link(f"{U}/l", "a/up/../..")],
    "deep chain of links": [
        TOP,
        *[made for n in range(16) for made in (folder(f"{U}/{'d/' * (n + 1)}"[:-1]), link(f"{U}/{'d/' * n}l", "d"))],
        link(f"{U}/e", "/".join(["l"] * 16 + [".."] * 17)),
        file(f"{U}/e/canary/new"),
    ],
    "link in place of the top": [link(U, "../../canary"), file(f"{U}/new")],
    "file in place of the top": [file(U)],
    "hard link out": [TOP, hard(f"{U}/h", "../canary/victim"), file(f"{U}/h", mode=0o777)],
    "hard link to an absolute name": [TOP, hard(f"{U}/h", "/etc/passwd")],
    "hard link to a link": [TOP, link(f"{U}/l", "kept.txt"), hard(f"{U}/h", f"{U}/l"), file(f"{U}/h")],
    "hard link through a link": [TOP, link(f"{U}/l", "."), hard(f"{U}/h", f"{U}/l/victim")],
    "hard link to nothing": [TOP, hard(f"{U}/h", f"{U}/none")],
    "hard link to the top": [TOP, hard(f"{U}/h", U)],
    "device": [TOP, special(f"{U}/d", tarfile.CHRTYPE)],
    "block device": [TOP, special(f"{U}/d", tarfile.BLKTYPE)],
    "pipe": [TOP, special(f"{U}/p", tarfile.FIFOTYPE)],
    "a name twice": [TOP, file(f"{U}/a"), file(f"{U}/a", b"other")],
    "a name twice in other words": [TOP, file(f"{U}/a"), file(f"{U}/./a", b"other")],
    "a name longer than a path": [TOP, file(f"{U}/" + "/".join(["n" * 200] * 25))],
    "a name longer than a name": [TOP, file(f"{U}/" + "n" * 300)],
    "beside the folder": [TOP, file("public/other")],
    "a file above the folder": [TOP, file("public")],
}


def long_name(kind: bytes, name: bytes) -> bytes:
    """GNU's member before one whose name is longer than its header takes."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = kind, len(name) + 1
    return entry.tobuf(tarfile.GNU_FORMAT) + name + b"\0" + bytes(-(len(name) + 1) % 512)


def sparse(size: int, numbers: bytes) -> bytes:
    """A sparse file of its own map."""
    entry = tarfile.TarInfo(f"{U}/GNUSparseFile.1/s")
    entry.size = len(numbers) + -len(numbers) % 512
    before = extended(
        record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.minor", b"0"),
        record(b"GNU.sparse.name", f"{U}/s".encode()), record(b"GNU.sparse.realsize", b"%d" % size),
    )  # fmt: skip
    return before + entry.tobuf(tarfile.USTAR_FORMAT) + numbers + bytes(-len(numbers) % 512)


START = tar_of(TOP)[:512]
AFTER = tar_of(file(f"{U}/plain"))
HOSTILE_BYTES: dict[str, bytes] = {
    "path of an extended header": START + extended(record(b"path", b"../canary/new")) + AFTER,
    "absolute path of an extended header": START + extended(record(b"path", b"/tmp/lilfox-absolute")) + AFTER,
    "path that is said of all": START + extended(record(b"path", b"x"), kind=b"g") + AFTER,
    "size that hides a member": START + extended(record(b"size", b"0")) + AFTER,
    "linkpath of an extended header": START
    + extended(record(b"linkpath", b"../../../canary/victim"))
    + tar_of(hard(f"{U}/h", f"{U}/a")),
    "long name": START + long_name(b"L", b"../canary/new") + AFTER,
    "long link": START + long_name(b"K", b"/etc/passwd") + tar_of(link(f"{U}/l", "a")),
    "name of a sparse file": START
    + sparse(10, b"0\n").replace(f"{U}/s".encode(), b"../../../xyz/s1"[: len(f"{U}/s")])
    + AFTER,
    "sparse map over itself": START + sparse(2000, b"2\n0\n100\n50\n100\n") + AFTER,
    "sparse map past its end": START + sparse(10, b"1\n5\n100\n") + AFTER,
    "sparse bomb": START + sparse(2**60, b"1\n%d\n0\n" % 2**60) + AFTER,
    "map that never ends": START + sparse(10, b"9" * 600) + AFTER,
    "unknown kind": START + tar_of((f"{U}/v", {"type": b"V"})),
    "two archives": tar_of(TOP) + tar_of(file("../canary/new")),
    "cut": (START + AFTER)[:900],
    "cut before its end": START,
    "no archive": b"<html>404</html>" * 100,
}
ODD_NAMES = [
    b"\x1b]0;x\x07", b"a\nb", b"\xff\xfe", b"-rf", b"--checkpoint-action=exec=sh", b"C:\\x", b"..\\..\\x", b"NUL",
    b"a:b", b"...", b"..a", b" ", b"*", b"$(touch x)", b"`id`", b"n" * 255, "用户".encode(),
]  # fmt: skip


def in_folder(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def hold(app: Path, tmp_path: Path, host: Host, data: bytes) -> str:
    """What is said of an archive that must be refused; nothing may have been written anywhere."""
    stored = StoredTree(tmp_path / "set")
    stored.old("uploads.tar", data)
    was = snapshot(tmp_path)
    told = await refused(files.open_target(options(app), host, stored.task()))
    part = stored.task().parts[0]
    await files.read_content(part, stored.blocks(part))
    assert snapshot(tmp_path) == was
    assert "lilfox-absolute" not in os.listdir("/tmp")
    return told


@pytest.mark.fault("1.51", "S11")
@pytest.mark.parametrize("name", HOSTILE)
async def test_row_51_hostile_members_are_refused(app: Path, tmp_path: Path, host: Host, name: str) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        await hold(app, tmp_path, host, tar_of(*HOSTILE[name], form=form))


@pytest.mark.fault("1.51", "S11")
@pytest.mark.parametrize("name", HOSTILE_BYTES)
async def test_row_51_hostile_headers_are_refused(app: Path, tmp_path: Path, host: Host, name: str) -> None:
    await hold(app, tmp_path, host, HOSTILE_BYTES[name])


async def test_row_51_a_refusal_names_the_member_and_no_escape_passes(app: Path, tmp_path: Path, host: Host) -> None:
    told = await hold(app, tmp_path, host, tar_of(TOP, file(f"{U}/../\x1b]52;c;\x07\n\u202e")))
    assert "␛]52;c;␇␊<U+202E>" in told
    assert "\x1b" not in told


async def test_row_51_odd_names_are_names_and_nothing_else(app: Path, tmp_path: Path, host: Host) -> None:
    data = tar_of(TOP, *[file(f"./{U}//{os.fsdecode(name)}", os.fsencode(name)) for name in ODD_NAMES])
    stored = StoredTree(tmp_path / "set")
    stored.old("uploads.tar", data)
    canary = snapshot(tmp_path / "canary")
    await restored(files.open_target(options(app), host, stored.task()))
    assert {path.name: path.read_bytes() for path in in_folder(app / U)} == {
        os.fsdecode(name): name for name in ODD_NAMES
    }
    assert snapshot(tmp_path / "canary") == canary


@pytest.mark.fault("1.51", "S11")
async def test_row_51_links_within_and_setuid_bits(app: Path, tmp_path: Path, host: Host) -> None:
    stored = StoredTree(tmp_path / "set")
    made = [TOP, folder(f"{U}/d"), file(f"{U}/d/su", mode=0o6755), link(f"{U}/d/l", "../d/su"), link(f"{U}/m", "d")]
    stored.old("uploads.tar", tar_of(*made, hard(f"{U}/h", f"{U}/d/su")))
    await restored(files.open_target(options(app), host, stored.task()))
    assert (app / U / "h").stat().st_mode & 0o7777 == 0o755
    assert os.readlink(app / U / "d" / "l") == "../d/su"


@pytest.mark.fault("1.51", "S11")
async def test_row_51_links_out_come_back_where_they_are_right(app: Path, tmp_path: Path, host: Host) -> None:
    (app / U / "out").symlink_to("/etc/passwd")
    stored = await dumped(files.open_source("uploads", options(app), host), tmp_path / "set")
    assert [note for note in stored.notes if "links_out: true" in note]
    assert "out is a symlink to" in await refused(files.open_target(options(app), host, stored.task()))
    right = options(app, links_out=True)
    (app / U / "out").unlink()
    await restored(files.open_target(right, host, stored.task()))
    assert os.readlink(app / U / "out") == "/etc/passwd"


@pytest.mark.fault("1.51", "S11")
async def test_row_51_devices_and_pipes_are_left_out_and_named(app: Path, tmp_path: Path, host: Host) -> None:
    os.mkfifo(app / U / "pipe")
    source = files.open_source("uploads", options(app), host)
    assert any("pipe" in str(check.found) for check in await source.checks())
    stored = await dumped(source, tmp_path / "set")
    assert [note for note in stored.notes if "pipe" in note]
    await restored(files.open_target(options(app), host, stored.task()))
    assert os.listdir(app / U) == ["kept.txt"]


async def test_forty_thousand_files_take_no_more_memory(app: Path, tmp_path: Path) -> None:
    """The most that a process of its own had in memory, of which Python itself is a third."""
    with tarfile.open(tmp_path / "many.tar", "w") as tar:
        for n in range(40_000):
            entry = tarfile.TarInfo(f"{U}/{n % 300:03}/{n:06}-a-name-as-uploads-have-it.png")
            tar.addfile(entry)
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READING, str(tmp_path / "many.tar"), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await done.communicate()
    files_found, rss_kb = map(int, told.split())
    assert files_found == 40_000
    assert rss_kb < 60 * 1024


READING = """
import sys
from lilfox_tui.backup.files.tar_filter import Index
from lilfox_tui.backup.files.tar import SafeMembers
from lilfox_tui.backup.files.tar_filter import TarFilter
index = Index()
sieve = TarFilter(SafeMembers(b"public/uploads", links_out=False, setuid=False), index=index)
with open(sys.argv[1], "rb") as file:
    while block := file.read(1024 * 1024):
        sieve.take(block)
sieve.finish()
with open("/proc/self/status") as status:
    print(index.totals("archive").files, *[line.split()[1] for line in status if line.startswith("VmHWM")])
index.close()
"""
