"""What every store keeps: over a folder of this machine, over SFTP to a real sshd, also where there is no shell, and in
buckets of two servers that others wrote: moto's, and rclone's, which ignores conditional writes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.backup.options import LocalOptions, SftpOptions
from lilfox_tui.backup.store import BackupStore, StoreError, StoreHeld
from lilfox_tui.backup.stores import local, sftp
from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import HostError, NotAllowed, UsageError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.hosts.ssh.files import SftpFile
from tests.services.accounts import account
from tests.services.s3_servers import BucketBed
from tests.services.sshd import Sshd, SshdLab, sshd_lab
from tests.waiting import turn, until

HOSTILE = [
    "", ".", "..", "../x", "/etc/hosts", "a/b", "postgresql/../x", "postgresql/a/b", "postgresql/", "x\0y", "a\nb",
    "\x1b[31m", "a\\b", ".lilfox.lock", "postgresql/.x", "x" * 256, "\udcff",
]  # fmt: skip
STRANGE = ["lil fox_20231230_020000.dump.zst", "a;b", "-x", '"q"', "中文_20231230_020000.tar.zst", "x" * 250]


@pytest.fixture(scope="module")
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        made.sshd()
        made.sshd("ForceCommand internal-sftp")
        yield made


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lilfox-store-") as made:
        yield Path(made) / "sets"


@pytest.fixture
async def here(lab: SshdLab) -> AsyncIterator[Host]:
    made = open_host("here", HostConfig(local=True), lab.ssh())
    yield made
    await made.close()


@pytest.fixture(params=["local", "sftp", "sftp-only"])
async def store(request: pytest.FixtureRequest, lab: SshdLab, folder: Path, here: Host) -> AsyncIterator[BackupStore]:
    async with opened(request.param, lab, folder, here) as made:
        yield made


class opened:  # noqa: N801 - it reads like a function
    """A store and its host, closed at the end."""

    def __init__(self, kind: str, lab: SshdLab, folder: Path, here: Host, **options: object) -> None:
        self.host = here
        self.store: BackupStore
        if kind == "local":
            self.store = local.open_store("s", LocalOptions(path=str(folder), **options), here)  # type: ignore[arg-type]
            return
        server: Sshd = lab.servers[kind == "sftp-only"]
        self.host = open_host("nas", lab.host(server), lab.ssh())
        self.store = sftp.open_store("s", SftpOptions(host="nas", path=str(folder), **options), self.host)  # type: ignore[arg-type]

    async def __aenter__(self) -> BackupStore:
        return self.store

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()
        await self.host.close()


async def of(*blocks: bytes) -> AsyncGenerator[bytes, None]:
    for block in blocks:
        yield block


async def whole(store: BackupStore, name: str) -> bytes:
    async with aclosing(store.read(name)) as blocks:
        return b"".join([block async for block in blocks])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


class FolderBed:
    """What lies in a store's folder, seen without the store."""

    def __init__(self, store: BackupStore, folder: Path) -> None:
        self.store = store
        self.folder = folder

    @property
    def names(self) -> list[str]:
        """The files, those that are being written too."""
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())

    def put(self, name: str, data: bytes) -> None:
        """Write a file beside the store."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(data)


Bed = FolderBed | BucketBed


@pytest.fixture(params=["local", "sftp", "sftp-only", "moto", "rclone"])
async def bed(
    request: pytest.FixtureRequest, lab: SshdLab, folder: Path, here: Host, s3_keys: None
) -> AsyncIterator[Bed]:
    if request.param in ("moto", "rclone"):
        async with BucketBed(request.getfixturevalue(request.param)) as made:
            yield made
        return
    async with opened(request.param, lab, folder, here) as store:
        yield FolderBed(store, folder)


async def test_a_part_is_written_aside_published_and_read_back(bed: Bed) -> None:
    store = bed.store
    data = os.urandom(11 * 1024 * 1024 + 7)
    blocks = [data[at : at + 300_000] for at in range(0, len(data), 300_000)]
    assert await store.write("postgresql/a_20231230_020000.sql.gz", of(*blocks)) == len(data)
    assert await store.write("b", of()) == 0
    assert bed.names == ["b.part", "postgresql/a_20231230_020000.sql.gz.part"]
    assert sorted(entry.name for entry in await store.entries()) == bed.names
    await store.publish(["postgresql/a_20231230_020000.sql.gz", "b"])
    assert bed.names == ["b", "postgresql/a_20231230_020000.sql.gz"]
    assert hashlib.sha256(await whole(store, "postgresql/a_20231230_020000.sql.gz")).digest() == (
        hashlib.sha256(data).digest()
    )
    assert await whole(store, "b") == b""
    found = {entry.name: entry for entry in await store.entries()}
    assert {name: entry.size_bytes for name, entry in found.items()} == {
        "postgresql/a_20231230_020000.sql.gz": len(data),
        "b": 0,
    }
    assert abs((found["b"].modified - datetime.now(UTC)).total_seconds()) < 60


async def test_what_is_written_is_for_its_owner_alone(store: BackupStore, folder: Path) -> None:
    before = os.umask(0)
    try:
        for name in ("postgresql/a_20231230_020000.sql.gz", "b"):
            await store.write(name, of(b"x"))
        await store.put_small("a.manifest.json", b"{}")
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert mode(folder / "postgresql") == 0o700
    assert mode(folder / "b.part") == 0o600
    assert mode(folder / "postgresql" / "a_20231230_020000.sql.gz.part") == 0o600
    assert mode(folder / "a.manifest.json") == 0o600


async def test_nothing_is_published_over_what_is_there_and_then_none_of_it(bed: Bed) -> None:
    for name in ("a", "b", "c"):
        await bed.store.write(name, of(name.encode()))
    bed.put("b", b"other")
    with pytest.raises(StoreError, match=r"b already exists in .* and is not overwritten"):
        await bed.store.publish(["a", "b", "c"])
    assert bed.names == ["a.part", "b", "b.part", "c.part"]
    assert await whole(bed.store, "b") == b"other"


async def test_a_part_that_is_there_is_not_written_into(bed: Bed) -> None:
    for size in (3, 6 * 1024 * 1024):
        name = f"a{size}"
        await bed.store.write(name, of(b"1" * size))
        with pytest.raises(StoreError, match="already"):
            await bed.store.write(name, of(b"2" * size))
        await bed.store.publish([name])
        assert await whole(bed.store, name) == b"1" * size


async def test_what_the_blocks_raise_goes_up_and_no_part_stays(bed: Bed) -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"x" * 11_000_000
        raise OSError(28, "the source's own")

    with pytest.raises(OSError, match="the source's own"):
        await bed.store.write("a", failing())
    assert bed.names == []


async def test_a_cancelled_write_leaves_no_part(bed: Bed) -> None:
    sent = 0

    async def endless() -> AsyncGenerator[bytes, None]:
        nonlocal sent
        while True:
            yield b"x" * 1_000_000
            sent += 1
            await turn()

    writing = asyncio.create_task(bed.store.write("a", endless()))
    await until(lambda: sent > 11)
    assert [entry.name for entry in await bed.store.entries()] == ["a.part"]
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    assert bed.names == []


async def test_small_files_are_whole_or_not_there(bed: Bed) -> None:
    store = bed.store
    await store.put_small("a.manifest.json", b"one")
    await store.put_small("a.manifest.json", b"two!")
    await store.put_small("postgresql/b", b"b" * 200_000)
    bed.put("large", bytes(5_000_000))
    await store.put_small("other", b"not asked for")
    texts, entries = await store.look((".manifest.json", "b", "gone", "large"))
    assert texts == {"a.manifest.json": b"two!", "postgresql/b": b"b" * 200_000}
    assert {entry.name: entry.size_bytes for entry in entries} == {"large": 5_000_000, "other": 13}
    assert all(abs(entry.modified - datetime.now(UTC)) < timedelta(minutes=1) for entry in entries)
    assert await store.object_lock(["a.manifest.json", "gone"]) is None
    assert not await store.remove(["gone", "other"])
    assert bed.names == ["a.manifest.json", "large", "postgresql/b"]


async def test_links_and_pipes_are_no_small_files(store: BackupStore, folder: Path) -> None:
    os.mkdir(folder)
    (folder / "link").symlink_to("/etc/hosts")
    os.mkfifo(folder / "pipe")
    assert await store.look(("link", "pipe")) == ({}, [])
    assert sorted(os.listdir(folder)) == ["link", "pipe"]


@pytest.mark.parametrize("store", ["sftp"], indirect=True)
async def test_a_manifest_is_one_read(store: BackupStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a file that has another size than it was listed with is read whole."""
    for number in range(40):
        await store.put_small(f"{number}.manifest.json", b"x" * number * 100)
    reads: list[int] = []
    read = SftpFile.read

    async def counted(file: SftpFile, offset: int, size: int) -> bytes:
        reads.append(size)
        return await read(file, offset, size)

    monkeypatch.setattr(SftpFile, "read", counted)
    texts, _entries = await store.look((".manifest.json",))
    assert texts == {f"{number}.manifest.json": b"x" * number * 100 for number in range(40)}
    assert sorted(reads) == [number * 100 + 1 for number in range(40)]
    for listed_bytes in (1, 3000):
        assert isinstance(store, sftp.SftpStore)
        found = await store._folder.small("20.manifest.json", listed_bytes, 4_000_000)
        assert found == b"x" * 2000


