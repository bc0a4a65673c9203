"""What every store keeps, over a folder of this machine and over SFTP to a real sshd, also where there is no shell."""

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
from tests.services.accounts import account
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


async def test_a_part_is_written_aside_published_and_read_back(store: BackupStore, folder: Path) -> None:
    data = os.urandom(9 * 1024 * 1024 + 7)
    blocks = [data[at : at + 300_000] for at in range(0, len(data), 300_000)]
    before = os.umask(0)
    try:
        assert await store.write("postgresql/a_20231230_020000.sql.gz", of(*blocks)) == len(data)
        assert await store.write("b", of()) == 0
    finally:
        os.umask(before)
    assert sorted(os.listdir(folder)) == ["b.part", "postgresql"]
    assert mode(folder) == 0o700
    assert mode(folder / "postgresql") == 0o700
    assert mode(folder / "b.part") == 0o600
    assert mode(folder / "postgresql" / "a_20231230_020000.sql.gz.part") == 0o600
    await store.publish(["postgresql/a_20231230_020000.sql.gz", "b"])
    assert hashlib.sha256(await whole(store, "postgresql/a_20231230_020000.sql.gz")).digest() == (
        hashlib.sha256(data).digest()
    )
    assert await whole(store, "b") == b""
    found = {entry.name: entry for entry in await store.entries()}
    assert set(found) == {"postgresql/a_20231230_020000.sql.gz", "b"}
    entry = found["postgresql/a_20231230_020000.sql.gz"]
    assert entry.size_bytes == len(data)
    assert abs((entry.modified - datetime.now(UTC)).total_seconds()) < 60


async def test_nothing_is_published_over_what_is_there_and_then_none_of_it(store: BackupStore, folder: Path) -> None:
    for name in ("a", "b", "c"):
        await store.write(name, of(name.encode()))
    (folder / "b").write_bytes(b"other")
    with pytest.raises(StoreError, match=r"b already exists in .* and is not overwritten"):
        await store.publish(["a", "b", "c"])
    assert sorted(os.listdir(folder)) == ["a.part", "b", "b.part", "c.part"]
    assert (folder / "b").read_bytes() == b"other"


async def test_a_part_that_is_there_is_not_written_into(store: BackupStore, folder: Path) -> None:
    await store.write("a", of(b"one"))
    with pytest.raises(StoreError, match="already"):
        await store.write("a", of(b"two"))
    assert (folder / "a.part").read_bytes() == b"one"


async def test_what_the_blocks_raise_goes_up_and_no_part_stays(store: BackupStore, folder: Path) -> None:
    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"x" * 5_000_000
        raise OSError(28, "the source's own")

    with pytest.raises(OSError, match="the source's own"):
        await store.write("a", failing())
    assert os.listdir(folder) == []


async def test_a_cancelled_write_leaves_no_part(store: BackupStore, folder: Path) -> None:
    async def endless() -> AsyncGenerator[bytes, None]:
        while True:
            yield b"x" * 1_000_000
            await turn()

    writing = asyncio.create_task(store.write("a", endless()))
    await until(lambda: (folder / "a.part").exists() and (folder / "a.part").stat().st_size > 2_000_000)
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    assert os.listdir(folder) == []


async def test_small_files_are_whole_or_not_there(store: BackupStore, folder: Path) -> None:
    await store.put_small("a.manifest.json", b"one")
    await store.put_small("a.manifest.json", b"two!")
    await store.put_small("postgresql/b", b"b" * 200_000)
    assert mode(folder / "a.manifest.json") == 0o600
    (folder / "large").write_bytes(bytes(5_000_000))
    (folder / "link").symlink_to("/etc/hosts")
    os.mkfifo(folder / "pipe")
    await store.put_small("other", b"not asked for")
    texts, entries = await store.look((".manifest.json", "b", "gone", "large", "link", "pipe"))
    assert texts == {"a.manifest.json": b"two!", "postgresql/b": b"b" * 200_000}
    assert {entry.name: entry.size_bytes for entry in entries} == {"large": 5_000_000, "other": 13}
    assert all(abs(entry.modified - datetime.now(UTC)) < timedelta(minutes=1) for entry in entries)
    assert sorted(os.listdir(folder)) == ["a.manifest.json", "large", "link", "other", "pipe", "postgresql"]


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
@pytest.mark.parametrize("name", HOSTILE)
async def test_names_that_lead_elsewhere_are_refused(store: BackupStore, folder: Path, name: str) -> None:
    os.mkdir(folder)
    for attempt in (store.write(name, of(b"x")), store.put_small(name, b"x"), store.remove([name]), whole(store, name)):
        with pytest.raises(StoreError) as caught:
            await attempt
        assert "\x1b" not in str(caught.value)
    assert os.listdir(folder) == []
    assert os.listdir(folder.parent) == ["sets"]


@pytest.mark.parametrize("name", STRANGE)
async def test_names_that_are_only_strange_are_files(store: BackupStore, folder: Path, name: str) -> None:
    await store.write(name, of(b"x"))
    await store.publish([name])
    assert await whole(store, name) == b"x"
    assert [entry.name for entry in await store.entries()] == [name]
    await store.remove([name])
    assert os.listdir(folder) == []


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


async def test_one_run_holds_the_store_and_the_other_says_who(store: BackupStore, folder: Path) -> None:
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
    assert set(os.listdir(folder)) <= {".lilfox.flock"}


async def test_readers_share_it_and_keep_writers_out(store: BackupStore, folder: Path) -> None:
    with pytest.raises(StoreError, match=r"No such file|does not exist"):
        async with store.lock("restore", shared=True):
            pass
    os.mkdir(folder)
    async with store.lock("restore", shared=True), store.lock("verify", shared=True):
        with pytest.raises(StoreHeld):
            async with store.lock("prune"):
                pass
    async with store.lock("prune"):
        pass
    assert set(os.listdir(folder)) <= {".lilfox.flock"}


async def test_the_body_of_a_lock_raises_what_it_raises(store: BackupStore, folder: Path) -> None:
    os.mkdir(folder)
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
