"""A set comes into a store whole or not at all, and is read back only as it was put there."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyrage
import pytest

from lilfox_tui.backup.options import LocalOptions
from lilfox_tui.backup.packing import PartCount
from lilfox_tui.backup.publishing import Publication, SetHeader
from lilfox_tui.backup.sets.catalogue import manifest_trouble
from lilfox_tui.backup.sets.model import FoundPart, Manifest, ManifestPart
from lilfox_tui.backup.store import BackupError, BrokenSet, NotReady, StoreError
from lilfox_tui.backup.stores.local import LocalStore
from lilfox_tui.backup.verify import raw_blocks
from lilfox_tui.core.errors import UsageError

KEY = pyrage.x25519.Identity.generate()
ID = "lilfox_20231230_020000"
HEADING = SetHeader(
    id=ID,
    run="1",
    plan="lilfox",
    created=datetime(2023, 12, 29, 18, tzinfo=UTC),
    offset_s=8 * 3600,
    host="web-1",
    tool="lilfox 0",
)
DATA = os.urandom(200_000) + b"text that packs well\n" * 10_000


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore("s", LocalOptions(path=str(tmp_path / "sets")))


async def of(data: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(data), 50_000):
        yield data[at : at + 50_000]


def found(part: ManifestPart) -> FoundPart:
    return FoundPart(
        name=part.name,
        source=part.source,
        source_kind=part.source_kind,
        kind=part.kind,
        size_bytes=part.size_bytes,
        said=part,
    )


async def read(
    store: LocalStore, part: FoundPart, identity: str | None = None, limit: int | None = None, proven: str = ""
) -> bytes:
    async with aclosing(raw_blocks(store, part, identity, limit_bytes=limit, proven=proven)) as blocks:
        return b"".join([block async for block in blocks])


def listed(store: LocalStore) -> list[str]:
    folder = Path(store.where)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


async def publish(store: LocalStore, *, manual: bool = False, encrypted: bool = False) -> Manifest:
    recipients = [str(KEY.to_public())] if encrypted else []
    async with Publication(store, HEADING, manual=manual, recipients=recipients) as publication:
        into = publication.of("database", "postgresql")
        kind, suffix = ("postgresql-plain", ".sql") if into.manual else ("postgresql-custom", ".dump")
        stored = await into.put("lilfox", suffix, kind, of(DATA), total_bytes=1)  # type: ignore[arg-type]
        into.describe(stored, {"rows": {"public.users": 3}, **({"folder_bytes": {"secret": 1}} if encrypted else {})})
        files = publication.of("app", "config")
        await files.put("env", "", "file", of(b"SECRET=x\n"), packed=False)
        await files.put("config", ".tar", "files", of(DATA))
        return await publication.publish(missing={"uploads": "gone"})


async def test_the_manifest_says_what_lies_there(store: LocalStore) -> None:
    manifest = await publish(store)
    names = [f"lilfox_{ID[-15:]}.dump.zst", "env_20231230_020000", "config_20231230_020000.tar.zst"]
    assert [part.name for part in manifest.parts] == names
    assert listed(store) == sorted([*names, f"{ID}.manifest.json"])
    texts, _entries = await store.look((".manifest.json",))
    again = msgspec.json.decode(texts[f"{ID}.manifest.json"], type=Manifest)
    assert again == manifest
    assert (again.id, again.plan, again.host, again.missing) == (ID, "lilfox", "web-1", {"uploads": "gone"})
    assert again.parts[0].detail == {"rows": {"public.users": 3}}
    assert [(part.source, part.source_kind, part.packing) for part in again.parts] == [
        ("database", "postgresql", "zstd"), ("app", "config", "none"), ("app", "config", "zstd")
    ]  # fmt: skip
    for name in listed(store):
        assert stat.S_IMODE((Path(store.where) / name).stat().st_mode) == 0o600
    assert [await read(store, found(part)) for part in again.parts] == [DATA, b"SECRET=x\n", DATA]


async def test_the_manuals_names_are_kept(store: LocalStore) -> None:
    manifest = await publish(store, manual=True)
    assert [part.name for part in manifest.parts] == [
        "postgresql/lilfox_20231230_020000.sql.gz",
        "env_20231230_020000",
        "config_20231230_020000.tar.gz",
    ]
    assert await read(store, found(manifest.parts[0])) == DATA


async def test_encrypted_parts_need_their_key(store: LocalStore) -> None:
    manifest = await publish(store, encrypted=True)
    assert all(part.name.endswith(".age") and part.encrypted for part in manifest.parts)
    assert manifest.parts[0].detail == {"rows": {"public.users": 3}}, "the manifest is not encrypted"
    assert b"SECRET" not in (Path(store.where) / manifest.parts[1].name).read_bytes()
    assert await read(store, found(manifest.parts[1]), str(KEY)) == b"SECRET=x\n"
    with pytest.raises(NotReady, match="is encrypted, but no key is available"):
        await read(store, found(manifest.parts[0]))
    with pytest.raises(NotReady, match="for another key"):
        await read(store, found(manifest.parts[0]), str(pyrage.x25519.Identity.generate()))


@pytest.mark.parametrize(("manual", "encrypted"), [(False, False), (True, False), (False, True), (True, True)])
async def test_a_byte_changed_anywhere_is_found(store: LocalStore, manual: bool, encrypted: bool) -> None:
    manifest = await publish(store, manual=manual, encrypted=encrypted)
    chance = random.Random(26)
    for part in manifest.parts:
        file = Path(store.where) / part.name
        whole = file.read_bytes()
        for at in chance.choices(range(len(whole)), k=30):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
            with pytest.raises(BrokenSet):
                await read(store, found(part), str(KEY))
        for changed in (
            whole[:-1],
            whole[: len(whole) // 2],
            b"",
            whole + b"x",
            whole + whole,
            whole + bytes(5_000_000),
        ):
            file.write_bytes(changed)
            with pytest.raises(BrokenSet):
                await read(store, found(part), str(KEY))
        file.write_bytes(whole)
        assert len(await read(store, found(part), str(KEY))) == part.raw_bytes


async def test_a_changed_header_of_an_encrypted_part_is_no_wrong_key(store: LocalStore) -> None:
    manifest = await publish(store, encrypted=True)
    file = Path(store.where) / manifest.parts[0].name
    whole = file.read_bytes()
    at = whole.index(b"-> X25519 ") + 10
    file.write_bytes(whole[:at] + (b"B" if whole[at : at + 1] == b"A" else b"A") + whole[at + 1 :])
    with pytest.raises(BrokenSet, match="have changed"):
        await read(store, found(manifest.parts[0]), str(KEY))


async def test_what_unpacks_to_something_else_is_found_although_its_own_digest_fits(store: LocalStore) -> None:
    part = (await publish(store)).parts[0]
    for changes in ({"raw_bytes": part.raw_bytes + 1}, {"raw_xxh128": "0" * 32}, {"raw_bytes": 10}):
        with pytest.raises(BrokenSet):
            await read(store, found(msgspec.structs.replace(part, **changes)))


async def test_what_was_proven_to_unpack_rightly_is_hashed_as_stored_only(store: LocalStore) -> None:
    part = (await publish(store)).parts[0]
    file, counted = Path(store.where) / part.name, PartCount()
    async with aclosing(raw_blocks(store, found(part), counted=counted, proven=part.sha256)) as blocks:
        assert b"".join([block async for block in blocks]) == DATA
    assert (counted.sha256, counted.raw_bytes, counted.raw_digest.digest) == (part.sha256, len(DATA), "")
    whole = file.read_bytes()
    for proven, changed in ((part.sha256, whole[:-1] + bytes([whole[-1] ^ 1])), ("0" * 64, whole)):
        file.write_bytes(changed)
        other = msgspec.structs.replace(part, raw_xxh128="0" * 32)
        with pytest.raises(BrokenSet):
            await read(store, found(other), proven=proven)


async def test_a_part_without_a_manifest_is_bounded_by_the_room_there_is(store: LocalStore) -> None:
    part = (await publish(store, manual=True)).parts[0]
    old = FoundPart(
        name=part.name, source="", source_kind="postgresql", kind="postgresql-plain", size_bytes=part.size_bytes
    )
    counted = PartCount()
    async with aclosing(raw_blocks(store, old, counted=counted)) as blocks:
        assert b"".join([block async for block in blocks]) == DATA
    assert (counted.sha256, counted.raw_digest) == (part.sha256, part.raw_digest)
    with pytest.raises(BrokenSet, match="more than the allowed 1000 bytes"):
        await read(store, old, limit=1000)
    lost = FoundPart(name="x_20231230_020000.dump.zst", source="", source_kind="postgresql", kind="x", size_bytes=1)
    with pytest.raises(BrokenSet, match="no manifest"):
        await read(store, lost)


async def failing(error: BaseException) -> AsyncGenerator[bytes, None]:
    yield DATA
    raise error


async def test_a_set_is_whole_though_the_clock_was_put_back_hours_meanwhile(store: LocalStore) -> None:
    began = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=3)
    stamp = f"{began:%Y%m%d_%H%M%S}"
    heading = msgspec.structs.replace(HEADING, id=f"lilfox_{stamp}", created=began, offset_s=0)
    async with Publication(store, heading) as publication:
        await publication.of("app", "files").put("app", ".tar", "files", of(DATA))
        manifest = await publication.publish()
    assert manifest.finished == began
    assert str(manifest_trouble(manifest, stamp)) == ""


async def test_of_a_run_that_fails_nothing_stays(store: LocalStore) -> None:
    async def run() -> None:
        async with Publication(store, HEADING) as publication:
            into = publication.of("database", "postgresql")
            await into.put("one", ".dump", "postgresql-custom", of(DATA))
            assert listed(store) == ["one_20231230_020000.dump.zst.part"]
            await into.put("two", ".dump", "postgresql-custom", failing(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        await run()
    assert listed(store) == []


async def test_a_source_that_is_begun_anew_gives_the_same_part_and_only_its_last_notes(store: LocalStore) -> None:
    async with Publication(store, HEADING) as publication:
        into = publication.of("database", "postgresql")
        into.note("of the first try")
        with pytest.raises(ZeroDivisionError):
            await into.put("one", ".dump", "postgresql-custom", failing(ZeroDivisionError()))
        left = Path(store.where) / "one_20231230_020000.dump.zst.part"
        left.write_bytes(b"as of a link that went: nobody could remove it")
        await publication.drop("database")
        into.note("of the second")
        await into.put("one", ".dump", "postgresql-custom", of(DATA))
        manifest = await publication.publish()
    assert manifest.notes == ("of the second",)
    assert await read(store, found(manifest.parts[0])) == DATA
    assert not left.exists()


async def test_one_source_may_be_left_out(store: LocalStore) -> None:
    async with Publication(store, HEADING) as publication:
        await publication.of("a", "files").put("a", ".tar", "files", of(DATA))
        await publication.of("b", "files").put("b", ".tar", "files", of(DATA))
        await publication.drop("b")
        manifest = await publication.publish(missing={"b": "why"})
    assert [part.source for part in manifest.parts] == ["a"]
    assert listed(store) == ["a_20231230_020000.tar.zst", f"{ID}.manifest.json"]


async def test_a_set_of_nothing_is_none(store: LocalStore) -> None:
    with pytest.raises(BackupError, match="would be empty"):
        async with Publication(store, HEADING) as publication:
            await publication.publish()
    assert listed(store) == []


async def test_a_set_of_the_same_second_is_not_written_over(store: LocalStore) -> None:
    first = await publish(store)
    with pytest.raises(StoreError, match="already"):
        await publish(store)
    assert [await read(store, found(part)) for part in first.parts] == [DATA, b"SECRET=x\n", DATA]
    assert len(listed(store)) == 4


async def test_hostile_names_of_databases_make_names_of_files(store: LocalStore) -> None:
    names = ["lil fox", "a;b", "-x", '"q"', "x" * 63, "中文", "a\nb", "../../etc/x", "a/b", "host=127.0.0.2", ".."]
    async with Publication(store, HEADING) as publication:
        into = publication.of("database", "postgresql")
        for name in names:
            await into.put(name, ".dump", "postgresql-custom", of(name.encode()))
        manifest = await publication.publish()
    assert [await read(store, found(part)) for part in manifest.parts] == [name.encode() for name in names]
    assert len(listed(store)) == len(names) + 1
    assert not any("/" in name or "\n" in name for name in listed(store))
    assert os.listdir(Path(store.where).parent) == ["sets"]


async def test_two_parts_of_one_name_are_refused(store: LocalStore) -> None:
    async def run() -> None:
        async with Publication(store, HEADING) as publication:
            for source in ("a", "b"):
                await publication.of(source, "files").put("uploads", ".tar", "files", of(DATA))

    with pytest.raises(BackupError, match="two sources"):
        await run()
    assert listed(store) == []


async def test_a_set_with_a_name_that_is_none_is_refused(store: LocalStore) -> None:
    with pytest.raises(UsageError):
        Publication(store, msgspec.structs.replace(HEADING, id="../x_20231230_020000"))


async def test_a_forged_manifest_reads_nothing_elsewhere(store: LocalStore, tmp_path: Path) -> None:
    part = (await publish(store)).parts[1]
    (tmp_path / "outside").write_bytes(b"SECRET=x\n")
    for name in ("../outside", str(tmp_path / "outside"), "files/../../outside", ".lilfox.flock"):
        with pytest.raises(StoreError, match="is not a valid file name in a store"):
            await read(store, found(msgspec.structs.replace(part, name=name)))


async def test_progress_and_notes_reach_who_watches(store: LocalStore) -> None:
    moved: list[tuple[str, int, int | None]] = []
    said: list[str] = []
    async with Publication(
        store, HEADING, moved=lambda *told: moved.append(told), say=lambda text: said.append(str(text))
    ) as publication:
        into = publication.of("a", "files")
        await into.put("a", ".tar", "files", of(DATA), total_bytes=len(DATA))
        into.note("x changed while it was read")
        manifest = await publication.publish()
    assert manifest.notes == ("x changed while it was read",)
    assert said == ["x changed while it was read"]
    assert moved[-1] == ("a_20231230_020000.tar.zst", len(DATA), len(DATA))
