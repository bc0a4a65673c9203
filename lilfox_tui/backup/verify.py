"""Verifies a set: reads every part back from its store, checks digests and content, and writes the proof (◐)."""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backup.checks import labelled
from lilfox_tui.backup.context import source_module
from lilfox_tui.backup.packing import PartCount, unpacked
from lilfox_tui.backup.sets.catalogue import untrusted_text
from lilfox_tui.backup.sets.model import (
    NO_KEYS,
    BackupSet,
    FoundPart,
    ManifestPart,
    Proof,
    RawHash,
    SigningKeys,
    encoded,
)
from lilfox_tui.backup.sets.names import proof_name, read_file_name
from lilfox_tui.backup.source import PartContent
from lilfox_tui.backup.store import BackupStore, BrokenSet, NotReady, StoreError, retry
from lilfox_tui.core.crash import phase
from lilfox_tui.core.i18n import tr
from lilfox_tui.jobs.model import Run

_CHANGED = tr("its SHA-256 does not match the recorded one: its bytes have changed")


async def raw_blocks(
    store: BackupStore,
    part: FoundPart,
    identity: str | None = None,
    *,
    limit_bytes: int | None = None,
    counted: PartCount | None = None,
    proven: str = "",
) -> AsyncGenerator[bytes, None]:
    """Yield the raw bytes of ``part``: decrypted with ``identity`` (the age key itself) and unpacked. Use inside
    ``aclosing``.

    What the manifest says of it (size and digest, as stored and raw) is checked, at the end at the latest: until the
    generator has ended nothing of it is to be trusted. Never more than the manifest's ``raw_bytes`` come; of a part of
    the manual's scripts never more than ``limit_bytes``, for which the room that there is is a good value. ``counted``
    is filled with what was read. ``proven``: the digest of stored bytes that were found to unpack to what the manifest
    says; where they are these, they are hashed as stored, and the frame's own checksum holds for what they unpack to.

    Raises BrokenSet, NotReady (encrypted and no ``identity``, or another one), StoreError, HostError.
    """
    counted = PartCount() if counted is None else counted
    said = part.said
    name = read_file_name(part.name)
    packing = said.packing if said is not None else name.packing if name is not None else "none"
    if said is None and (packing == "zstd" or (name is not None and name.encrypted)):
        raise BrokenSet(tr("{part}: no manifest describes its content", part=part.name))
    if said is not None and said.encrypted and identity is None:
        await _refuse_changed(store, part, said)
        raise NotReady(
            tr("{part} is encrypted, but no key is available", part=part.name),
            tr("set the key as identity under encrypt in the plan"),
        )
    key = identity if said is not None and said.encrypted else None
    limit = said.raw_bytes if said is not None else limit_bytes
    hashed = _raw_hash(said, proven)
    try:
        async with (
            aclosing(_bounded(store, part, said)) as stored,
            aclosing(unpacked(stored, packing, key, counted, limit_bytes=limit, raw_hash=hashed)) as blocks,
        ):
            async for block in blocks:
                yield block
        if said is not None:
            _check(said, counted)
    except BrokenSet as error:
        raise BrokenSet(tr("{part}: {reason}", part=part.name, reason=error), error.hint) from None
    except NotReady:  # a header that has changed opens with no key
        if said is not None:
            await _refuse_changed(store, part, said)
        raise


def _raw_hash(said: ManifestPart | None, proven: str) -> RawHash | None:
    """Return which digest of the raw bytes is checked; None where the checksums of zstd frames prove them."""
    if said is None:
        return "xxh128"
    in_frames = said.packing == "zstd" and (said.sha256 == proven or not said.raw_digest.digest)
    return None if in_frames else said.raw_digest.kind


async def _refuse_changed(store: BackupStore, part: FoundPart, said: ManifestPart) -> None:
    """Raise BrokenSet if the digest of the stored bytes is not the manifest's. A changed header of an encrypted part
    looks like a wrong key; the digest reveals the change without a key."""
    digest = sha256()
    async with aclosing(_bounded(store, part, said)) as blocks:
        async for block in blocks:
            digest.update(block)
    if digest.hexdigest() != said.sha256:
        raise BrokenSet(tr("{part}: {reason}", part=part.name, reason=_CHANGED))


async def _bounded(store: BackupStore, part: FoundPart, said: ManifestPart | None) -> AsyncGenerator[bytes, None]:
    """Yield the stored bytes; raise BrokenSet as soon as there are more than the manifest says."""
    size = 0
    async with aclosing(store.read(part.name)) as blocks:
        async for block in blocks:
            size += len(block)
            if said is not None and size > said.size_bytes:
                raise BrokenSet(tr("it is longer than the {size} bytes that were written", size=said.size_bytes))
            yield block


def _check(said: ManifestPart, counted: PartCount) -> None:
    if counted.size_bytes != said.size_bytes:
        raise BrokenSet(
            tr("it has {found} bytes instead of {size}", found=counted.size_bytes, size=said.size_bytes)
        )  # fmt: skip
    if counted.sha256 != said.sha256:
        raise BrokenSet(_CHANGED)
    if counted.raw_bytes != said.raw_bytes or (counted.raw_digest.digest and counted.raw_digest != said.raw_digest):
        raise BrokenSet(tr("its unpacked content differs from what was backed up"))


