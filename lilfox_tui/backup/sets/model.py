"""A backup set and its manifest: parts, digests, signature and proof."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, TypeGuard

import msgspec
from msgspec import Meta, Raw, Struct, field

from lilfox_tui.config.model import SigningConfig
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.jobs.model import Outcome

# What a set says of itself: ``NAME_20231230_020000.manifest.json``, written last. A set without one never finished.
#
# Manifests and proofs are JSON that ends with ``"checksum"``, the SHA-256 of all that stands before it in the file: it
# tells damage. Before it stands ``"signature"`` where the configuration has a key (``SigningKeys``): it tells who wrote
# the file, to all who have that key.


SCHEMA = 3
"""Of what is written. Form 1 did not name the sources of the plan, form 2 had the SHA-256 of all raw bytes; both are
read too."""
KNOWN_SCHEMAS = frozenset({1, 2, SCHEMA})

PartKind = Literal["postgresql-custom", "postgresql-plain", "postgresql-globals", "files", "file"]
"""``files`` is a tar archive, ``file`` the file itself (the manual's ``env_DATE``)."""
_details = msgspec.json.Decoder(dict[str, Any])
_COUNT_END = 1 << 63
"""Above each number of rows, files or bytes."""
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
"""SHA-256 in hexadecimal. That it is one is not asked of ten thousand sets: bytes of which it would be the digest are
never found."""
Packing = Literal["zstd", "gzip", "none"]
RawHash = Literal["sha256", "xxh128"]
Level = Literal["intact", "restored", "broken"]
"""What a proof can say."""
Signature = Literal["none", "good", "other", "forged"]
"""``other``: by a key that the configuration does not have, so that nobody here can tell."""


class RawDigest(NamedTuple):
    """A digest of raw bytes in hexadecimal, and its kind."""

    kind: RawHash
    digest: str


class ManifestPart(Struct, frozen=True, kw_only=True, gc=False):
    """One file of a set. Fields with ``raw`` in their name describe the source's output, before packing and
    encryption."""

    name: Annotated[str, Meta(max_length=255)]
    """Beside the manifest; in the manual's format a database lies in ``postgresql/``."""
    source: str
    """The source's name in the plan."""
    source_kind: str
    """A kind of ``sources/``, which takes it back."""
    kind: PartKind
    packing: Packing = "none"
    encrypted: bool = False
    """With age (C2SP age-encryption.org/v1), around the packing."""
    size_bytes: Annotated[int, Meta(ge=0)]
    sha256: Digest
    raw_bytes: Annotated[int, Meta(ge=0)]
    raw_sha256: Annotated[str, Meta(max_length=64)] = ""
    raw_xxh128: Annotated[str, Meta(max_length=32)] = ""
    """XXH3-128 in hexadecimal (docs/adr/0032). A part has either this or ``raw_sha256``: form 3 has SHA-256 only of a
    dump that the store's host made, and neither of one whose zstd frames were made at the same time: each frame has a
    checksum of its own."""
    detail_json: Raw = field(name="detail", default=Raw(b"{}"))
    """``detail`` as it stands in the manifest (:func:`detail_json` makes it): a list of sets does not read it."""

    @property
    def raw_digest(self) -> RawDigest:
        """The digest of the raw bytes, empty where the zstd frames have them."""
        return RawDigest("xxh128", self.raw_xxh128) if self.raw_xxh128 else RawDigest("sha256", self.raw_sha256)

    @property
    def detail(self) -> dict[str, Any]:
        """The source's details; see ``postgresql/psql.py`` and ``files/tar_filter.py``. Empty if unreadable or if the
        source reported none."""
        try:
            return _details.decode(self.detail_json)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}

    @property
    def tables(self) -> dict[str, int | None]:
        """The tables that the source recorded, with their rows; None for rows that were not counted. A manifest may
        contain anything: what has another shape is left out."""
        content = self.detail.get("content")
        tables = content.get("tables") if isinstance(content, Mapping) else None
        if not isinstance(tables, Mapping):
            return {}
        return {str(name): _rows_of(table) for name, table in tables.items()}