async def test_links_folders_and_others_files_are_never_touched(store: BackupStore, folder: Path) -> None:
    os.mkdir(folder)
    outside = folder.parent / "outside"
    os.mkdir(outside)
    (outside / "kept").write_bytes(b"kept")
    (folder / "lilfox_x.sql.gz").symlink_to(outside / "kept")
    (folder / "lilfox_y.sql.gz").mkdir()
    (folder / "files").symlink_to(outside)
    os.mkfifo(folder / "lilfox_z.sql.gz")
    (folder / "lilfox_notes.sql.gz").write_bytes(b"mine")
    (folder / "foreign").mkdir()
    (folder / "foreign" / "x").write_bytes(b"")
    assert {entry.name for entry in await store.entries()} == {"lilfox_notes.sql.gz"}
    await store.remove(["lilfox_x.sql.gz", "lilfox_y.sql.gz", "lilfox_z.sql.gz", "gone"])
    for name in ("lilfox_x.sql.gz", "lilfox_z.sql.gz", "lilfox_y.sql.gz", "files/kept"):
        with pytest.raises(StoreError):
            await whole(store, name)
    for attempt in (
        store.write("files/new", of(b"x")),
        store.put_small("files/new", b"x"),
        store.remove(["files/kept"]),
    ):
        with pytest.raises(StoreError, match="link"):
            await attempt
    (folder / "a.part").symlink_to(outside / "made")
    with pytest.raises(StoreError):
        await store.write("a", of(b"x"))
    assert os.listdir(outside) == ["kept"]
    assert (outside / "kept").read_bytes() == b"kept"
    assert {"lilfox_x.sql.gz", "lilfox_y.sql.gz", "lilfox_z.sql.gz", "a.part"} <= set(os.listdir(folder))


