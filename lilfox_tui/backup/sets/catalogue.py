"""Finds the sets in a store, using only the names and sizes of its files, the manifests and the proofs."""

from __future__ import annotations

import asyncio
import gc
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property, lru_cache

import msgspec
from msgspec import Struct

from lilfox_tui.backup.sets.model import (
    KNOWN_SCHEMAS,
    NO_KEYS,
    SCHEMA,
    BackupSet,
    FoundPart,
    Level,
    Manifest,
    ManifestPart,
    Proof,
    Signature,
    SigningKeys,
    Status,
    checksum_of,
    is_unchanged,
    state_of,
)
from lilfox_tui.backup.sets.names import (
    FIRST_YEAR,
    LAST_YEAR,
    MANIFEST,
    PROOF,
    UNFINISHED,
    SetName,
    local_zone,
    moment_of,
    proof_name,
    read_file_name,
    read_id,
)
from lilfox_tui.backup.sets.old_sets import OldFile, old_sets, read_old_name
from lilfox_tui.backup.store import BackupStore, StoreEntry
from lilfox_tui.core.i18n import Message, clauses, listed, tr
from lilfox_tui.core.text import clean, fit

# Whether a manifest accounts for what it says: every source of its plan, every part with its kind, sizes and digests.
#
# What it says of a part decides how that part is read: a dump that calls itself a file would be looked at by nobody. So
# nothing in it is taken that does not fit the rest.


_SUFFIXES = {
    "postgresql-custom": ".dump",
    "postgresql-plain": ".sql",
    "postgresql-globals": ".sql",
    "files": ".tar",
    "file": "",
}
_DATABASES = ("postgresql-custom", "postgresql-plain")
_ANY_STAMP = "20231230_020000"
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}", re.ASCII)
_RAW_DIGEST = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}", re.ASCII)
_NOTHING = {
    "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "xxh128": "99aa06d3014798d86001c324468d497f",
}
"""The digests of no bytes."""
_LATER = timedelta(hours=1)
"""So far a set's name may be ahead of its beginning: seconds that were taken are passed over."""
_SHOWN = 80


def manifest_trouble(manifest: Manifest, stamp: str) -> Message | str:
    """Return why the manifest of a set with ``stamp`` in its name is invalid; empty if it is valid."""
    return next(_troubles(manifest, stamp), "")


def _troubles(manifest: Manifest, stamp: str) -> Iterator[Message]:
    for part in manifest.parts:
        if not _fits(part, stamp):
            yield tr("its manifest does not match the file name {name}", name=_shown(part.name))
        if not _HEXADECIMAL.fullmatch(part.sha256) or not _has_raw_digest(part):
            yield tr("its manifest has no valid digest for {name}", name=_shown(part.name))
        if part.raw_bytes == 0 and part.kind != "file":  # only one stored as it is, such as ``.env``, can be empty
            yield tr("its manifest says that {name} is empty", name=_shown(part.name))
        if not _is_consistent(part):
            yield tr("its manifest contradicts itself on the size or digest of {name}", name=_shown(part.name))
    yield from _of_sources(manifest)
    yield from _of_times(manifest, stamp)


def _has_raw_digest(part: ManifestPart) -> bool:
    """Whether the part has one digest of its raw bytes; an archive may have none, because its zstd frames do."""
    digests = part.raw_sha256 + part.raw_xxh128
    in_frames = part.kind == "postgresql-custom" and part.packing == "zstd"
    return bool(_RAW_DIGEST.fullmatch(digests)) or (in_frames and not digests)


def _fits(part: ManifestPart, stamp: str) -> bool:
    suffix = part.name.partition(f"_{stamp}")[2]
    return _is_kind(suffix, part.kind, part.source_kind, part.packing, part.encrypted)


