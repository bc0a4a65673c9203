"""The sets of a store, from what lies there. Nothing but names, sizes, manifests and proofs is looked at."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import tzinfo

import msgspec

from lilfox_tui.backup.described_sets import Lying, described_set, read_manifest, read_proof, untrusted_text
from lilfox_tui.backup.manifest import Proof
from lilfox_tui.backup.model import BackupSet, FoundPart
from lilfox_tui.backup.names import (
    MANIFEST,
    PROOF,
    UNFINISHED,
    local_zone,
    moment_of,
    proof_name,
    read_file_name,
    read_id,
)
from lilfox_tui.backup.old_sets import OldFile, old_sets, read_old_name
from lilfox_tui.backup.signing import NO_KEYS, Keys
from lilfox_tui.backup.status import Status
from lilfox_tui.backup.store import Entry, Store
from lilfox_tui.i18n import Message, tr

_LEFT = tr("unfinished: a run is at it now, or was ended before it wrote the manifest")
_KINDS = {".dump": "postgresql-custom", ".sql": "postgresql-plain", ".tar": "files", "": "file"}
_SOURCE_KINDS = {".dump": "postgresql", ".sql": "postgresql", ".tar": "files", "": "config"}


async def read_sets(store: Store, *, zone: tzinfo | None = None, keys: Keys = NO_KEYS) -> list[BackupSet]:
    """All sets, newest first: with a manifest, of the manual's scripts, and what runs left that did not finish (broken,
    with that reason). Only the first have a plan. ``zone`` is that of the dates in names, this machine's when not
    given; ``keys`` tell who wrote them (``Opening.sets_in`` has those of the configuration). Raises StoreError,
    HostError."""
    with nothing_collected():
        texts, entries = await store.look((MANIFEST, PROOF))
        return await asyncio.to_thread(sets_of, texts, entries, zone or local_zone(), keys)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """All that is made of manifests stays and none of it is a circle: the collector would go through it in vain, again
    and again (a sixth of the time)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def sets_of(
    texts: Mapping[str, bytes], entries: Sequence[Entry], zone: tzinfo, keys: Keys = NO_KEYS
) -> list[BackupSet]:
    """The sets that ``texts`` (manifests and proofs by their names) and ``entries`` (all other files) are."""
    read = [read_manifest(name, raw, keys) for name, raw in texts.items() if name.endswith(MANIFEST)]
    read += [read_manifest(entry.name, None) for entry in entries if entry.name.endswith(MANIFEST)]
    described = [each for each in read if each is not None]
    there = Lying(entries, described)
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
    entries: Sequence[Entry], unread: Iterable[str], zone: tzinfo
) -> tuple[list[OldFile], dict[str, list[Entry]]]:
    """What no manifest names: files of the manual's scripts, and by the date in their names what runs left and what is
    of manifests that cannot be read (``unread``: their dates). A file with a name of the manual's belongs to those
    where they have the very same date."""
    old: list[OldFile] = []
    left: dict[str, list[Entry]] = {stamp: [] for stamp in unread}
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
    """The date in a name that only LilFox gives, before a manifest names it."""
    if name.endswith((MANIFEST + UNFINISHED, PROOF + UNFINISHED)):
        parsed = read_id(name.removesuffix(UNFINISHED).removesuffix(MANIFEST).removesuffix(PROOF))
        return None if parsed is None or PROOF in name else parsed.stamp
    read = read_file_name(name)
    if read is None:
        return None
    ours = read.unfinished or read.encrypted or read.packing == "zstd" or read.suffix == ".dump"
    return read.stamp if ours else None


def _unfinished_sets(left: Mapping[str, list[Entry]], taken: set[str], zone: tzinfo) -> Iterator[BackupSet]:
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


def _left_part(entry: Entry, trouble: Message | str) -> FoundPart:
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


def _with_proof(found: BackupSet, proof: Proof | None, keys: Keys) -> BackupSet:
    """Of a set without a manifest a proof holds for the files that it names, as long as none has another size or was
    written since. Nobody has signed such a set."""
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
