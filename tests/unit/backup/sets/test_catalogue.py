"""What lies in a store, and which sets that is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import xxhash

from lilfox_tui.backup.sets.catalogue import read_sets
from lilfox_tui.backup.sets.model import BackupSet, Packing, Proof, encoded
from lilfox_tui.backup.sets.names import manifest_name
from tests.unit.backup.folder_store import store_of
from tests.unit.backup.made_sets import NOON, manifest_of, proof_of, put_proof, put_set, without

LATER = NOON + timedelta(hours=1)


async def sets_in(folder: Path) -> list[BackupSet]:
    return await read_sets(store_of(folder), zone=UTC)


async def only_set(folder: Path) -> BackupSet:
    (found,) = await sets_in(folder)
    return found


async def test_a_set_is_as_its_manifest_and_proof_say(tmp_path: Path) -> None:
    put_set(tmp_path, manifest_of(NOON))
    put_set(tmp_path, manifest_of(LATER), proven=True)
    newest, oldest = await sets_in(tmp_path)
    assert (newest.id, newest.status, newest.created) == ("lilfox_20261125_130000", "intact", LATER)
    assert newest.proof == proof_of(manifest_of(LATER))
    assert (oldest.id, oldest.status, oldest.plan, oldest.old) == (
        "lilfox_20261125_120000",
        "unverified",
        "lilfox",
        False,
    )
    (part,) = oldest.parts
    assert (part.name, part.size_bytes, part.sha256) == (
        "lilfox_20261125_120000.dump.zst", 4, manifest_of(NOON).parts[0].sha256,
    )  # fmt: skip


async def test_a_part_that_is_gone_or_of_another_size_breaks_its_set(tmp_path: Path) -> None:
    put_set(tmp_path, manifest_of(NOON), proven=True)
    put_set(tmp_path, manifest_of(LATER), proven=True)
    (tmp_path / "lilfox_20261125_120000.dump.zst").unlink()
    (tmp_path / "lilfox_20261125_130000.dump.zst").write_bytes(b"dum")
    short, gone = await sets_in(tmp_path)
    assert (short.status, gone.status) == ("broken", "broken")
    assert str(gone.reason) == "lilfox_20261125_120000.dump.zst is missing"
    assert str(short.reason) == "lilfox_20261125_130000.dump.zst has 3 bytes, but 4 were written"


async def test_a_part_in_another_case_is_named(tmp_path: Path) -> None:
    put_set(tmp_path, manifest_of(NOON))
    (tmp_path / "lilfox_20261125_120000.dump.zst").rename(tmp_path / "LILFOX_20261125_120000.DUMP.ZST")
    found = await only_set(tmp_path)
    assert found.status == "broken"
    assert "LILFOX_20261125_120000.DUMP.ZST exists: rename it" in str(found.reason)


async def test_a_proof_holds_for_its_digests_and_its_set_only(tmp_path: Path) -> None:
    manifest = manifest_of(NOON)
    put_set(tmp_path, manifest)
    for proof in (
        msgspec.structs.replace(proof_of(manifest), sha256={manifest.parts[0].name: "0" * 64}),
        msgspec.structs.replace(proof_of(manifest), sha256={}),
    ):
        put_proof(tmp_path, proof)
        assert (await only_set(tmp_path)).status == "unverified"
    other = encoded(msgspec.structs.replace(proof_of(manifest), set="lilfox_20261125_130000"))
    for content in (other, b"{", b"null", b"[" * 100_000):
        (tmp_path / f"{manifest.id}.proof.json").write_bytes(content)
        found = await only_set(tmp_path)
        assert (found.status, found.proof) == ("unverified", None)


async def test_what_verification_found_broken_is_broken(tmp_path: Path) -> None:
    manifest = manifest_of(NOON)
    put_set(tmp_path, manifest)
    digests = {manifest.parts[0].name: "0" * 64}
    put_proof(tmp_path, Proof(set=manifest.id, level="broken", at=LATER, reason="a digest differs", sha256=digests))
    found = await only_set(tmp_path)
    assert (found.status, found.reason) == ("broken", "a digest differs")


FORGED = [
    "../../etc/x", "/etc/passwd", "postgresql/../../x_20261125_120000.dump", "x_20261125_120001.dump.zst", "x.dump",
    "other_20261125_120000.dump.zst.part", "lilfox_20261125_120000.manifest.json", "", "a/b_20261125_120000.dump",
    "lilfox_20261125_120000.dump\x1b[2J",
]  # fmt: skip


@pytest.mark.fault("S13")
@pytest.mark.parametrize("name", FORGED)
async def test_a_manifest_that_names_what_is_not_its_own_is_broken_and_leads_nowhere(tmp_path: Path, name: str) -> None:
    manifest = manifest_of(NOON)
    forged = msgspec.structs.replace(manifest.parts[0], name=name)
    store = tmp_path / "store"
    store.mkdir()
    put_set(store, manifest, proven=True)
    told = msgspec.structs.replace(manifest, parts=(*manifest.parts, forged))
    (store / manifest_name(manifest.id)).write_bytes(encoded(told))
    found = await only_set(store)
    assert found.status == "broken"
    assert "its manifest lists a file that does not belong to it" in str(found.reason)
    assert "\x1b" not in str(found.reason)
    assert [part.name for part in found.parts] == ["lilfox_20261125_120000.dump.zst"]


async def test_a_file_that_two_manifests_name_is_of_neither(tmp_path: Path) -> None:
    manifest = manifest_of(NOON)
    put_set(tmp_path, manifest, proven=True)
    other = msgspec.structs.replace(manifest, id="evil_20261125_120000", plan="evil")
    put_set(tmp_path, other, proven=True)
    found = await sets_in(tmp_path)
    assert {each.id for each in found} == {manifest.id, other.id}
    assert {each.status for each in found} == {"broken"}
    assert all("is also in the manifest of another set" in str(each.reason) for each in found)
    assert not any(each.parts for each in found)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its manifest cannot be read: Input data was truncated"),
        (b"{", "its manifest cannot be read: Input data was truncated"),
        (b"{}", "its manifest cannot be read: Object missing required field"),
        (b"[" * 100_000, "its manifest cannot be read: "),
        (b"\xff\xfe", "its manifest cannot be read: "),
        (
            b'{"schema": 4, "sets": []}',
            "its manifest has format 4, but this LilFox reads only formats up to 3: upgrade LilFox",
        ),
    ],
)
async def test_a_manifest_that_cannot_be_read_is_a_broken_set(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "lilfox_20261125_120000.manifest.json").write_bytes(content)
    found = await only_set(tmp_path)
    assert (found.id, found.status, found.plan) == ("lilfox_20261125_120000", "broken", "lilfox")
    assert found.created == NOON
    assert str(found.reason).startswith(reason)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "other_20261125_120000"},
        {"plan": "other"},
        {"created": datetime(2026, 11, 25, 12)},  # noqa: DTZ001  a manifest may say anything
        {"created": datetime(1, 1, 1, tzinfo=UTC)},
        {"created": datetime(9999, 12, 31, 23, tzinfo=UTC)},
        {"parts": ()},
        {"parts": manifest_of(NOON).parts * 2},
    ],
)
async def test_a_manifest_that_cannot_be_is_a_broken_set(tmp_path: Path, changes: dict[str, object]) -> None:
    manifest = msgspec.structs.replace(manifest_of(NOON), **changes)
    put_set(tmp_path, manifest, name=manifest_of(NOON).id)
    (tmp_path / manifest_of(NOON).parts[0].name).write_bytes(b"dump")
    found = await only_set(tmp_path)
    assert (found.id, found.status) == ("lilfox_20261125_120000", "broken")
    assert str(found.reason).startswith("its manifest ")
    assert [part.name for part in found.parts] == ["lilfox_20261125_120000.dump.zst"]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"raw_bytes": 0}, "its manifest says that lilfox_20261125_120000.dump.zst is empty"),
        ({"size_bytes": 0}, "its manifest contradicts itself on the size or digest of lilfox_20261125_120000.dump.zst"),
    ],
)
async def test_only_an_empty_part_is_called_empty(tmp_path: Path, part: dict[str, int], reason: str) -> None:
    manifest = manifest_of(NOON)
    parts = (msgspec.structs.replace(manifest.parts[0], **part),)
    put_set(tmp_path, msgspec.structs.replace(manifest, parts=parts))
    found = await only_set(tmp_path)
    assert (found.status, str(found.reason)) == ("broken", reason)


async def test_what_a_run_left_is_unfinished_and_never_good(tmp_path: Path) -> None:
    (tmp_path / "postgresql").mkdir()
    for name in (
        "lilfox_20261125_120000.dump.zst.part",
        "env_20261125_120000",
        "lilfox_20261125_130000.dump.zst.age",
        "globals_20261125_130000.sql.zst",
        "lilfox_20261125_130000.manifest.json.part",
        "postgresql/lilfox_20261125_140000.sql.gz.part",
    ):
        (tmp_path / name).write_bytes(b"x" * 500)
    found = await sets_in(tmp_path)
    assert [each.created.hour for each in found] == [14, 13, 12]
    assert [len(each.parts) for each in found] == [1, 3, 2]
    assert {each.status for each in found} == {"broken"}
    assert {each.plan for each in found} == {""}
    assert all(str(each.reason).startswith("unfinished: ") for each in found)


async def test_foreign_files_are_no_sets(tmp_path: Path) -> None:
    (tmp_path / "lilfox_20261125_120000.sql.gz").symlink_to("/etc/hosts")
    (tmp_path / "lilfox_20261125_130000.sql.gz").mkdir()
    (tmp_path / "postgresql").mkdir()
    for name in (
        "lilfox_notes.sql.gz", "backup.log", "other_20261125_120000.sql.gz", "env_", "uploads_20261345_120000.tar.gz",
        "lilfox_20261125_120000.sql.gz.bak", "notes.manifest.json", "x.proof.json", "uploads_20261125.tar.gz",
        "postgresql/a_20261125_120000.manifest.json", "lost_20261125_120000.proof.json",
    ):  # fmt: skip
        (tmp_path / name).write_bytes(b"x" * 500)
    assert await sets_in(tmp_path) == []


async def test_a_set_without_one_of_its_sources_says_so(tmp_path: Path) -> None:
    put_set(tmp_path, without(manifest_of(NOON), "uploads", "no right"), proven=True)
    found = await only_set(tmp_path)
    assert (found.status, found.good, found.complete) == ("partial", False, False)
    assert str(found.reason) == "incomplete; not backed up: uploads: no right"


@pytest.mark.fault("4.37")
@pytest.mark.parametrize(
    ("packing", "changes", "status"),
    [
        ("none", {}, "unverified"),
        ("zstd", {}, "unverified"),
        ("none", {"raw_sha256": "", "raw_xxh128": xxhash.xxh3_128(b"").hexdigest()}, "unverified"),
        ("zstd", {"raw_sha256": "", "raw_xxh128": "0" * 32}, "broken"),
        ("none", {"raw_sha256": "0" * 64}, "broken"),
        ("zstd", {"raw_sha256": "0" * 64}, "broken"),
        ("zstd", {"raw_bytes": 1}, "broken"),
        ("none", {"size_bytes": 9}, "broken"),
        ("none", {"sha256": "0" * 64}, "broken"),
    ],
    ids=str,
)
async def test_an_empty_file_is_valid_only_with_the_digest_of_nothing(
    tmp_path: Path, packing: Packing, changes: dict[str, Any], status: str
) -> None:
    manifest = manifest_of(NOON)
    nothing = hashlib.sha256(b"").hexdigest()
    stored = b"" if packing == "none" else b"a frame without content"
    suffix = ".zst" if packing == "zstd" else ""
    empty = msgspec.structs.replace(
        manifest.parts[0],
        name=f"env_{manifest.id[-15:]}{suffix}", source="settings", source_kind="config", kind="file", packing=packing,
        size_bytes=len(stored), sha256=hashlib.sha256(stored).hexdigest(), raw_bytes=0, raw_sha256=nothing,
    )  # fmt: skip
    part = msgspec.structs.replace(empty, **changes)
    changed = msgspec.structs.replace(manifest, parts=(part,), sources={"settings": (part.name,)})
    put_set(tmp_path, changed, stored.ljust(part.size_bytes, b"x"))
    found = await only_set(tmp_path)
    assert found.status == status
    if status == "broken":
        assert str(found.reason) == f"its manifest contradicts itself on the size or digest of {part.name}"