@lru_cache(4096)
def _is_kind(suffix: str, kind: str, source_kind: str, packing: str, encrypted: bool) -> bool:
    """Return whether a file name's suffix agrees with what the manifest says of the part. Cached: the sets of a plan
    have few combinations."""
    read = read_file_name(f"x_{_ANY_STAMP}{suffix}")
    return (
        read is not None
        and (read.suffix, read.packing, read.encrypted) == (_SUFFIXES[kind], packing, encrypted)
        and kind.startswith("postgresql") == (source_kind == "postgresql")
    )


def _is_consistent(part: ManifestPart) -> bool:
    """Whether the sizes and digests of the part fit each other."""
    kind, digest = part.raw_digest
    if (part.raw_bytes == 0) != (digest == _NOTHING[kind]):
        return False
    if part.packing == "none" and not part.encrypted:
        return part.size_bytes == part.raw_bytes and (kind != "sha256" or part.sha256 == digest)
    return part.size_bytes > 0


def _of_sources(manifest: Manifest) -> Iterator[Message]:
    found: dict[str, list[ManifestPart]] = {}
    for part in manifest.parts:
        found.setdefault(part.source, []).append(part)
    for source, parts in found.items():
        if len({part.source_kind for part in parts}) > 1:
            yield tr("its manifest gives {source} two different kinds", source=_shown(source))
        if parts[0].source_kind == "postgresql" and not any(part.kind in _DATABASES for part in parts):
            yield tr("its manifest lists no database for {source}", source=_shown(source))
    said = {source: tuple(part.name for part in parts) for source, parts in found.items()}
    twice = found.keys() & manifest.missing.keys()
    if twice:
        yield tr("its manifest lists {sources} both as present and as missing", sources=_names(twice))
    if manifest.schema == 1:
        if manifest.sources:
            yield tr("its manifest has format 1, but lists sources as in format 2")
        return
    said.update({source: () for source in manifest.missing if source not in said})
    unaccounted = {
        name for name in said.keys() | manifest.sources.keys() if said.get(name) != manifest.sources.get(name)
    }
    if unaccounted:
        yield tr("its manifest contradicts itself about {sources}", sources=_names(unaccounted))


def _of_times(manifest: Manifest, stamp: str) -> Iterator[Message]:
    begun, ended = manifest.created, manifest.finished
    if ended.tzinfo is None or ended < begun - _LATER:
        yield tr("its manifest has an end time before its start time")
        return
    named = moment_of(stamp, UTC)
    try:
        local = begun.astimezone(UTC) + timedelta(seconds=manifest.offset_s)
    except OverflowError:
        local = datetime.max.replace(tzinfo=UTC)
    if named is None or not timedelta(seconds=-1) <= named - local <= _LATER:
        yield tr("the time in its manifest does not match its name")


def _names(sources: set[str]) -> str:
    return listed(_shown(source) for source in sorted(sources)[:5])


def _shown(text: str) -> str:
    return fit(clean(text), _SHOWN).rstrip()


# Sets that have a manifest: whether what lies in the store is what it says, and what a proof adds to that.
#
# Who can write the store can write a manifest, so nothing in it is followed out of the set: a part has a name of its
# own set's date, in the store or in one of the folders that sets use.


NEVER = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
"""Of a set whose manifest cannot be read and whose name has a date that is on no calendar."""


class _Schema(Struct, frozen=True):
    """The one field that manifests of all versions have in common."""

    schema: int


class DescribedSet(Struct, frozen=True, kw_only=True, gc=False):
    """A manifest as it was read. ``trouble`` says why it is unusable, or names the file that does not belong to the
    set; ``parts`` are those with valid names."""

    id: str
    name: SetName
    manifest: Manifest | None
    parts: tuple[ManifestPart, ...] = ()
    trouble: Message | str = ""
    signature: Signature = "none"
    checksum: str = ""


_manifests = msgspec.json.Decoder(Manifest)
_proofs = msgspec.json.Decoder(Proof)
_schemas = msgspec.json.Decoder(_Schema)


