"""Which sets may be counted on: what a manifest must account for, who wrote it, and what is not whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.backup.options import LocalOptions
from lilfox_tui.backup.sets.catalogue import read_sets, sets_of
from lilfox_tui.backup.sets.model import NO_KEYS, BackupSet, Manifest, Proof, SigningKeys, Status, encoded, keys_of
from lilfox_tui.backup.sets.names import manifest_name, proof_name
from lilfox_tui.backup.store import BrokenSet, StoreEntry
from lilfox_tui.backup.stores.local import LocalStore
from lilfox_tui.backup.verify import SetReader, verify
from lilfox_tui.config.model import SigningConfig
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import LilFoxError
from tests.unit.backup.made_sets import NOON, manifest_of, proof_of, put_proof, put_set, without
from tests.unit.backup.noted_run import NotedRun

Change = Callable[[dict[str, Any]], None]


def keys(*, required: bool = False, key: str = "k" * 32, others: tuple[str, ...] = ()) -> SigningKeys:
    """As a configuration would give them."""
    import asyncio
    import os

    names = [f"LILFOX_TEST_KEY_{at}" for at in range(1 + len(others))]
    os.environ.update(zip(names, (key, *others), strict=True))
    own, *rest = [SecretRef(f"env:{name}") for name in names]
    return asyncio.run(keys_of(SigningConfig(key=own, others=tuple(rest), required=required)))


SIGNING, REQUIRING = keys(), keys(required=True)


def the_set(texts: dict[str, bytes], sizes: dict[str, int], known: SigningKeys = NO_KEYS) -> BackupSet:
    """The one set of a store that has these manifests and proofs, and parts of these sizes."""
    entries = [StoreEntry(name, size, NOON) for name, size in sizes.items()]
    [found] = [each for each in sets_of(texts, entries, UTC, known) if each.id == manifest_of(NOON).id]
    return found


def told(manifest: Manifest, known: SigningKeys = NO_KEYS) -> dict[str, bytes]:
    """Manifest and proof as they lie in a store."""
    return {
        manifest_name(manifest.id): encoded(manifest, known.sign),
        proof_name(manifest.id): encoded(proof_of(manifest, known.sign), known.sign),
    }


def sizes_of(manifest: Manifest) -> dict[str, int]:
    return {part.name: part.size_bytes for part in manifest.parts}


def whole() -> Manifest:
    """Of a database with the server's globals, and of a folder."""
    manifest = manifest_of(NOON)
    [dump] = manifest.parts
    stamp = manifest.id[-15:]
    others = (
        replace(dump, name=f"globals_{stamp}.sql.zst", kind="postgresql-globals"),
        replace(dump, name=f"uploads_{stamp}.tar.zst", kind="files", source="uploads", source_kind="files"),
    )
    sources = {"database": (dump.name, others[0].name), "uploads": (others[1].name,)}
    return replace(manifest, parts=(dump, *others), sources=sources)


def test_an_archive_in_zstd_frames_needs_no_raw_digest() -> None:
    manifest = whole()
    dump = replace(manifest.parts[0], raw_sha256="")
    manifest = replace(manifest, parts=(dump, *manifest.parts[1:]))
    assert the_set(told(manifest), sizes_of(manifest)).status == Status.INTACT


# ---- partial -----------------------------------------------------------------------------------------------------


@pytest.mark.fault("4.36")
def test_a_set_without_one_of_its_sources_is_partial_however_it_is_proven() -> None:
    manifest = without(whole(), "settings", "no right")
    for level, expected in (("intact", Status.PARTIAL), ("restored", Status.PARTIAL), ("broken", Status.BROKEN)):
        proof = encoded(replace(proof_of(manifest), level=level))
        found = the_set({**told(manifest), proof_name(manifest.id): proof}, sizes_of(manifest))
        assert (found.status, found.good, found.complete) == (expected, False, False)
        assert found.missing == ("settings",)
    assert the_set({manifest_name(manifest.id): encoded(manifest)}, sizes_of(manifest)).status == Status.PARTIAL