def _rows_of(table: Any) -> int | None:
    rows = table.get("rows") if isinstance(table, Mapping) else None
    return rows if is_count(rows) else None


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value of a manifest is a number of rows, files or bytes that a set can have."""
    return isinstance(value, int) and 0 <= value < _COUNT_END


class Manifest(Struct, frozen=True, kw_only=True, gc=False):
    """The manifest of a set. Times are UTC; ``offset_s`` is the UTC offset of the local time in the names."""

    schema: int = SCHEMA
    id: str
    """``NAME_20231230_020000``: the plan's name and the local time at which the run began."""
    run: str
    """The job that made it."""
    plan: str
    created: datetime
    offset_s: int
    finished: datetime
    host: str
    """Of the machine where LilFox ran."""
    tool: str
    """``lilfox 0.4.0``."""
    tag: str = ""
    """What somebody called it (``model.py``)."""
    sources: dict[str, tuple[str, ...]] = {}
    """Every source of the plan → the names of its parts; none of one that is ``missing``. Form 1 does not have it."""
    parts: tuple[ManifestPart, ...]
    missing: dict[str, str] = {}
    """Sources of the plan that could not be dumped, each with the reason; the set is then not counted by retention."""
    notes: tuple[str, ...] = ()
    """What is not as it should be and no failure: files that changed while they were read."""


class Proof(Struct, frozen=True, kw_only=True, gc=False):
    """The last verification result, beside the manifest: ``NAME_20231230_020000.proof.json``. It holds only for this
    manifest and these digests: a part whose digest has changed since is unproven."""

    schema: int = SCHEMA
    set: str
    level: Level
    at: datetime
    """When the set was read last."""
    tested: datetime | None = None
    """When it was restored for a test; None if it never was, or was by a version that did not record it."""
    reason: str = ""
    """Why it is broken."""
    manifest: str = ""
    """Checksum of the manifest that was looked at; of a set of form 1, or without one, nothing."""
    sha256: dict[str, str]
    """Part → digest of what was looked at."""
    size_bytes: dict[str, int] = {}
    """Part → size of what was looked at; of a set without a manifest, where nothing else tells."""
    took_s: float | None = None
    """How long restoring took (the RTO), when it was restored."""
    host: str = ""
    where: str = ""
    """Where it was restored to."""
    detail: dict[str, Any] = {}


_BEFORE, _BEHIND = b',"checksum":"', b'"}'
TAIL_BYTES = len(_BEFORE) + 64 + len(_BEHIND)
"""Of the checksum, with which a file ends."""
Sign = Callable[[bytes], bytes]
"""Gives what is added to a text so that it is signed; nothing where nobody signs."""


def detail_json(detail: dict[str, Any]) -> Raw:
    """Encode ``detail`` for :attr:`ManifestPart.detail_json`."""
    return Raw(msgspec.json.encode(detail))


def unsigned(_text: bytes) -> bytes:
    """A :data:`Sign` for a configuration without a key."""
    return b""


def encoded(document: Manifest | Proof, sign: Sign = unsigned) -> bytes:
    """Encode a manifest or proof as it is stored, with signature and checksum."""
    text = msgspec.json.encode(document)[:-1]
    text += sign(text)
    return text + _tail(text)


def is_unchanged(raw: bytes) -> bool:
    """Whether ``raw`` is byte for byte what :func:`encoded` returned."""
    return raw.endswith(_tail(memoryview(raw)[:-TAIL_BYTES]))


def checksum_of(raw: bytes) -> str:
    """Return the checksum at the end of a file that :func:`is_unchanged` accepts."""
    return raw[-64 - len(_BEHIND) : -len(_BEHIND)].decode("ascii", "replace")


def _tail(text: bytes | memoryview) -> bytes:
    return _BEFORE + hashlib.sha256(text).hexdigest().encode() + _BEHIND