def read_manifest(file: str, raw: bytes | None, keys: SigningKeys = NO_KEYS) -> DescribedSet | None:
    """Read the manifest file named ``file``, with content ``raw`` (None: not readable); return None if the name is not
    that of a set. ``keys`` verify its signature."""
    name = file.removesuffix(MANIFEST)
    parsed = read_id(name)
    if parsed is None:
        return None
    read = _decoded(raw)
    if isinstance(read, Manifest) and (read.id, read.plan) != (name, parsed.plan):
        read = tr("its manifest belongs to another set: {id}", id=_shown(read.id))
    if not isinstance(read, Manifest):
        return DescribedSet(id=name, name=parsed, manifest=None, trouble=read)
    own = tuple([part for part in read.parts if _is_own(part.name, parsed.stamp)])
    if len(own) != len(read.parts):
        strange = next(part.name for part in read.parts if part not in own)
        trouble: Message | str = tr(
            "its manifest lists a file that does not belong to it: {name}", name=_shown(strange)
        )
    else:
        trouble = manifest_trouble(read, parsed.stamp)
    assert raw is not None
    return DescribedSet(
        id=name,
        name=parsed,
        manifest=read,
        parts=own,
        trouble=trouble,
        signature=keys.judge(raw),
        checksum=checksum_of(raw) if read.schema > 1 else "",
    )


def _decoded(raw: bytes | None) -> Manifest | Message:
    if raw is None:
        return tr("its manifest cannot be read: it was removed while the store was being read, or it is too large")
    try:
        read = _manifests.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        schema = _schema(raw)
        if schema is not None and schema not in KNOWN_SCHEMAS:
            return _newer(schema)
        return tr("its manifest cannot be read: {error}", error=_shown(str(error)))
    if read.schema not in KNOWN_SCHEMAS:
        return _newer(read.schema)
    if not is_unchanged(raw):
        return tr("its manifest has changed since it was written: its checksum does not match")
    if not read.parts or len({part.name for part in read.parts}) != len(read.parts):
        return tr("its manifest lists no file, or a file twice")
    if read.created.tzinfo is None or not FIRST_YEAR <= read.created.year <= LAST_YEAR:
        return tr("its manifest cannot be read: {error}", error=tr("invalid time"))
    return read


def _schema(raw: bytes) -> int | None:
    try:
        return _schemas.decode(raw).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _newer(schema: int) -> Message:
    return tr(
        "its manifest has format {schema}, but this LilFox reads only formats up to {known}: upgrade LilFox",
        schema=schema,
        known=SCHEMA,
    )


def _is_own(name: str, stamp: str) -> bool:
    stem, dated, suffix = name.partition(f"_{stamp}")
    return bool(dated) and _is_shape(stem, suffix)


@lru_cache(4096)
def _is_shape(stem: str, suffix: str) -> bool:
    """Return whether a part's file name may have this text before and after the date. Cached: the sets of a plan have
    few shapes."""
    read = read_file_name(f"{stem}_{_ANY_STAMP}{suffix}")
    return read is not None and not read.unfinished


class StoreListing:
    """The files of a store (``entries``), with those that its manifests (``described``) name."""

    def __init__(self, entries: Sequence[StoreEntry], described: Sequence[DescribedSet]) -> None:
        self.files = {entry.name: entry for entry in entries}
        named = [part.name for each in described for part in each.parts]
        self.claimed = frozenset(named)
        """Files that manifests name."""
        once = len(self.claimed) == len(named)
        self.shared = frozenset() if once else frozenset(name for name, times in Counter(named).items() if times > 1)
        """Those that several name."""

    @cached_property
    def in_any_case(self) -> dict[str, str]:
        """The names, keyed by their lower-case form."""
        return {name.lower(): name for name in self.files}