# ---- accounting --------------------------------------------------------------------------------------------------


def _part(**changes: Any) -> Change:
    return lambda document: document["parts"][0].update(changes)


def _without_dump(document: dict[str, Any]) -> None:
    document["sources"]["database"] = [document["parts"].pop(0)["name"] and document["parts"][0]["name"]]


UNACCOUNTED: dict[str, Change] = {
    "no parts": lambda document: document.update(parts=[]),
    "no parts and no sources": lambda document: document.update(parts=[], sources={}),
    "a part is left out": lambda document: document["parts"].pop(),
    "a part is there twice": lambda document: document["parts"].append(document["parts"][0]),
    "the dump is left out, of source too": _without_dump,
    "a source is left out": lambda document: document["sources"].pop("uploads"),
    "sources are left out": lambda document: document.pop("sources"),
    "a source has no part": lambda document: document["sources"].update(settings=[]),
    "a source is missing and there": lambda document: document.update(missing={"uploads": "why"}),
    "missing, and no source": lambda document: document.update(missing={"settings": "why"}),
    "a part of another set": _part(name="lilfox_20261125_130000.dump.zst"),
    "a part out of the store": _part(name="../lilfox_20261125_120000.dump.zst"),
    "a dump that calls itself a file": _part(kind="file", source_kind="config"),
    "a dump that calls itself an archive": _part(kind="files", source_kind="files"),
    "a dump of another kind of source": _part(source_kind="config"),
    "a dump that is not packed": _part(packing="none"),
    "a dump that is encrypted": _part(encrypted=True),
    "a part of no bytes": _part(size_bytes=0),
    "a part of nothing": _part(raw_bytes=0),
    "no digest": _part(sha256=""),
    "a digest that is none": _part(sha256="x" * 64),
    "a raw digest that is none": _part(raw_sha256="G" * 64),
    "no raw digest of files": lambda document: document["parts"][2].update(raw_sha256=""),
    "no raw digest of globals": lambda document: document["parts"][1].update(raw_sha256=""),
    "no raw digest of a dump without frames": _part(raw_sha256="", packing="none"),
    "two raw digests": _part(raw_xxh128="0" * 32),
    "a raw digest of another kind": _part(raw_sha256="", raw_xxh128="0" * 31),
    "digests are left out": lambda document: document["parts"][0].pop("sha256"),
    "of another set": lambda document: document.update(id="lilfox_20261125_130000"),
    "of another plan": lambda document: document.update(plan="shop"),
    "of another time": lambda document: document.update(created="2026-11-24T12:00:00Z"),
    "ended before it began": lambda document: document.update(finished="2026-11-24T12:00:00Z"),
    "of the form before": lambda document: document.update(schema=1),
    "of no form": lambda document: document.update(schema=0),
}


@pytest.mark.fault("4.37")
@pytest.mark.parametrize("what", UNACCOUNTED)
def test_a_manifest_that_does_not_account_for_its_set_is_broken(what: str) -> None:
    manifest = whole()
    assert the_set(told(manifest), sizes_of(manifest)).status == Status.INTACT
    document = json.loads(msgspec.json.encode(manifest))
    UNACCOUNTED[what](document)
    raw = resealed(document)
    found = the_set({**told(manifest), manifest_name(manifest.id): raw}, sizes_of(manifest))
    assert found.status == Status.BROKEN, what
    assert str(found.reason)


def resealed(document: dict[str, Any]) -> bytes:
    """The document with a checksum that is right: as somebody writes it who can write the store."""
    import hashlib

    text = msgspec.json.encode(document)[:-1]
    return text + b',"checksum":"' + hashlib.sha256(text).hexdigest().encode() + b'"}'


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to everything in a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


OTHER = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**40), st.text(max_size=12), st.just([]), st.just({}))