@pytest.mark.fault("S13")
async def test_names_that_lead_elsewhere_are_refused(bed: Bed, folder: Path) -> None:
    os.mkdir(folder)
    store = bed.store
    for name in HOSTILE:
        for attempt in (
            store.write(name, of(b"x")),
            store.put_small(name, b"x"),
            store.remove([name]),
            whole(store, name),
            store.publish([name]),
        ):
            with pytest.raises(StoreError) as caught:
                await attempt
            assert "\x1b" not in str(caught.value), name
    assert bed.names == []
    assert os.listdir(folder) == []
    assert os.listdir(folder.parent) == ["sets"]


async def test_names_that_are_only_strange_are_files(bed: Bed) -> None:
    store = bed.store
    for name in STRANGE:
        await store.write(name, of(b"x"))
    await store.publish(STRANGE)
    for name in STRANGE:
        assert await whole(store, name) == b"x"
    assert sorted(entry.name for entry in await store.entries()) == sorted(STRANGE)
    await store.remove(STRANGE)
    assert bed.names == []


async def test_checks_tell_of_room_and_rights(store: BackupStore, folder: Path) -> None:
    checks = await store.checks(1000)
    assert [check.state for check in checks] == ["good", "good"], checks
    assert os.listdir(folder) == []
    checks = await store.checks(1 << 60)
    assert any(check.state == "bad" and " free; 1.0E may be needed" in str(check.found) for check in checks)
    os.chmod(folder, 0o755)
    assert any(check.state == "warning" and "0755" in str(check.found) for check in await store.checks(None))
    free = await store.free_bytes()
    assert free is not None
    assert free > 0


