"""Sets for tests: in memory, and as files of a store."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from lilfox_tui.backup.sets.model import (
    BackupSet,
    Manifest,
    ManifestPart,
    Proof,
    Sign,
    Status,
    checksum_of,
    encoded,
    unsigned,
)
from lilfox_tui.backup.sets.names import file_name, manifest_name, proof_name, set_id

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def a_set(
    created: datetime, status: str = "intact", *, plan: str = "lilfox", name: str = "", tag: str = ""
) -> BackupSet:
    """A set of no files, named by its time in UTC unless ``name`` is given; with a manifest where it has a ``tag``."""
    return BackupSet(
        id=name or set_id(plan, created, UTC),
        created=created,
        status=Status(status),
        parts=(),
        plan=plan,
        manifest=replace(manifest_of(created, plan=plan), tag=tag) if tag else None,
    )


def manifest_of(created: datetime, content: bytes = b"dump", *, plan: str = "lilfox") -> Manifest:
    """The manifest of a set with one database, whose names are in UTC."""
    name = set_id(plan, created, UTC)
    digest = hashlib.sha256(content).hexdigest()
    part = ManifestPart(
        name=file_name(plan, ".dump", name[-15:], packing="zstd"), source="database", source_kind="postgresql",
        kind="postgresql-custom", packing="zstd", size_bytes=len(content), sha256=digest, raw_bytes=len(content),
        raw_sha256=digest,
    )  # fmt: skip
    return Manifest(
        id=name, run="r1", plan=plan, created=created, offset_s=0, finished=created + timedelta(minutes=1), host="h",
        tool="lilfox 1", parts=(part,), sources={"database": (part.name,)},
    )  # fmt: skip


def without(manifest: Manifest, source: str, why: str) -> Manifest:
    """The same, of a plan with another source, which could not be backed up."""
    return replace(manifest, sources={**manifest.sources, source: ()}, missing={source: why})


def put_set(
    folder: Path,
    manifest: Manifest,
    content: bytes = b"dump",
    *,
    proven: bool = False,
    name: str | None = None,
    sign: Sign = unsigned,
) -> None:
    """Writes the set's files; with ``proven`` also a proof that it is intact. ``name`` is what the files of the set
    itself are called by, its id when not given."""
    for part in manifest.parts:
        path = folder / part.name
        if path.parent.resolve() == folder.resolve():
            path.write_bytes(content)
    (folder / manifest_name(name or manifest.id)).write_bytes(encoded(manifest, sign))
    if proven:
        put_proof(folder, proof_of(manifest, sign), sign)


def proof_of(manifest: Manifest, sign: Sign = unsigned) -> Proof:
    """That it is intact."""
    digests = {part.name: part.sha256 for part in manifest.parts}
    checksum = checksum_of(encoded(manifest, sign))
    return Proof(set=manifest.id, level="intact", at=manifest.finished, manifest=checksum, sha256=digests)


def put_proof(folder: Path, proof: Proof, sign: Sign = unsigned) -> None:
    """Writes it beside the set."""
    (folder / proof_name(proof.set)).write_bytes(encoded(proof, sign))