# Who wrote a manifest or a proof: HMAC-SHA-256 by a key of the configuration, at the end of the file.
#
# Whoever has the key can write what passes for signed, and nobody else can: the machines that make sets need it, the
# store does not. The id of a key tells which one it was, so that a signature by a key that is not here is told from one
# that was forged.


LEAST_KEY = 32
"""Characters: what is shorter can be guessed."""
_PURPOSE = b"lilfox backup, signature 1\0"
_SIGNED = re.compile(rb',"signature":"hmac-sha256:([0-9a-f]{16}):([0-9a-f]{64})"\Z')
_LONGEST = 128


class SigningKeys(Struct, frozen=True):
    """The signing keys of a configuration. ``own`` signs; ``known`` are all accepted keys, by id."""

    own: bytes = b""
    known: Mapping[str, bytes] = {}
    required: bool = False
    """What none of them has signed is not trusted."""

    def sign(self, text: bytes) -> bytes:
        """Return the signature to append to ``text``."""
        if not self.own:
            return b""
        return f',"signature":"hmac-sha256:{_id_of(self.own)}:{_mac(self.own, text)}"'.encode()

    def judge(self, raw: bytes) -> Signature:
        """Return whether a complete file is signed, and by whom: ``none``, ``good`` (a known key), ``other`` (an
        unknown key) or ``forged``."""
        found = _SIGNED.search(raw[-TAIL_BYTES - _LONGEST : -TAIL_BYTES])
        if found is None:
            return "none"
        key = self.known.get(found[1].decode())
        if key is None:
            return "other"
        signed = raw[: len(raw) - TAIL_BYTES - len(found[0])]
        return "good" if hmac.compare_digest(_mac(key, signed), found[2].decode()) else "forged"

    def refuses(self, signature: Signature) -> bool:
        """Whether a set with that signature is not trusted."""
        return signature == "forged" or (self.required and signature != "good")


NO_KEYS = SigningKeys()


async def keys_of(config: SigningConfig | None) -> SigningKeys:
    """Return the keys that ``config`` names. Raises LilFoxError for a key that is not available, or is too short."""
    if config is None:
        return NO_KEYS
    own, *others = [await _key(reference) for reference in (config.key, *config.others)]
    return SigningKeys(own, {_id_of(key): key for key in (own, *others)}, config.required)


async def _key(reference: SecretRef) -> bytes:
    key = (await resolve(reference)).encode()
    if len(key) < LEAST_KEY:
        raise LilFoxError(
            tr("{ref}: a key that signs backups needs at least {count} characters", ref=reference, count=LEAST_KEY),
            tr("for example: openssl rand -hex 32 > FILE; chmod 600 FILE"),
        )
    return key


def _mac(key: bytes, text: bytes) -> str:
    return hmac.new(key, _PURPOSE + text, hashlib.sha256).hexdigest()


def _id_of(key: bytes) -> str:
    return hmac.new(key, b"lilfox backup, id of a key", hashlib.sha256).hexdigest()[:16]


# A set as the catalogue shows it: its parts, its state (derived in one place) and its tag.


class Status(StrEnum):
    """The states of a set: :func:`state_of` derives them, and every client reads them."""

    UNVERIFIED = "unverified"
    """○ Nobody has looked."""
    INTACT = "intact"
    """◐ Digests, trailers and content are right."""
    RESTORED = "restored"
    """● A drill has restored it and found it equal."""
    PARTIAL = "partial"
    """◐ A source of its plan is not in it, whatever the rest has been proven to be."""
    UNTRUSTED = "untrusted"
    """✖ Its signature is forged, or the configuration wants one that it does not have."""
    BROKEN = "broken"
    """✖ Not to be restored."""
    FOREIGN = "foreign"
    """○ Another program made it, and LilFox has proven nothing of it."""


