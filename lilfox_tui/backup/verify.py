"""Whether a set is whole: every part read back from its store, digests and content checked (◐), told in its proof."""

from __future__ import annotations

import platform
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backup.again import again
from lilfox_tui.backup.described_sets import untrusted_text
from lilfox_tui.backup.errors import BrokenSet, StoreError
from lilfox_tui.backup.manifest import Proof, encoded
from lilfox_tui.backup.model import BackupSet, FoundPart
from lilfox_tui.backup.names import proof_name
from lilfox_tui.backup.opening import source_module
from lilfox_tui.backup.packing import Counted
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.reading import raw_blocks
from lilfox_tui.backup.signing import NO_KEYS, Keys
from lilfox_tui.backup.source import Content
from lilfox_tui.backup.store import Store
from lilfox_tui.backup.words import of
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.run import Run


class Reader(Struct, frozen=True):
    """How the parts of a store's sets are read: ``identity`` is the age key of encrypted ones, ``limit_bytes`` bounds
    what a part without a manifest may grow to. ``proven``: part → digest of stored bytes that were unpacked and found
    right before. ``keys`` sign what is found out."""

    store: Store
    identity: str | None = None
    limit_bytes: int | None = None
    proven: Mapping[str, str] = {}
    keys: Keys = NO_KEYS

    def after(self, proof: Proof | None) -> Reader:
        """For the set that ``proof`` is of: what it found right need not be hashed once more when it is unpacked."""
        if proof is None or proof.level == "broken":
            return self
        return msgspec.structs.replace(self, proven=proof.sha256)

    def blocks(self, part: FoundPart, counted: Counted | None = None) -> AsyncGenerator[bytes, None]:
        """A part's raw bytes; use inside ``aclosing``. Raises BrokenSet at the end at the latest."""
        return raw_blocks(
            self.store,
            part,
            self.identity,
            limit_bytes=self.limit_bytes,
            counted=counted,
            proven=self.proven.get(part.name, ""),
        )


async def verify(run: Run, reader: Reader, found: BackupSet) -> Proof:
    """Reads all parts and writes the proof beside the set: ``intact``, or ``broken`` with the reason. What its manifest
    does not account for is broken however whole the parts are. A set that was restored before keeps that level while
    its digests are the same. Raises BrokenSet for a set that is not trusted, StoreError, HostError, NotReady (no
    identity): then nothing was found out, and the proof stays what it was."""
    phase("verify")
    refuse_untrusted(found)
    digests: dict[str, str] = {}
    detail: dict[str, Any] = {}
    known = {} if found.proof is None else found.proof.sha256
    reason = str(found.fault)
    if not found.parts and not reason:
        reason = str(tr("it has no part"))
    if reason:
        run.say(of(found.id, reason), "bad")
    # What a manifest says decides how parts are read: of one that is wrong none of it is followed.
    read = () if reason and not any(part.trouble for part in found.parts) else found.parts
    for part in read:
        try:
            content, counted = await again(run, partial(_content, run, reader, part, known))
        except BrokenSet as error:
            reason = reason or of(part.name, error)
            run.say(of(part.name, error), "bad")
            continue
        digests[part.name] = counted.sha256
        detail[part.name] = content.detail
        run.say(str(tr("{part}: whole", part=part.name)), "good")
        for what in content.executes:
            run.say(str(tr("{part}: when it is restored it executes {what}", part=part.name, what=what)), "warning")
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
    await again(run, partial(put_proof, run, reader, proof))
    return proof


def refuse_untrusted(found: BackupSet) -> None:
    """Raises BrokenSet for a set whose signature is not accepted: nothing that it says of itself counts."""
    if found.untrusted:
        raise BrokenSet(
            tr("{set} is not trusted: {reason}", set=found.id, reason=untrusted_text(found.signature)),
            tr("look who can write the store; the keys are named in the configuration under backup: signing:"),
        )


def proof_time(found: BackupSet) -> datetime:
    """The time of a proof: not before its set was finished, whatever the clock of this machine says."""
    now = datetime.now(UTC)
    return now if found.manifest is None else max(now, found.manifest.finished)


async def put_proof(run: Run, reader: Reader, proof: Proof) -> None:
    """Puts it beside its set, over an older one. A store that takes none, such as a disk that is read-only, changes
    nothing of what was found out: it is told. Raises HostError."""
    try:
        await reader.store.put_small(proof_name(proof.set), encoded(proof, reader.keys.sign))
    except StoreError as error:
        run.say(str(tr("what was found out cannot be kept beside the set: {error}", error=error)), "warning")


async def _content(run: Run, reader: Reader, part: FoundPart, known: Mapping[str, str]) -> tuple[Content, Counted]:
    """What reading the whole part told, and its digests; ``known`` are digests of parts that were found whole before.
    Raises BrokenSet."""
    if part.trouble:
        raise BrokenSet(part.trouble)
    counted = Counted()
    total = None if part.said is None else part.said.raw_bytes
    async with aclosing(reader.blocks(part, counted)) as blocks:
        content: Content = await source_module(part.source_kind).read_content(
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