def described_set(
    described: DescribedSet, there: StoreListing, proof: bytes | None, zone: tzinfo, keys: SigningKeys = NO_KEYS
) -> BackupSet:
    """Return the set that a manifest describes, compared with the files in the store. If the manifest is unreadable,
    the time comes from the set's name (in ``zone``). A file that several manifests name belongs to none of the sets, so
    that removing one cannot take it from another."""
    named = tuple([_found(part, there) for part in described.parts])
    fault = described.trouble or next(iter([part.trouble for part in named if part.trouble]), "")
    manifest = described.manifest
    read = None if manifest is None else read_proof(described.id, proof, keys, described.signature)
    proven = None if read is None or manifest is None else _proven(read, manifest, described.checksum)
    missing = () if manifest is None else tuple(manifest.missing)
    untrusted = keys.refuses(described.signature)
    status = state_of(fault=fault, untrusted=untrusted, missing=bool(missing), proven=proven)
    return BackupSet(
        id=described.id,
        created=moment_of(described.name.stamp, zone) or NEVER if manifest is None else manifest.created,
        status=status,
        reason=fault or _reason(status, described.signature, read, manifest),
        parts=tuple(part for part in named if part.name not in there.shared) if there.shared else named,
        plan=described.name.plan,
        manifest=manifest,
        proof=None if proven is None else read,
        fault=fault,
        checksum=described.checksum,
        missing=missing,
        signature=described.signature,
        untrusted=untrusted,
    )


def _reason(status: Status, signature: Signature, proof: Proof | None, manifest: Manifest | None) -> Message | str:
    """Return the reason for the status of a set whose files are in order; empty if the status needs none."""
    if status is Status.UNTRUSTED:
        return untrusted_text(signature)
    if status is Status.BROKEN and proof is not None:
        return proof.reason or tr("verification found it broken")
    if status is Status.PARTIAL and manifest is not None:
        missing = clauses(f"{clean(source)}: {clean(why)}" for source, why in manifest.missing.items())
        return tr("incomplete; not backed up: {missing}", missing=missing)
    return ""


def untrusted_text(signature: Signature) -> Message:
    """Return why a signature is not accepted."""
    return {
        "forged": tr("its signature is forged: someone without the key changed or wrote its manifest"),
        "other": tr(
            "it is signed by a key that is not in this configuration, but signatures by a configured key "
            "are required (signing: required:)"
        ),
    }.get(signature, tr("it is not signed, but signatures are required (signing: required:)"))


def _found(part: ManifestPart, there: StoreListing) -> FoundPart:
    entry = there.files.get(part.name)
    well = entry is not None and entry.size_bytes == part.size_bytes and not there.shared
    return FoundPart(
        name=part.name,
        source=part.source,
        source_kind=part.source_kind,
        kind=part.kind,
        size_bytes=0 if entry is None else entry.size_bytes,
        modified=None if entry is None else entry.modified,
        sha256=part.sha256,
        said=part,
        trouble="" if well else _trouble(part, entry, there),
    )


def _trouble(part: ManifestPart, entry: StoreEntry | None, there: StoreListing) -> Message | str:
    if entry is None:
        other = there.in_any_case.get(part.name.lower())
        if other is not None:
            return tr("{name} is missing, but {other} exists: rename it", name=part.name, other=other)
        return tr("{name} is missing", name=part.name)
    if entry.size_bytes != part.size_bytes:
        return tr(
            "{name} has {size} bytes, but {said} were written",
            name=part.name, size=entry.size_bytes, said=part.size_bytes,
        )  # fmt: skip
    return tr("{name} is also in the manifest of another set", name=part.name) if part.name in there.shared else ""


