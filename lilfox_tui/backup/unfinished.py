"""What runs left that did not come to their end, told from what is whole.

A set's manifest lies there as ``SET.manifest.json.part`` before the first of its files gets its name, and again from
before it loses its manifest until all of it is removed. So whoever finds it knows which files are of no set.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lilfox_tui.backup.described_sets import read_manifest
from lilfox_tui.backup.manifest import Manifest, Sign, encoded, unsigned
from lilfox_tui.backup.model import BackupSet
from lilfox_tui.backup.names import MANIFEST, PROOF, UNFINISHED, manifest_name, proof_name, read_file_name, read_id
from lilfox_tui.backup.store import Store
from lilfox_tui.errors import LilFoxError

_MARK = MANIFEST + UNFINISHED


async def mark(store: Store, manifest: Manifest, sign: Sign = unsigned) -> None:
    """Says that the files of ``manifest`` are of no set: not yet, or no more. Raises StoreError, HostError."""
    await store.write(manifest_name(manifest.id), _encoded(manifest, sign))


async def _encoded(manifest: Manifest, sign: Sign) -> AsyncGenerator[bytes, None]:
    yield encoded(manifest, sign)


async def remove_set(store: Store, found: BackupSet) -> None:
    """Removes a set: wherever that ends in the middle, the next :func:`clear` brings it to its end. The store's lock is
    held. Raises StoreError, HostError."""
    marker = manifest_name(found.id) + UNFINISHED
    if found.manifest is not None:
        await store.remove([marker])
        try:
            await mark(store, found.manifest)
        except LilFoxError:  # a full disk: it is removed all the same, that makes room
            await store.remove([marker])
    await store.remove([manifest_name(found.id)])
    await store.remove([*(part.name for part in found.parts), proof_name(found.id)])
    await store.remove([marker])


async def clear(store: Store) -> list[str]:
    """Removes what was left, with the store's lock held, so that nobody is writing it; gives the names. Files that a
    manifest names stay, and so do all that LilFox did not write. Raises StoreError, HostError."""
    texts, entries = await store.look((_MARK,))
    names = {*texts, *(entry.name for entry in entries)}
    marks = [name for name in names if _marked_id(name) is not None]
    gone = [name for name in names if _is_part(name)]
    for name in marks:
        if name.removesuffix(UNFINISHED) not in names:
            gone += sorted(names & _files_of(name, texts.get(name)))
    await store.remove(sorted(set(gone)))
    await store.remove(marks)
    return sorted({*gone, *marks})


def _files_of(mark: str, raw: bytes | None) -> set[str]:
    """Files that the manifest in a mark names, and that are of its date; none of one that was cut: then no file has had
    its name yet."""
    described = read_manifest(mark.removesuffix(UNFINISHED), raw)
    if described is None or described.manifest is None:
        return set()
    return {*(part.name for part in described.parts), proof_name(described.id)}


def _marked_id(name: str) -> str | None:
    made = name.removesuffix(_MARK)
    return made if name.endswith(_MARK) and read_id(made) is not None else None


def _is_part(name: str) -> bool:
    """Whether it is a part of a set, or a proof, on its way."""
    if name.endswith(PROOF + UNFINISHED):
        return read_id(name.removesuffix(PROOF + UNFINISHED)) is not None
    read = read_file_name(name)
    return read is not None and read.unfinished
