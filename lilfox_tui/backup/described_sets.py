"""Sets that have a manifest: whether what lies in the store is what it says, and what a proof adds to that.

Who can write the store can write a manifest, so nothing in it is followed out of the set: a part has a name of its own
set's date, in the store or in one of the folders that sets use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import cached_property, lru_cache

import msgspec
from msgspec import Struct

from lilfox_tui.backup.accounting import trouble_of
from lilfox_tui.backup.manifest import (
    KNOWN_SCHEMAS,
    SCHEMA,
    Level,
    Manifest,
    Part,
    Proof,
    Signature,
    checksum_of,
    is_unchanged,
)
from lilfox_tui.backup.model import BackupSet, FoundPart
from lilfox_tui.backup.names import FIRST_YEAR, LAST_YEAR, MANIFEST, SetName, moment_of, read_file_name, read_id
from lilfox_tui.backup.signing import NO_KEYS, Keys
from lilfox_tui.backup.status import Status, state_of
from lilfox_tui.backup.store import Entry
from lilfox_tui.i18n import Message, clauses, tr
from lilfox_tui.text import clean, fit

_SHOWN = 80
NEVER = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
"""Of a set whose manifest cannot be read and whose name has a date that is on no calendar."""
_ANY_STAMP = "20231230_020000"


class _Schema(Struct, frozen=True):
    """The one thing that manifests of all times say in the same way."""

    schema: int


class Described(Struct, frozen=True, kw_only=True, gc=False):
    """A manifest as it was read. ``trouble`` says why nothing in it can be used, or which of its names are not its
    own; ``parts`` are those whose names are."""

    id: str
    name: SetName
    manifest: Manifest | None
    parts: tuple[Part, ...] = ()
    trouble: Message | str = ""
    signature: Signature = "none"
    checksum: str = ""


_manifests = msgspec.json.Decoder(Manifest)
_proofs = msgspec.json.Decoder(Proof)
_schemas = msgspec.json.Decoder(_Schema)


def read_manifest(file: str, raw: bytes | None, keys: Keys = NO_KEYS) -> Described | None:
    """The manifest in a file of that name, whose content is ``raw`` (None: it cannot be had); None when the name is no
    set's. ``keys`` tell who wrote it."""
    name = file.removesuffix(MANIFEST)
    parsed = read_id(name)
    if parsed is None:
        return None
    read = _decoded(raw)
    if isinstance(read, Manifest) and (read.id, read.plan) != (name, parsed.plan):
        read = tr("its manifest is of another set: {id}", id=_shown(read.id))
    if not isinstance(read, Manifest):
        return Described(id=name, name=parsed, manifest=None, trouble=read)
    own = tuple([part for part in read.parts if _is_own(part.name, parsed.stamp)])
    if len(own) != len(read.parts):
        strange = next(part.name for part in read.parts if part not in own)
        trouble: Message | str = tr("its manifest names what is no file of it: {name}", name=_shown(strange))
    else:
        trouble = trouble_of(read, parsed.stamp)
    assert raw is not None
    return Described(
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
        return tr("its manifest cannot be read: it went meanwhile, or is too large")
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
        return tr("its manifest is not as it was written: its checksum is another")
    if not read.parts or len({part.name for part in read.parts}) != len(read.parts):
        return tr("its manifest names no file, or one twice")
    if read.created.tzinfo is None or not FIRST_YEAR <= read.created.year <= LAST_YEAR:
        return tr("its manifest cannot be read: {error}", error=tr("a time that no set can have"))
    return read


def _schema(raw: bytes) -> int | None:
    try:
        return _schemas.decode(raw).schema
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _newer(schema: int) -> Message:
    return tr(
        "its manifest is of form {schema}, this LilFox reads {known}: bring it up to date", schema=schema, known=SCHEMA
    )


def _is_own(name: str, stamp: str) -> bool:
    stem, dated, suffix = name.partition(f"_{stamp}")
    return bool(dated) and _is_shape(stem, suffix)


@lru_cache(4096)
def _is_shape(stem: str, suffix: str) -> bool:
    """Whether a part of a set can be named so around its date; the sets of a plan have few of them."""
    read = read_file_name(f"{stem}_{_ANY_STAMP}{suffix}")
    return read is not None and not read.unfinished


def _shown(text: str) -> str:
    return fit(clean(text), _SHOWN).rstrip()


class Lying:
    """What lies in a store: ``entries``, some of which ``described`` name."""

    def __init__(self, entries: Sequence[Entry], described: Sequence[Described]) -> None:
        self.files = {entry.name: entry for entry in entries}
        named = [part.name for each in described for part in each.parts]
        self.claimed = frozenset(named)
        """Files that manifests name."""
        once = len(self.claimed) == len(named)
        self.shared = frozenset() if once else frozenset(name for name, times in Counter(named).items() if times > 1)
        """Those that several name."""

    @cached_property
    def in_any_case(self) -> dict[str, str]:
        """Names by what they are in lower case."""
        return {name.lower(): name for name in self.files}


def described_set(
    described: Described, there: Lying, proof: bytes | None, zone: tzinfo, keys: Keys = NO_KEYS
) -> BackupSet:
    """The set as it lies there; where its manifest cannot be read, of the time in its name (in ``zone``). A file that
    another manifest names too is of neither set: removing the one must not take it from the other."""
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
    """Why it is in that state, where nothing is wrong with what lies there."""
    if status is Status.UNTRUSTED:
        return untrusted_text(signature)
    if status is Status.BROKEN and proof is not None:
        return proof.reason or tr("verification found it broken")
    if status is Status.PARTIAL and manifest is not None:
        missing = clauses(f"{clean(source)}: {clean(why)}" for source, why in manifest.missing.items())
        return tr("not whole, these could not be backed up: {missing}", missing=missing)
    return ""


def untrusted_text(signature: Signature) -> Message:
    """Why a signature is not accepted."""
    return {
        "forged": tr("its signature is forged: somebody without the key has changed or written its manifest"),
        "other": tr("it is signed by a key that this configuration does not have, and signing: required: is set"),
    }.get(signature, tr("it is not signed, and signing: required: is set"))


def _found(part: Part, there: Lying) -> FoundPart:
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


def _trouble(part: Part, entry: Entry | None, there: Lying) -> Message | str:
    if entry is None:
        other = there.in_any_case.get(part.name.lower())
        if other is not None:
            return tr("{name} is missing; there is {other}, rename it", name=part.name, other=other)
        return tr("{name} is missing", name=part.name)
    if entry.size_bytes != part.size_bytes:
        return tr(
            "{name} has {size} bytes, not the {said} that were written",
            name=part.name, size=entry.size_bytes, said=part.size_bytes,
        )  # fmt: skip
    return tr("{name} is also in the manifest of another set", name=part.name) if part.name in there.shared else ""


def read_proof(name: str, raw: bytes | None, keys: Keys = NO_KEYS, signature: Signature = "none") -> Proof | None:
    """What verification found of the set of that name, whose manifest has that signature; None where nothing that can
    be used is there. Of a set that one of ``keys`` has signed a proof counts where it is signed too; that it is broken
    is believed of anybody."""
    if raw is None or not is_unchanged(raw):
        return None
    try:
        read = _proofs.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if read.set != name or read.at.tzinfo is None:
        return None
    told = keys.judge(raw)
    believed = told != "forged" and (told == "good" or signature != "good")
    return read if believed or read.level == "broken" else None


def _proven(proof: Proof, manifest: Manifest, checksum: str) -> Level | None:
    """What the proof says of the set that the manifest describes: nothing where it is older, of another manifest or of
    other digests."""
    if proof.level == "broken":
        return "broken"
    said = {part.name: part.sha256 for part in manifest.parts}
    fits = proof.sha256 == said and proof.manifest == checksum and proof.at >= manifest.finished
    return proof.level if fits else None