COUNTED = frozenset({Status.INTACT, Status.RESTORED})
"""Retention counts these as sets to keep, and a plan is late without a new one."""
REFUSED = frozenset({Status.BROKEN, Status.UNTRUSTED})
"""Never restored."""


def state_of(*, fault: object, untrusted: bool, missing: bool, proven: str | None) -> Status:
    """Return the state of a set. ``fault``: why the stored files cannot be complete, whatever a proof says;
    ``untrusted``: its signature is not accepted; ``missing``: a source of the plan is missing; ``proven``: what its
    proof says."""
    if fault:
        return Status.BROKEN
    if untrusted:
        return Status.UNTRUSTED
    if proven == "broken":
        return Status.BROKEN
    if missing:
        return Status.PARTIAL
    return Status.UNVERIFIED if proven is None else Status(proven)


class FoundPart(Struct, frozen=True, kw_only=True, gc=False):
    """A file of a set as it is stored. ``said`` is its entry in the manifest; None in a set of the ops manual's
    scripts."""

    name: str
    source: str
    """Name of its source in the plan; of an old set ``database``, ``config``, ``uploads``."""
    source_kind: str
    """A kind of ``sources/``."""
    kind: str
    """A ``PartKind``."""
    size_bytes: int
    modified: datetime | None = None
    sha256: str | None = None
    """As the manifest or the proof has it; None when nobody has counted it yet."""
    said: ManifestPart | None = None
    trouble: Message | str = ""
    """Why it alone makes the set broken: missing, empty, of another size, cut."""


class PhysicalBackup(Struct, frozen=True, kw_only=True, gc=False):
    """What pgBackRest records of a backup of a whole PostgreSQL cluster. Times are aware UTC."""

    type: str
    """``full``, ``diff`` or ``incr``."""
    finished: datetime
    references: tuple[str, ...] = ()
    """Earlier backups whose files it needs."""
    wal_start: str = ""
    wal_stop: str = ""
    """Names of the WAL segments that make it consistent; empty for one that was made of a stopped server."""
    database_bytes: int = 0
    """Size of the cluster."""
    copied_bytes: int = 0
    """How much of the cluster was copied."""
    repo: int = 1
    postgresql: str = ""
    """Major version of the server."""
    until: datetime | None = None
    """When the newest WAL segment that follows without a gap was archived: the last moment to which the backup can be
    recovered; None if that is not known."""
    last_wal: str = ""
    """That segment."""
    gap: str = ""
    """The first missing segment, if later ones of the same timeline are archived."""

    @property
    def timeline(self) -> int:
        """The timeline on which it was made; 0 without WAL."""
        return int(self.wal_stop[:8] or "0", 16)


class FileSnapshot(Struct, frozen=True, kw_only=True, gc=False):
    """What restic records of a snapshot. Times are aware UTC."""

    id: str
    """All of its digits."""
    finished: datetime
    paths: tuple[str, ...] = ()
    """What was backed up."""
    hostname: str = ""
    files: int | None = None
    total_bytes: int | None = None
    """Size of all its files; like ``files`` None of a snapshot by restic before 0.17."""
    added_bytes: int = 0
    """So much it added to the repository."""


