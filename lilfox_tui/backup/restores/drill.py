"""A drill: a set is restored for real into a scratch database or folder and compared (●). How long that takes is the
time that a restore would need (RTO).
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from lilfox_tui.backup.context import BackupContext, source_module
from lilfox_tui.backup.errors import BackupError, RestoredDiffers
from lilfox_tui.backup.restores.restore import Restore, RestoreSpec, refuse_bad, refuse_broken
from lilfox_tui.backup.retry import retry
from lilfox_tui.backup.sets.manifest import Proof
from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.backup.verify import SetReader, proof_time, put_proof, verify
from lilfox_tui.i18n import listed, tr
from lilfox_tui.jobs.model import Run

_FOLDERS = {"files": "path", "config": "root"}
"""Kinds of sources that any folder is a place for → the option that names it."""


@contextmanager
def with_scratch(found: BackupSet, sources: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """``sources``, and for folders of the set that have no place there one of their own in /var/tmp, which is gone at
    the end. Databases get none: which server may be used only a person knows."""
    made = dict(sources)
    with TemporaryDirectory(prefix="lilfox-drill-", dir="/var/tmp") as scratch:
        for part in found.parts:
            if part.source not in made and part.source_kind in _FOLDERS:
                key = _FOLDERS[part.source_kind]
                place = Path(scratch) / part.source
                place.mkdir(0o700, exist_ok=True)
                made[part.source] = msgspec.convert({key: str(place)}, source_module(part.source_kind).Options)
        yield made


async def drill(
    run: Run,
    opening: BackupContext,
    reader: SetReader,
    found: BackupSet,
    sources: Mapping[str, Any],
    places: Mapping[str, str],
    *,
    run_code: bool = False,
) -> Proof:
    """Restores all parts into scratch places and compares; nothing of it stays. The proof says ``restored`` and how
    long it took, or ``broken`` where what came out is not what went in. Raises NotReady, HostError, BackupError where
    it could not be tried: the proof then stays what it was."""
    refuse_broken(found)
    proof = found.proof
    if proof is None or proof.level == "broken" or not found.good:
        proof = await verify(run, reader, found)
        if proof.level == "broken":
            return proof
    _refuse_placeless(found, sources)
    wanted = RestoreSpec(sources=dict(sources), places=dict(places), scratch=True, other_server=True, run_code=run_code)
    restore = Restore(opening, found, reader.after(proof).blocks, wanted)
    started = time.monotonic()
    try:
        checks = await retry(run, restore.checks)
        refuse_bad(checks)
        await restore.stage(run)
        took_s = time.monotonic() - started
        await restore.compare(run)
    except RestoredDiffers as error:
        proof = msgspec.structs.replace(proof, level="broken", at=proof_time(found), reason=str(error))
        await put_proof(run, reader, proof)
        return proof
    finally:
        await restore.close(run)
    proof = msgspec.structs.replace(
        proof,
        level="restored",
        at=proof_time(found),
        reason="",
        took_s=round(took_s, 3),
        host=platform.node(),
        where=", ".join(restore.where.values()),
    )
    await put_proof(run, reader, proof)
    return proof


def _refuse_placeless(found: BackupSet, sources: Mapping[str, Any]) -> None:
    """Raises BackupError for parts that have no place to be restored to."""
    missing = sorted({part.source for part in found.parts} - set(sources))
    if missing:
        raise BackupError(
            tr(
                "{set} has parts of {sources}, which have no place to be restored to",
                set=found.id,
                sources=listed(missing),
            ),
            tr(
                "name the server, such as: --database postgresql://USER@HOST/DATABASE; or a plan that has those sources"
            ),
        )