def read_proof(
    name: str, raw: bytes | None, keys: SigningKeys = NO_KEYS, signature: Signature = "none"
) -> Proof | None:
    """Return the proof of the set ``name``, whose manifest has ``signature``; None if there is no usable one. For a set
    signed with one of ``keys``, a proof must be signed too, unless it says that the set is broken."""
    if raw is None or not is_unchanged(raw):
        return None
    try:
        read = _proofs.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if read.set != name or read.at.tzinfo is None:
        return None
    if read.tested is not None and (read.tested.tzinfo is None or read.tested > read.at):
        read = msgspec.structs.replace(read, tested=None)  # such a time says nothing
    told = keys.judge(raw)
    believed = told != "forged" and (told == "good" or signature != "good")
    return read if believed or read.level == "broken" else None


def _proven(proof: Proof, manifest: Manifest, checksum: str) -> Level | None:
    """Return the level that the proof gives the manifest's set; None if the proof is older, or belongs to another
    manifest or other digests. ``broken`` always counts."""
    if proof.level == "broken":
        return "broken"
    said = {part.name: part.sha256 for part in manifest.parts}
    fits = proof.sha256 == said and proof.manifest == checksum and proof.at >= manifest.finished
    return proof.level if fits else None


# The sets of a store, from what lies there. Nothing but names, sizes, manifests and proofs is looked at.


_LEFT = tr("unfinished: a run is writing it now, or was stopped before it wrote the manifest")
_KINDS = {".dump": "postgresql-custom", ".sql": "postgresql-plain", ".tar": "files", "": "file"}
_SOURCE_KINDS = {".dump": "postgresql", ".sql": "postgresql", ".tar": "files", "": "config"}


async def read_sets(store: BackupStore, *, zone: tzinfo | None = None, keys: SigningKeys = NO_KEYS) -> list[BackupSet]:
    """Return all sets, newest first: those with a manifest, those of the ops manual's scripts, and leftovers of
    unfinished runs (broken, with that reason). Only the first have a plan. ``zone`` is the time zone of the dates in
    names, by default this machine's; ``keys`` verify signatures (``BackupContext.sets_in`` uses the configuration's).
    Raises StoreError, HostError."""
    with nothing_collected():
        texts, entries = await store.look((MANIFEST, PROOF))
        return await asyncio.to_thread(sets_of, texts, entries, zone or local_zone(), keys)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Disable garbage collection in the block: objects made from manifests stay alive and have no cycles, so the
    collector would scan them repeatedly in vain (a sixth of the time)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def sets_of(
    texts: Mapping[str, bytes], entries: Sequence[StoreEntry], zone: tzinfo, keys: SigningKeys = NO_KEYS
) -> list[BackupSet]:
    """Return the sets that ``texts`` (manifests and proofs by name) and ``entries`` (all other files) form."""
    read = [read_manifest(name, raw, keys) for name, raw in texts.items() if name.endswith(MANIFEST)]
    read += [read_manifest(entry.name, None) for entry in entries if entry.name.endswith(MANIFEST)]
    described = [each for each in read if each is not None]
    there = StoreListing(entries, described)
    sets = [described_set(each, there, texts.get(proof_name(each.id)), zone, keys) for each in described]
    unread = {found.id[-15:]: at for at, found in enumerate(sets) if found.manifest is None}
    others = [each for each in entries if not each.name.endswith((MANIFEST, PROOF)) and each.name not in there.claimed]
    old, left = _sorted_out(others, unread, zone)
    for stamp, at in unread.items():
        parts = tuple(_left_part(entry, sets[at].reason) for entry in left.pop(stamp))
        sets[at] = msgspec.structs.replace(sets[at], parts=parts)
    for found in old_sets(old, {each.id for each in sets}):
        proof = read_proof(found.id, texts.get(proof_name(found.id)), keys, "good" if keys.required else "none")
        sets.append(_with_proof(found, proof, keys))
    sets += _unfinished_sets(left, {each.id for each in sets}, zone)
    return sorted(sets, key=lambda found: (found.created, found.id), reverse=True)