class BackupSet(Struct, frozen=True, kw_only=True, gc=False):
    """One set in one store; lists have the newest first. ``created`` is aware UTC."""

    id: str
    created: datetime
    status: Status
    """As :func:`state_of` gave it."""
    reason: Message | str = ""
    """Why it is broken or not trusted, or what is missing of it."""
    parts: tuple[FoundPart, ...]
    plan: str = ""
    old: bool = False
    """Made by the manual's scripts: no manifest, dates of names in local time."""
    spread_s: float = 0.0
    """So far apart are the dates in the names of an old set's parts."""
    manifest: Manifest | None = None
    proof: Proof | None = None
    fault: Message | str = ""
    """Why what lies there cannot be whole, whatever a proof says; empty where nothing speaks against it."""
    missing: tuple[str, ...] = ()
    """Sources that are not in it."""
    checksum: str = ""
    """Of its manifest: what a proof is bound to."""
    signature: Signature = "none"
    untrusted: bool = False
    """The configuration does not accept its signature."""
    physical: PhysicalBackup | None = None
    """Set if pgBackRest made it."""
    snapshot: FileSnapshot | None = None
    """Set if restic made it for LilFox."""

    @property
    def size_bytes(self) -> int:
        """Size of all its files in the store, in bytes."""
        return sum([part.size_bytes for part in self.parts])

    @property
    def tested_at(self) -> datetime | None:
        """When it was restored for a test; None if that is not known."""
        return None if self.proof is None else self.proof.tested

    @property
    def tested_since(self) -> datetime:
        """When it was restored for a test at the earliest: a set can be restored as soon as it is there."""
        return self.tested_at or self.finished

    @property
    def finished(self) -> datetime:
        """When it was complete, or when it was started if that is not recorded."""
        recorded = self.physical or self.snapshot
        if recorded is not None:
            return recorded.finished
        return self.created if self.manifest is None else self.manifest.finished

    @property
    def good(self) -> bool:
        """Whether retention may rely on the set: complete, and at least read back."""
        return self.status in COUNTED

    @property
    def on_time(self) -> bool:
        """Whether a plan is not late with it: good, or finished by the program that made it."""
        return self.good or self.status == Status.FOREIGN

    @property
    def refused(self) -> bool:
        """Whether the set must not be restored: broken or untrusted."""
        return self.status in REFUSED

    @property
    def complete(self) -> bool:
        """Whether ``latest`` and a tag may select it: nothing is known to be missing or wrong."""
        return not self.refused and self.status not in (Status.PARTIAL, Status.FOREIGN)

    def proven_as(self, level: Level) -> Status:
        """Return the status that the set would have after a proof with ``level``."""
        return state_of(fault=self.fault, untrusted=self.untrusted, missing=bool(self.missing), proven=level)


WORD = "tag:"
"""Before a tag where a set is named."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]{0,99}")


def checked_tag(tag: str) -> str:
    """Return ``tag`` if it is valid. Raises UsageError."""
    if not _TAG.fullmatch(tag):
        raise UsageError(
            tr("{tag} is not a valid tag for a set", tag=tag),
            tr(
                "start with a letter or digit, then use letters, digits and . _ + @ -, 100 characters at most, "
                "for example 1.4.0 or before-migration"
            ),
        )
    return tag


def tag_of(found: BackupSet) -> str:
    """Return the set's tag; empty if it has none."""
    return "" if found.manifest is None else found.manifest.tag


def newest_of_each(newest_first: Iterable[BackupSet]) -> dict[str, BackupSet]:
    """Map each tag to the newest set with it that is neither broken nor partial."""
    found: dict[str, BackupSet] = {}
    for each in newest_first:
        if each.complete and (tag := tag_of(each)):
            found.setdefault(tag, each)
    return found


def outcome_of(found: BackupSet, proof: Proof, good: str) -> Outcome:
    """Return the outcome of a job that made ``proof``; ``good`` is its text if the set is."""
    status = found.proven_as(proof.level)
    reason = proof.reason or str(found.reason)
    result = {"set": proof.set, "status": status.value, "reason": reason, "took_s": proof.took_s}
    if status is Status.BROKEN:
        return Outcome(
            "failed",
            str(tr("{set} is broken: {reason}", set=proof.set, reason=reason)),
            str(tr("Do not rely on this set. Run a new backup and check the store's disk.")),
            1,
            result,
        )
    if status is Status.PARTIAL:
        return Outcome(
            "partly",
            str(
                tr(
                    "the checksums of {set} are verified, but the set is partial: {reason}",
                    set=proof.set,
                    reason=reason,
                )
            ),
            str(
                tr(
                    "it does not count as a backup; find out why these sources could not be backed up, then back "
                    "up again"
                )
            ),
            3,
            result,
        )
    return Outcome("ok", good, result=result)