@pytest.mark.fault("4.37")
@given(st.data())
def test_any_change_of_a_manifest_ends_what_was_proven_of_it(data: st.DataObject) -> None:
    manifest = whole()
    before = msgspec.json.encode(manifest)
    document = json.loads(before)
    path = data.draw(st.sampled_from(list(places(document))))
    *way, last = path
    inside = document
    for key in way:
        inside = inside[key]
    act = data.draw(st.sampled_from(["remove", "twice", "other"]))
    if act == "remove":
        del inside[last]
    elif act == "twice" and isinstance(inside, list):
        inside.append(inside[last])
    else:
        inside[last] = data.draw(OTHER)
    if document == json.loads(before):
        return
    texts = {**told(manifest), manifest_name(manifest.id): resealed(document)}
    assert not the_set(texts, sizes_of(manifest)).good
    signed = {**told(manifest, REQUIRING), manifest_name(manifest.id): resealed(document)}
    assert the_set(signed, sizes_of(manifest), REQUIRING).refused


@pytest.mark.fault("4.37")
def test_verify_never_calls_whole_what_the_manifest_does_not_account_for(tmp_path: Path) -> None:
    import asyncio

    manifest = manifest_of(NOON)
    put_set(tmp_path, manifest)
    tmp_path.chmod(0o700)
    store = LocalStore("store", LocalOptions(path=str(tmp_path)))
    for what, change in UNACCOUNTED.items():
        document = json.loads(msgspec.json.encode(replace(whole(), parts=manifest.parts, sources=manifest.sources)))
        try:
            change(document)
        except (KeyError, IndexError):
            continue
        (tmp_path / manifest_name(manifest.id)).write_bytes(resealed(document))
        [found] = [each for each in asyncio.run(read_sets(store, zone=UTC)) if each.id == manifest.id]
        proof = asyncio.run(verify(NotedRun(), SetReader(store), found))
        assert proof.level == "broken", what
        [after] = [each for each in asyncio.run(read_sets(store, zone=UTC)) if each.id == manifest.id]
        assert after.status == Status.BROKEN, what


# ---- proofs ------------------------------------------------------------------------------------------------------


@pytest.mark.fault("4.38")
def test_a_proof_of_another_manifest_of_the_time_before_or_of_another_set_proves_nothing() -> None:
    manifest = whole()
    right = proof_of(manifest)
    other = manifest_of(NOON + timedelta(hours=1))
    wrong: list[Proof] = [
        replace(right, manifest=""),
        replace(right, manifest="0" * 64),
        replace(right, at=manifest.finished - timedelta(seconds=1)),
        replace(right, at=manifest.created),
        replace(right, sha256={}),
        replace(right, set=other.id),
        proof_of(other),
    ]
    for proof in wrong:
        texts = {**told(manifest), proof_name(manifest.id): encoded(proof)}
        assert the_set(texts, sizes_of(manifest)).status == Status.UNVERIFIED, proof


def test_a_proof_without_a_usable_time_of_its_restore_test_stays_readable() -> None:
    """An older version wrote one time, which a later verify moved: the test may be as old as the set."""
    manifest = whole()
    later = manifest.finished + timedelta(days=3)
    proof = replace(proof_of(manifest), level="restored", at=later, took_s=41.0)
    right = json.loads(encoded(proof))
    older = {name: value for name, value in right.items() if name not in ("tested", "checksum")}
    unclear = [older]
    for wrong in ("2026-11-26T12:00:00", (later + timedelta(seconds=1)).isoformat()):
        unclear.append({**older, "tested": wrong})
    for document in unclear:
        found = the_set({**told(manifest), proof_name(manifest.id): resealed(document)}, sizes_of(manifest))
        assert (found.status, found.tested_at, found.tested_since) == (Status.RESTORED, None, manifest.finished)
    tested = manifest.finished + timedelta(days=1)
    good = encoded(replace(proof, tested=tested))
    found = the_set({**told(manifest), proof_name(manifest.id): good}, sizes_of(manifest))
    assert (found.tested_at, found.tested_since) == (tested, tested)


# ---- signatures --------------------------------------------------------------------------------------------------