def _sorted_out(
    entries: Sequence[StoreEntry], unread: Iterable[str], zone: tzinfo
) -> tuple[list[OldFile], dict[str, list[StoreEntry]]]:
    """Split the files that no manifest names into files of the ops manual's scripts and, by the date in their names,
    leftovers of runs and files of unreadable manifests (``unread``: their dates). A file named as in the ops manual
    counts among the latter if it has exactly the same date."""
    old: list[OldFile] = []
    left: dict[str, list[StoreEntry]] = {stamp: [] for stamp in unread}
    for entry in entries:
        stamp = _stamp_of_left(entry.name)
        if stamp is not None:
            left.setdefault(stamp, []).append(entry)
        elif (file := read_old_name(entry, zone)) is not None:
            old.append(file)
    for file in old:
        if file.stamp in left:
            left[file.stamp].append(file.entry)
    return [file for file in old if file.stamp not in left], left


def _stamp_of_left(name: str) -> str | None:
    """Return the date in a file name that only LilFox gives, even without a manifest; None for any other name."""
    if name.endswith((MANIFEST + UNFINISHED, PROOF + UNFINISHED)):
        parsed = read_id(name.removesuffix(UNFINISHED).removesuffix(MANIFEST).removesuffix(PROOF))
        return None if parsed is None or PROOF in name else parsed.stamp
    read = read_file_name(name)
    if read is None:
        return None
    ours = read.unfinished or read.encrypted or read.packing == "zstd" or read.suffix == ".dump"
    return read.stamp if ours else None


def _unfinished_sets(left: Mapping[str, list[StoreEntry]], taken: set[str], zone: tzinfo) -> Iterator[BackupSet]:
    for stamp, entries in left.items():
        parts = tuple(_left_part(entry, _LEFT) for entry in sorted(entries, key=lambda entry: entry.name))
        made = parts[0].source + "_" + stamp
        yield BackupSet(
            id=made if made not in taken else f"{made}-unfinished",
            created=moment_of(stamp, zone) or min(entry.modified for entry in entries),
            status=Status.BROKEN,
            reason=_LEFT,
            fault=_LEFT,
            parts=parts,
        )


def _left_part(entry: StoreEntry, trouble: Message | str) -> FoundPart:
    read = read_file_name(entry.name)
    suffix = "" if read is None else read.suffix
    return FoundPart(
        name=entry.name,
        source=entry.name.partition("_")[0] if read is None else read.stem,
        source_kind=_SOURCE_KINDS[suffix],
        kind=_KINDS[suffix],
        size_bytes=entry.size_bytes,
        modified=entry.modified,
        trouble=trouble,
    )


def _with_proof(found: BackupSet, proof: Proof | None, keys: SigningKeys) -> BackupSet:
    """Apply a proof to a set without a manifest. The proof is valid for the files that it names if none of them has
    changed in size or was written later. Such a set has no signature."""
    found = msgspec.structs.replace(found, untrusted=keys.refuses("none"))
    if found.untrusted and not found.fault:
        found = msgspec.structs.replace(found, status=Status.UNTRUSTED, reason=untrusted_text("none"))
    if proof is None:
        return found
    sizes = {part.name: part.size_bytes for part in found.parts}
    since = any(part.modified is not None and part.modified > proof.at for part in found.parts)
    told = proof.size_bytes or sizes
    if since or told != sizes or (proof.level != "broken" and proof.sha256.keys() != sizes.keys()):
        return found
    status = found.proven_as(proof.level)
    if status is Status.BROKEN:
        reason = found.fault or proof.reason or tr("verification found it broken")
        return msgspec.structs.replace(found, status=status, reason=reason, proof=proof)
    if status is Status.UNTRUSTED or proof.level == "broken":
        return msgspec.structs.replace(found, proof=proof)
    parts = tuple(msgspec.structs.replace(part, sha256=proof.sha256[part.name]) for part in found.parts)
    return msgspec.structs.replace(found, status=status, parts=parts, proof=proof)