async def test_a_store_whose_parent_is_missing_is_told(store: BackupStore, folder: Path) -> None:
    folder.parent.rename(folder.parent.with_suffix(".away"))
    try:
        assert [check.state for check in await store.checks(1)] == ["bad"]
        with pytest.raises(StoreError, match=r"No such file|does not exist"):
            await store.write("a", of(b"x"))
        with pytest.raises(StoreError, match=r"No such file|does not exist"):
            await store.entries()
    finally:
        folder.parent.with_suffix(".away").rename(folder.parent)


async def test_one_run_holds_the_store_and_the_other_says_who(bed: Bed) -> None:
    store = bed.store
    async with store.lock("backup lilfox by cron"):
        for shared in (False, True):
            with pytest.raises(StoreHeld, match="has been in use by backup lilfox by cron since") as caught:
                async with store.lock("other", shared=shared):
                    pass
            assert caught.value.holder.who == "backup lilfox by cron"
            assert caught.value.holder.since is not None
        assert await store.entries() == []
    async with store.lock("other"):
        pass
    assert set(bed.names) <= {".lilfox.flock"}


async def test_a_folder_that_is_not_there_cannot_be_shared(store: BackupStore) -> None:
    with pytest.raises(StoreError, match=r"No such file|does not exist"):
        async with store.lock("restore", shared=True):
            pass


async def test_readers_share_it_and_keep_writers_out(bed: Bed, folder: Path) -> None:
    os.mkdir(folder)
    store = bed.store
    async with store.lock("restore", shared=True), store.lock("verify", shared=True):
        with pytest.raises(StoreHeld, match=r"by (restore|verify) since"):
            async with store.lock("prune"):
                pass
    async with store.lock("prune"):
        pass
    assert set(bed.names) <= {".lilfox.flock"}


async def test_the_body_of_a_lock_raises_what_it_raises(bed: Bed, folder: Path) -> None:
    os.mkdir(folder)
    store = bed.store
    with pytest.raises(OSError, match="mine"):
        async with store.lock("x"):
            raise OSError("mine")
    with pytest.raises(ZeroDivisionError):
        async with store.lock("x", shared=True):
            raise ZeroDivisionError
    async with store.lock("y"):
        pass


@pytest.mark.parametrize(("first", "second"), [("local", "sftp"), ("sftp", "local"), ("sftp", "sftp-only")])
@pytest.mark.parametrize("shared", [False, True])
async def test_it_is_seen_by_who_comes_another_way(
    lab: SshdLab, folder: Path, here: Host, first: str, second: str, shared: bool
) -> None:
    os.mkdir(folder)
    async with opened(first, lab, folder, here) as one, opened(second, lab, folder, here) as other:
        async with one.lock("the first", shared=shared):
            with pytest.raises(StoreHeld, match="the first"):
                async with other.lock("the second"):
                    pass
            if shared:
                async with other.lock("the second", shared=True):
                    pass
        async with other.lock("the second"):
            with pytest.raises(StoreHeld, match="the second"):
                async with one.lock("the first"):
                    pass