class SetReader(Struct, frozen=True):
    """Reads the parts of a store's sets: ``identity`` is the age key of encrypted ones, ``limit_bytes`` limits the size
    of a part without a manifest. ``proven``: part → digest of stored bytes that were already unpacked and verified.
    ``keys`` sign the result."""

    store: BackupStore
    identity: str | None = None
    limit_bytes: int | None = None
    proven: Mapping[str, str] = {}
    keys: SigningKeys = NO_KEYS

    def after(self, proof: Proof | None) -> SetReader:
        """Return a reader that does not hash unpacked data again where the stored bytes are those that ``proof``
        verified."""
        if proof is None or proof.level == "broken":
            return self
        return msgspec.structs.replace(self, proven=proof.sha256)

    def blocks(self, part: FoundPart, counted: PartCount | None = None) -> AsyncGenerator[bytes, None]:
        """Yield a part's raw bytes; use inside ``aclosing``. Raises BrokenSet, at the end at the latest."""
        return raw_blocks(
            self.store,
            part,
            self.identity,
            limit_bytes=self.limit_bytes,
            counted=counted,
            proven=self.proven.get(part.name, ""),
        )


async def verify(run: Run, reader: SetReader, found: BackupSet) -> Proof:
    """Read all parts and write the proof beside the set: ``intact``, or ``broken`` with the reason. A set is broken if
    its manifest does not account for its files, even if every part is fine. A restore-tested set keeps that level while
    its digests are unchanged. Raises BrokenSet for an untrusted set, StoreError, HostError, NotReady (no identity):
    then there is no result, and the proof stays as it was."""
    phase("verify")
    refuse_untrusted(found)
    digests: dict[str, str] = {}
    detail: dict[str, Any] = {}
    known = {} if found.proof is None else found.proof.sha256
    reason = str(found.fault)
    if not found.parts and not reason:
        reason = str(tr("it has no parts"))
    if reason:
        run.say(labelled(found.id, reason), "bad")
    # What a manifest says decides how parts are read: of one that is wrong none of it is followed.
    read = () if reason and not any(part.trouble for part in found.parts) else found.parts
    for part in read:
        try:
            content, counted = await retry(run, partial(_content, run, reader, part, known))
        except BrokenSet as error:
            reason = reason or labelled(part.name, error)
            run.say(labelled(part.name, error), "bad")
            continue
        digests[part.name] = counted.sha256
        detail[part.name] = content.detail
        run.say(str(tr("{part}: checksums verified", part=part.name)), "good")
        for what in content.executes:
            run.say(str(tr("{part}: restoring it executes {what}", part=part.name, what=what)), "warning")
    proof = Proof(
        set=found.id,
        level="broken" if reason else "intact",
        at=proof_time(found),
        reason=reason,
        manifest=found.checksum,
        sha256=digests,
        size_bytes={part.name: part.size_bytes for part in found.parts},
        host=platform.node(),
        detail=detail if found.old else {},
    )
    before = found.proof
    if not reason and before is not None and before.level == "restored" and before.sha256 == digests:
        proof = msgspec.structs.replace(before, at=proof.at)
    await retry(run, partial(put_proof, run, reader, proof))
    return proof


def refuse_untrusted(found: BackupSet) -> None:
    """Raise BrokenSet for a set whose signature is not accepted, because its manifest cannot be trusted."""
    if found.untrusted:
        raise BrokenSet(
            tr("{set} is not trusted: {reason}", set=found.id, reason=untrusted_text(found.signature)),
            tr("check who can write to the store; the keys are configured under backup: signing:"),
        )


def proof_time(found: BackupSet) -> datetime:
    """Return the time for a new proof: now, but not before the set was finished, even if this machine's clock is
    behind."""
    now = datetime.now(UTC)
    return now if found.manifest is None else max(now, found.manifest.finished)


async def put_proof(run: Run, reader: SetReader, proof: Proof) -> None:
    """Write the proof beside its set, replacing an older one. If the store refuses it, for example on a read-only disk,
    the result still stands and the failure is reported. Raises HostError."""
    try:
        await reader.store.put_small(proof_name(proof.set), encoded(proof, reader.keys.sign))
    except StoreError as error:
        run.say(str(tr("the verification result cannot be saved next to the set: {error}", error=error)), "warning")


async def _content(
    run: Run, reader: SetReader, part: FoundPart, known: Mapping[str, str]
) -> tuple[PartContent, PartCount]:
    """Read the whole part; return its content and digests. ``known`` are digests of parts verified before. Raises
    BrokenSet."""
    if part.trouble:
        raise BrokenSet(part.trouble)
    counted = PartCount()
    total = None if part.said is None else part.said.raw_bytes
    async with aclosing(reader.blocks(part, counted)) as blocks:
        content: PartContent = await source_module(part.source_kind).read_content(
            part, _watched(run, part.name, total, blocks)
        )
        if content.trouble:
            raise BrokenSet(content.trouble)
        async for _block in blocks:
            """Whatever was not asked for still counts for the digest."""
    if counted.sha256 != known.get(part.name, counted.sha256):
        raise BrokenSet(tr("its bytes have changed since it was verified"))
    return content, counted


async def _watched(
    run: Run, name: str, total: int | None, blocks: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    done = 0
    async for block in blocks:
        done += len(block)
        run.moved(name, done, total)
        yield block
