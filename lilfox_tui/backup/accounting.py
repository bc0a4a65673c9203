"""Whether a manifest accounts for what it says: every source of its plan, every part with its kind, sizes and digests.

What it says of a part decides how that part is read: a dump that calls itself a file would be looked at by nobody. So
nothing in it is taken that does not fit the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from lilfox_tui.backup.manifest import Manifest, Part
from lilfox_tui.backup.names import moment_of, read_file_name
from lilfox_tui.i18n import Message, listed, tr
from lilfox_tui.text import clean, fit

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
_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of no bytes."""
_LATER = timedelta(hours=1)
"""So far a set's name may be ahead of its beginning: seconds that were taken are passed over."""
_SHOWN = 80


def trouble_of(manifest: Manifest, stamp: str) -> Message | str:
    """Why the manifest of a set with ``stamp`` in its name cannot be right; empty where it can be."""
    return next(_troubles(manifest, stamp), "")


def _troubles(manifest: Manifest, stamp: str) -> Iterator[Message]:
    for part in manifest.parts:
        if not _fits(part, stamp):
            yield tr("its manifest does not fit what {name} is called", name=_shown(part.name))
        if not _HEXADECIMAL.fullmatch(part.sha256) or not _HEXADECIMAL.fullmatch(part.raw_sha256):
            yield tr("its manifest has no digest of {name}", name=_shown(part.name))
        if not _has_content(part):
            yield tr("its manifest says that nothing is in {name}", name=_shown(part.name))
    yield from _of_sources(manifest)
    yield from _of_times(manifest, stamp)


def _fits(part: Part, stamp: str) -> bool:
    suffix = part.name.partition(f"_{stamp}")[2]
    return _is_kind(suffix, part.kind, part.source_kind, part.packing, part.encrypted)


@lru_cache(4096)
def _is_kind(suffix: str, kind: str, source_kind: str, packing: str, encrypted: bool) -> bool:
    """Whether the name says what the manifest says; the sets of a plan have few such answers."""
    read = read_file_name(f"x_{_ANY_STAMP}{suffix}")
    return (
        read is not None
        and (read.suffix, read.packing, read.encrypted) == (_SUFFIXES[kind], packing, encrypted)
        and kind.startswith("postgresql") == (source_kind == "postgresql")
    )


def _has_content(part: Part) -> bool:
    """Only a file as it is, such as ``.env``, can be empty."""
    if part.raw_bytes == 0:
        return part.kind == "file" and part.raw_sha256 == _NOTHING
    if part.packing == "none" and not part.encrypted:
        return (part.size_bytes, part.sha256) == (part.raw_bytes, part.raw_sha256)
    return part.size_bytes > 0


def _of_sources(manifest: Manifest) -> Iterator[Message]:
    found: dict[str, list[Part]] = {}
    for part in manifest.parts:
        found.setdefault(part.source, []).append(part)
    for source, parts in found.items():
        if len({part.source_kind for part in parts}) > 1:
            yield tr("its manifest says two kinds of {source}", source=_shown(source))
        if parts[0].source_kind == "postgresql" and not any(part.kind in _DATABASES for part in parts):
            yield tr("its manifest names no database of {source}", source=_shown(source))
    said = {source: tuple(part.name for part in parts) for source, parts in found.items()}
    twice = found.keys() & manifest.missing.keys()
    if twice:
        yield tr("its manifest says that {sources} are there and that they are not", sources=_names(twice))
    if manifest.schema == 1:
        if manifest.sources:
            yield tr("its manifest is of form 1, and names sources as form 2 does")
        return
    said.update({source: () for source in manifest.missing if source not in said})
    unaccounted = {
        name for name in said.keys() | manifest.sources.keys() if said.get(name) != manifest.sources.get(name)
    }
    if unaccounted:
        yield tr("its manifest does not account for {sources}", sources=_names(unaccounted))


def _of_times(manifest: Manifest, stamp: str) -> Iterator[Message]:
    begun, ended = manifest.created, manifest.finished
    if ended.tzinfo is None or ended < begun - _LATER:
        yield tr("its manifest says that it ended before it began")
        return
    named = moment_of(stamp, UTC)
    try:
        local = begun.astimezone(UTC) + timedelta(seconds=manifest.offset_s)
    except OverflowError:
        local = datetime.max.replace(tzinfo=UTC)
    if named is None or not timedelta(seconds=-1) <= named - local <= _LATER:
        yield tr("its manifest says another time than its name")


def _names(sources: set[str]) -> str:
    return listed(_shown(source) for source in sorted(sources)[:5])


def _shown(text: str) -> str:
    return fit(clean(text), _SHOWN).rstrip()