async def test_require_mount_refuses_the_bare_mount_point(lab: SshdLab, folder: Path, here: Host) -> None:
    os.mkdir(folder)
    for kind in ("local", "sftp"):
        async with opened(kind, lab, folder, here, require_mount=True) as store:
            assert [check.state for check in await store.checks(1)] == ["bad"]
            for attempt in (store.write("a", of(b"x")), store.put_small("a", b"x")):
                with pytest.raises(StoreError, match="nothing is mounted at"):
                    await attempt
    assert os.listdir(folder) == []


@pytest.mark.root
async def test_an_account_without_a_shell_in_its_own_root_is_enough(lab: SshdLab) -> None:
    with account("/usr/sbin/nologin") as name:
        server = lab.sshd("ForceCommand internal-sftp", "ChrootDirectory /home")
        host = open_host("nas", lab.host(server, user=name), lab.ssh())
        store = sftp.open_store("s", SftpOptions(host="nas", path=f"/{name}/sets"), host)
        assert all(check.state == "good" for check in await store.checks(1000))
        async with store.lock("backup"):
            await store.write("a", of(b"data"))
            await store.publish(["a"])
            await store.put_small("a.manifest.json", b"{}")
        assert await whole(store, "a") == b"data"
        assert sorted(os.listdir(f"/home/{name}/sets")) == ["a", "a.manifest.json"]
        await store.close()
        await host.close()


@pytest.mark.root
async def test_who_may_only_read_can_still_read_and_is_told_that_it_cannot_write(lab: SshdLab, folder: Path) -> None:
    os.mkdir(folder)
    (folder / "a").write_bytes(b"data")
    for path in (folder.parent, folder):
        os.chmod(path, 0o755)
    with account("/bin/sh") as name:
        host = open_host("nas", lab.host(lab.servers[0], user=name), lab.ssh())
        store = sftp.open_store("s", SftpOptions(host="nas", path=str(folder)), host)
        checks = await store.checks(1)
        assert any(check.state == "bad" and "no write permission" in str(check.found) for check in checks)
        async with store.lock("restore", shared=True):
            assert await whole(store, "a") == b"data"
        for attempt in (store.write("b", of(b"x")), store.put_small("b", b"x"), store.remove(["a"]), held(store)):
            with pytest.raises(StoreError, match="Permission denied"):
                await attempt
        await store.close()
        await host.close()
    assert os.listdir(folder) == ["a"]


async def held(store: BackupStore) -> None:
    async with store.lock("backup"):
        pass


async def test_a_protected_host_is_not_written(lab: SshdLab, folder: Path) -> None:
    os.mkdir(folder)
    (folder / "a").write_bytes(b"data")
    host = open_host("nas", lab.host(lab.servers[0], protected=True), lab.ssh())
    store = sftp.open_store("s", SftpOptions(host="nas", path=str(folder)), host)
    for attempt in (store.write("b", of(b"x")), store.put_small("b", b"x"), store.remove(["a"]), held(store)):
        with pytest.raises(NotAllowed, match="does not allow changes"):
            await attempt
    async with store.lock("restore", shared=True):
        assert await whole(store, "a") == b"data"
    assert [check.state for check in await store.checks(1)] == ["bad"]
    await store.close()
    await host.close()
    assert os.listdir(folder) == ["a"]


async def test_this_machine_has_no_sftp(here: Host) -> None:
    store = sftp.open_store("s", SftpOptions(host="here", path="/x"), here)
    with pytest.raises(UsageError, match="not reached over SSH"):
        await store.entries()


async def test_a_server_without_sftp_says_so(lab: SshdLab) -> None:
    host = open_host("nas", lab.host(lab.sshd("Subsystem sftp /nonexistent")), lab.ssh())
    store = sftp.open_store("s", SftpOptions(host="nas", path="/tmp"), host)
    with pytest.raises(HostError, match="cannot open an SFTP session on nas"):
        await store.entries()
    await host.close()