@pytest.mark.fault("S14")
def test_a_signed_set_tells_who_wrote_it() -> None:
    manifest = whole()
    sizes = sizes_of(manifest)
    found = the_set(told(manifest, SIGNING), sizes, SIGNING)
    assert (found.status, found.signature) == (Status.INTACT, "good")
    assert the_set(told(manifest, SIGNING), sizes, REQUIRING).status == Status.INTACT
    rotated = keys(key="n" * 32, others=("k" * 32,), required=True)
    assert the_set(told(manifest, SIGNING), sizes, rotated).status == Status.INTACT


@pytest.mark.fault("S14")
def test_without_a_key_and_by_another_one_it_is_said_and_refused_where_that_is_wanted() -> None:
    manifest = whole()
    sizes = sizes_of(manifest)
    strange = keys(key="s" * 32)
    for texts, signature in ((told(manifest), "none"), (told(manifest, strange), "other")):
        found = the_set(texts, sizes, SIGNING)
        assert (found.signature, found.refused) == (signature, False)
        found = the_set(texts, sizes, REQUIRING)
        assert (found.signature, found.status, found.good) == (signature, Status.UNTRUSTED, False)
        assert "are required (signing: required:)" in str(found.reason)
    assert the_set(told(manifest, strange), sizes).signature == "other", "nobody here has any key"


@pytest.mark.fault("S14")
def test_a_forged_signature_is_never_trusted() -> None:
    manifest = whole()
    raw = encoded(manifest, SIGNING.sign)
    changed = raw.replace(b'"host":"h"', b'"host":"x"')
    text = changed[: changed.index(b',"checksum"')]
    import hashlib

    forged = text + b',"checksum":"' + hashlib.sha256(text).hexdigest().encode() + b'"}'
    found = the_set({**told(manifest, SIGNING), manifest_name(manifest.id): forged}, sizes_of(manifest), SIGNING)
    assert (found.signature, found.status) == ("forged", Status.UNTRUSTED)


@pytest.mark.fault("S14")
def test_of_a_signed_set_only_a_signed_proof_counts_unless_it_says_broken() -> None:
    manifest = whole()
    proof = proof_of(manifest, SIGNING.sign)
    texts = told(manifest, SIGNING)
    sizes = sizes_of(manifest)
    texts[proof_name(manifest.id)] = encoded(replace(proof, level="restored"))
    assert the_set(texts, sizes, SIGNING).status == Status.UNVERIFIED
    texts[proof_name(manifest.id)] = encoded(replace(proof, level="broken", reason="a digest differs"))
    assert the_set(texts, sizes, SIGNING).status == Status.BROKEN


def test_a_set_of_the_form_before_stays_readable_and_is_unsigned(tmp_path: Path) -> None:
    manifest = replace(manifest_of(NOON), schema=1, sources={})
    put_set(tmp_path, manifest)
    put_proof(tmp_path, replace(proof_of(manifest), manifest=""))
    texts = {file.name: file.read_bytes() for file in tmp_path.glob("*.json")}
    found = the_set(texts, sizes_of(manifest), SIGNING)
    assert (found.status, found.signature) == (Status.INTACT, "none")


@pytest.mark.fault("S14")
async def test_a_set_that_is_not_trusted_is_not_verified(tmp_path: Path) -> None:
    put_set(tmp_path, manifest_of(NOON))
    store = LocalStore("store", LocalOptions(path=str(tmp_path)))
    [found] = await read_sets(store, zone=UTC, keys=REQUIRING)
    with pytest.raises(BrokenSet, match="is not trusted: it is not signed"):
        await verify(NotedRun(), SetReader(store, keys=REQUIRING), found)
    assert not (tmp_path / proof_name(found.id)).exists()


async def test_a_key_that_can_be_guessed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "fox")
    with pytest.raises(LilFoxError, match="at least 32 characters") as caught:
        await keys_of(SigningConfig(key=SecretRef("env:SHORT")))
    assert "fox;" not in str(caught.value)
