"""The S3 store: a bucket of an S3-compatible server, and its lock.

S3 has no rename. A file is a multipart upload that is completed when it is published: until then it is shown as
``NAME.part``, also to the next run, which aborts it like any leftover. A small one is an object ``NAME.part``, because
manifests must be readable before they are published, and is written again under its name. Nothing is copied on the
server: many servers that honour a conditional write ignore the condition of a copy, and under an object lock a large
file would be stored twice for as long as the lock.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from lilfox_tui.backup.checks import SMALL_BYTES, Check
from lilfox_tui.backup.options import S3Options
from lilfox_tui.backup.s3_bucket import (
    AT_ONCE,
    TOKEN,
    ObjectFacts,
    S3Bucket,
    SmallObject,
    Upload,
    is_taken,
    locked,
    md5_of,
)
from lilfox_tui.backup.sets.names import FOLDERS, UNFINISHED, is_name, parted
from lilfox_tui.backup.store import BackupStore, StoreEntry, StoreError, StoreLockHolder
from lilfox_tui.backup.store_lock import LOCK, MARK_BYTES, PREFIX, SHARED, STALE, Mark, held, held_by, mark_of
from lilfox_tui.core.aio import end_task, to_end
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.core.text import human_bytes
from lilfox_tui.hosts.base import Host

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MOST_PARTS = 10_000
CLEANING_S = 5.0
"""So long a failed write may try to take its part away: the server may be what failed."""
TRIAL = ".lilfox.trial."


def open_store(name: str, options: S3Options, host: Host) -> BackupStore:  # noqa: ARG001 - every kind takes a host
    """Return the store; nothing is read yet."""
    return S3Store(name, options)


class S3Store:
    """See :class:`lilfox_tui.backup.store.BackupStore`."""

    def __init__(self, name: str, options: S3Options) -> None:
        self.name = name
        self._bucket = S3Bucket(options)
        self.where = self._bucket.where
        self._written: dict[str, _PartUpload] = {}
        """The uploads that :meth:`publish` completes, by name."""

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """See :meth:`BackupStore.checks`. A bucket does not tell how much room it has."""
        about = tr("store {where}", where=self.where)
        bucket = self._bucket
        try:
            await bucket.call(
                ".", lambda client: client.list_objects_v2(Bucket=bucket.bucket, Prefix=bucket.root, MaxKeys=1)
            )
            if write:
                bucket.conditional = await self._tried()
        except LilFoxError as error:
            return [Check(about, "bad", error.message, error.hint)]
        found = [Check(about, "good", _room(needed_bytes) if write else tr("readable"))]
        most = MOST_PARTS * bucket.options.part_bytes
        if write and needed_bytes is not None and needed_bytes > most:
            found.append(
                Check(
                    about,
                    "warning",
                    tr("a file may have {most} at most, in {count} parts", most=human_bytes(most), count=MOST_PARTS),
                    tr("Increase part_mb of the store."),
                )
            )
        endpoint = urlsplit(bucket.options.endpoint)
        if endpoint.scheme == "http" and endpoint.hostname not in ("localhost", "127.0.0.1", "::1"):
            found.append(Check(about, "warning", tr("reached without TLS: others on the network can read the sets"),
                               tr("Use an https:// endpoint, or encrypt: in the plan.")))  # fmt: skip
        if not write:
            return found
        if not bucket.conditional:
            found.append(
                Check(
                    about,
                    "warning",
                    tr("the server ignores conditional writes (If-None-Match)"),
                    tr("LilFox checks names before it writes. Let no other program write below this prefix."),
                )
            )
        found += [Check(about, "good", text) for text in await self._kept_versions()]
        if await self._public():
            found.append(Check(about, "warning", tr("anyone can list it without credentials"),
                               tr("Block public access to the bucket.")))  # fmt: skip
        return found

    async def _tried(self) -> bool:
        """Write, write again and delete a small object; return whether the server refused the second write."""
        name = TRIAL + os.urandom(8).hex()
        try:
            for _ in range(2):
                await self._bucket.put(name, b"", IfNoneMatch="*")
        except StoreError as error:
            if error.status == 501:
                await self._bucket.put(name, b"")
            elif not is_taken(error):
                raise
            return is_taken(error)
        finally:
            await self._bucket.remove(name, for_good=True)
        return False

    async def _kept_versions(self) -> list[Message]:
        """Return what the bucket does with deleted files, as far as the key may read that."""
        bucket = self._bucket
        found: list[Message] = []
        with suppress(StoreError):
            versions = await bucket.call(".", lambda client: client.get_bucket_versioning(Bucket=bucket.bucket))
            if versions.get("Status") == "Enabled":
                found.append(
                    tr(
                        "versioning is on: removed sets remain as old versions, and take up space, until a lifecycle "
                        "rule of the bucket removes them"
                    )
                )
        with suppress(StoreError):
            lock = await bucket.call(".", lambda client: client.get_object_lock_configuration(Bucket=bucket.bucket))
            rule = lock.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
            if rule:
                days, years = rule.get("Days", 0), rule.get("Years", 0)
                time = ntr("{count} day", "{count} days", days) if days else ntr("{count} year", "{count} years", years)
                mode = rule.get("Mode", "?")
                found.append(tr("object lock keeps every version for {time} ({mode})", time=time, mode=mode))
        return found

    async def _public(self) -> bool:
        bucket = self._bucket
        with suppress(LilFoxError):
            await bucket.call(
                ".",
                lambda client: client.list_objects_v2(Bucket=bucket.bucket, Prefix=bucket.root, MaxKeys=1),
                anonymous=True,
            )
            return True
        return False

    def lock(self, who: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        """See :meth:`BackupStore.lock` and ``bucket_lock``."""
        return bucket_lock(self._bucket, who, shared=shared)

    async def entries(self) -> Sequence[StoreEntry]:
        """See :meth:`BackupStore.entries`."""
        bucket = self._bucket
        listings = await asyncio.gather(*(bucket.listed(folder) for folder in ("", *(f"{each}/" for each in FOLDERS))))
        found = {
            name: StoreEntry(name, each.size_bytes, each.modified)
            for listing in listings
            for each in listing
            if is_name(name := each.key.removeprefix(bucket.root))
        }
        for upload in await bucket.uploads():
            name = _part_of(upload, bucket)
            if is_name(name):
                found.setdefault(name, StoreEntry(name, 0, upload.begun.astimezone(UTC)))
        return list(found.values())

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """See :meth:`BackupStore.read`."""
        parted(name)
        async with aclosing(self._bucket.read(name)) as blocks:
            async for block in blocks:
                yield block

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[StoreEntry]]:
        """See :meth:`BackupStore.look`."""
        entries = await self.entries()
        names = [each.name for each in entries if each.name.endswith(endings) and each.size_bytes <= SMALL_BYTES]
        turns = asyncio.Semaphore(AT_ONCE)

        async def read(name: str) -> bytes | None:
            async with turns:
                try:
                    found = await self._bucket.get(name)
                except StoreError as error:
                    if error.code == "InvalidObjectState":  # in an archive
                        return None
                    raise
            return None if found is None else found.data

        reading = [asyncio.create_task(read(name)) for name in names]
        try:
            found = await asyncio.gather(*reading)
        finally:
            for task in reading:
                task.cancel()
        texts = {name: data for name, data in zip(names, found, strict=True) if data is not None}
        return texts, [entry for entry in entries if entry.name not in texts]

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """See :meth:`BackupStore.write`. A large file cannot be read before it is published."""
        part = name + UNFINISHED
        parted(name)
        parted(part)
        if name in self._written or await self._bucket.facts(part) is not None:
            raise _exists(part, self.where)
        upload = _PartUpload(self._bucket, name)
        try:
            await upload.send(blocks)
            phase("fsync")
            small = await upload.flush()
            if small is None:
                self._written[name] = upload
            else:
                await _put_new(self._bucket, part, small, upload.token)
        except BaseException:
            await to_end(_give_up(self._bucket, upload, part))
            raise
        return upload.size_bytes

    async def publish(self, names: Sequence[str]) -> None:
        """See :meth:`BackupStore.publish`. When it raises, no file has its name, as far as the store still responds;
        of large ones the part is gone too. A small part that cannot be deleted after that is a leftover, which the next
        run removes."""
        parts = {name: await self._unpublished(name) for name in names}
        given: dict[str, str] = {}
        try:
            for name, part in parts.items():
                await to_end(self._give_name(name, part, given))
        except BaseException:
            await to_end(self._take_back(given))
            raise
        await to_end(self._drop([name + UNFINISHED for name, part in parts.items() if isinstance(part, ObjectFacts)]))

    async def _unpublished(self, name: str) -> _PartUpload | ObjectFacts:
        """Return what was written of a file. Raises StoreError if nothing was, or if its name is taken."""
        parted(name)
        part = self._written.get(name) or await self._bucket.facts(name + UNFINISHED)
        if part is None:
            raise StoreError(tr("{name} does not exist in {where}", name=name + UNFINISHED, where=self.where))
        if await self._bucket.facts(name) is not None:
            raise _exists(name, self.where)
        return part

    async def _give_name(self, name: str, part: _PartUpload | ObjectFacts, given: dict[str, str]) -> None:
        given[name] = part.token  # from now on it may have its name, also if no answer comes
        if isinstance(part, _PartUpload):
            await part.complete()
            del self._written[name]
            return
        read = await self._bucket.get(name + UNFINISHED)
        if read is None or read.etag != part.etag:
            raise StoreError(tr("{name} in {where} was replaced while it was read", name=name, where=self.where))
        await _put_new(self._bucket, name, read.data, part.token)

    async def _take_back(self, given: Mapping[str, str]) -> None:
        """Remove the files that were given a name, and nothing that another program wrote there."""
        with suppress(LilFoxError, TimeoutError):
            async with asyncio.timeout(CLEANING_S):
                for name, token in given.items():
                    await self._bucket.remove(name, for_good=True, token=token)

    async def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            with suppress(LilFoxError):
                await self._bucket.remove(name, for_good=True)

    async def put_small(self, name: str, data: bytes) -> None:
        """See :meth:`BackupStore.put_small`."""
        parted(name)
        await self._bucket.put(name, data)

    async def remove(self, names: Sequence[str]) -> bool:
        """See :meth:`BackupStore.remove`. In a bucket that keeps versions only parts are removed for good."""
        for name in names:
            parted(name)
        unfinished = {name.removesuffix(UNFINISHED) for name in names if name.endswith(UNFINISHED)}
        for upload in [self._written.pop(name) for name in unfinished if name in self._written]:
            await upload.abort()
        if unfinished:
            for found in await self._bucket.uploads():
                if _part_of(found, self._bucket) in names:
                    await self._bucket.abort(found)
        kept = [await self._bucket.remove(name, for_good=name.endswith(UNFINISHED)) for name in names]
        return any(kept)

    async def object_lock(self, names: Sequence[str]) -> Message | None:
        """See :meth:`BackupStore.object_lock`. The server tells it to a key that may GetObjectRetention and
        GetObjectLegalHold."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(name: str) -> ObjectFacts | None:
            async with turns:
                return await self._bucket.facts(name)

        looking = [asyncio.create_task(look(name)) for name in names]
        try:
            found = [each for each in await asyncio.gather(*looking) if each is not None]
        finally:
            for task in looking:
                task.cancel()
        longest = max(found, key=lambda each: (each.held, each.locked_until or datetime.min.replace(tzinfo=UTC)),
                      default=None)  # fmt: skip
        return None if longest is None else locked(longest)

    async def free_bytes(self) -> int | None:
        """See :meth:`BackupStore.free_bytes`."""
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._bucket.close()


def _room(needed_bytes: int | None) -> Message:
    if needed_bytes is None:
        return tr("writable; a bucket does not report its free space")
    return tr(
        "writable; {needed} may be needed, and a bucket does not report its free space",
        needed=human_bytes(needed_bytes),
    )


def _part_of(upload: Upload, bucket: S3Bucket) -> str:
    """Return the name under which an unfinished upload is shown; that of a large copy too."""
    name = upload.key.removeprefix(bucket.root)
    return name if name.endswith(UNFINISHED) else name + UNFINISHED


def _exists(name: str, where: str) -> StoreError:
    return StoreError(
        tr("{name} already exists in {where} and is not overwritten", name=name, where=where),
        tr("Move it away if it is not needed."),
    )


class _PartUpload:
    """A file being written: unless it is small a multipart upload of its final name, which :meth:`complete` ends."""

    def __init__(self, bucket: S3Bucket, name: str) -> None:
        self.size_bytes = 0
        self.token = os.urandom(8).hex()
        self._bucket = bucket
        self._name = name
        self._key = bucket.key(name)
        self._held = bytearray()
        self._upload: Upload | None = None
        self._parts: list[CompletedPartTypeDef] = []

    async def send(self, blocks: AsyncIterator[bytes]) -> None:
        """Send all blocks but the last few; the next ones are read while a part is sent."""
        part_bytes = self._bucket.options.part_bytes
        sending: asyncio.Task[None] | None = None
        try:
            async for block in blocks:
                self._held += block
                self.size_bytes += len(block)
                while len(self._held) >= part_bytes:
                    if sending is not None:
                        await sending
                    piece = bytes(memoryview(self._held)[:part_bytes])
                    del self._held[:part_bytes]
                    sending = asyncio.create_task(self._send(piece))
            if sending is not None:
                await sending
        finally:
            await end_task(sending)

    async def _send(self, piece: bytes) -> None:
        upload, number = await self._begun(), len(self._parts) + 1
        if number > MOST_PARTS:
            raise StoreError(
                tr("{name} is too large for {where}: more than {count} parts", name=self._name,
                   where=self._bucket.where, count=MOST_PARTS),
                tr("Increase part_mb of the store."),
            )  # fmt: skip
        sent = await self._bucket.call(
            self._name,
            lambda client: client.upload_part(
                Bucket=self._bucket.bucket,
                Key=self._key,
                UploadId=upload.id,
                PartNumber=number,
                Body=piece,
                ContentMD5=md5_of(piece),
            ),
        )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    async def _begun(self) -> Upload:
        if self._upload is None:
            begun = await self._bucket.call(
                self._name,
                lambda client: client.create_multipart_upload(
                    Bucket=self._bucket.bucket, Key=self._key, Metadata={TOKEN: self.token}
                ),
            )
            self._upload = Upload(self._key, begun["UploadId"], datetime.now(UTC))
        return self._upload

    async def flush(self) -> bytes | None:
        """Send the rest, or return the content if it is a small file, of which nothing was sent."""
        if self._upload is None and self.size_bytes <= SMALL_BYTES:
            return bytes(self._held)
        if self._held:
            await self._send(bytes(self._held))
            self._held.clear()
        return None

    async def complete(self) -> None:
        """Make the file appear under its final name."""
        bucket, upload = self._bucket, self._upload
        assert upload is not None
        await bucket.create(
            self._name,
            self.token,
            lambda client, condition: client.complete_multipart_upload(
                Bucket=bucket.bucket, Key=self._key, UploadId=upload.id, MultipartUpload={"Parts": self._parts},
                **condition,
            ),
        )  # fmt: skip

    async def abort(self) -> None:
        """Take away what was sent."""
        if self._upload is not None:
            await self._bucket.abort(self._upload)


async def _put_new(bucket: S3Bucket, name: str, data: bytes, token: str) -> None:
    """Write a small file that must not exist."""
    await bucket.create(
        name,
        token,
        lambda client, condition: client.put_object(
            Bucket=bucket.bucket,
            Key=bucket.key(name),
            Body=data,
            ContentMD5=md5_of(data),
            Metadata={TOKEN: token},
            **condition,
        ),
    )


async def _give_up(bucket: S3Bucket, upload: _PartUpload, part: str) -> None:
    with suppress(LilFoxError, TimeoutError):
        async with asyncio.timeout(CLEANING_S):
            await upload.abort()
            await bucket.remove(part, for_good=True, token=upload.token)


# A bucket's lock: marks with names of their own, as no name can be taken safely where conditional writes are ignored.
#
# Who wants the lock puts its mark down and then lists the others'. A server of S3 lists what was written before: of two
# runs at least one sees the other. If both do, both withdraw and try again after a random time. A mark that nobody has
# touched for five minutes, by the server's clock, belongs to a dead run and is removed; its name is never used again.


EXCLUSIVE = LOCK + "."
YOUNG = timedelta(seconds=10)
ROUNDS = 4
WAIT_S = 0.3


@asynccontextmanager
async def bucket_lock(bucket: S3Bucket, who: str, *, shared: bool) -> AsyncIterator[None]:
    """See :meth:`lilfox_tui.backup.store.BackupStore.lock`. A bucket that this key cannot write to is shared without a
    mark."""
    mark = mark_of(who, "")
    mark.token = os.urandom(8).hex()
    data = msgspec.json.encode(mark)
    name = (SHARED if shared else EXCLUSIVE) + mark.token
    marks = _BucketMarks(bucket)
    try:
        await marks.take(name, data, shared=shared)
    except StoreError as error:
        if not (shared and error.status == 403):
            raise
        await marks.refuse_others(name, shared=True)
        yield
        return
    async with held(marks, bucket.where, name, data):
        yield


class _BucketMarks:
    """See :class:`lilfox_tui.backup.store_lock.HeldMarks`."""

    kept = False

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._read: dict[str, SmallObject] = {}
        self._beside: set[str] = set()  # other marks, when the held one was last touched

    async def take(self, name: str, data: bytes, *, shared: bool) -> None:
        """Put down the mark ``name``. Raises StoreHeld if another run's is in the way."""
        for left in reversed(range(ROUNDS)):
            try:
                await self._bucket.put(name, data)
                if await self.refuse_others(name, shared=shared, patient=left > 0):
                    return
            except BaseException:
                await to_end(self._withdraw(name))
                raise
            await self.remove([name])
            await asyncio.sleep(random.uniform(WAIT_S / 3, WAIT_S))  # noqa: S311 - not for secrets

    async def _withdraw(self, name: str) -> None:
        with suppress(LilFoxError, TimeoutError):  # then it is stale in five minutes
            async with asyncio.timeout(CLEANING_S):
                await self.remove([name])

    async def refuse_others(self, name: str, *, shared: bool, patient: bool = False) -> bool:
        """Return whether no other run's mark conflicts with ``name``. Raises StoreHeld if one does, and, when
        ``patient``, is not so young that its run may be withdrawing it."""
        now = await self._now()
        for found in await self._bucket.listed(begins=EXCLUSIVE if shared else PREFIX):
            other = found.key.removeprefix(self._bucket.root)
            if other == name or not other.startswith((EXCLUSIVE, SHARED)):
                continue
            if now - found.modified > STALE:
                await self.remove([other])
            elif patient and now - found.modified < YOUNG:
                return False
            else:
                raise held_by(self._bucket.where, await self._holder(other))
        return True

    async def _holder(self, name: str) -> StoreLockHolder:
        read = await self.read(name)
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            if read is not None:
                return msgspec.json.decode(read[0], type=Mark).holder
        return StoreLockHolder("?")

    async def read(self, name: str) -> tuple[bytes, datetime] | None:
        found = await self._bucket.get(name)
        if found is None:
            return None
        self._read[name] = found
        return found.data[:MARK_BYTES], found.modified

    async def touch(self, name: str) -> None:
        """Write the mark again, unless another run has taken it away since it was read."""
        old = self._read[name]
        conditional = {} if self._bucket.conditional is False else {"IfMatch": old.etag}
        try:
            await self._bucket.put(name, old.data, **conditional)
        except StoreError as error:
            if error.status != 501:
                raise
            self._bucket.conditional = False
            await self._bucket.put(name, old.data)
        if old.version:  # else a long run would leave one every half minute
            with suppress(StoreError):
                await self._bucket.remove_version(name, old.version)
        if self._bucket.conditional is False:
            await self._yield_to_newer(name, msgspec.json.decode(old.data, type=Mark).since)

    async def _yield_to_newer(self, name: str, since: datetime | None) -> None:
        """Remove the mark if a newer run's stays beside it: that run found it dead just before it was written again."""
        marks = await self._bucket.listed(begins=EXCLUSIVE if name.startswith(SHARED) else PREFIX)
        others = {found.key.removeprefix(self._bucket.root) for found in marks} - {name}
        beside, self._beside = self._beside & others, others  # who only tries soon takes its mark away
        for other in beside:
            there = (await self._holder(other)).since
            if other.startswith((EXCLUSIVE, SHARED)) and (since is None or there is None or there >= since):
                await self.remove([name])

    async def remove(self, names: list[str]) -> None:
        for name in names:
            await self._bucket.remove(name, for_good=True)

    async def _now(self) -> datetime:
        """Return the time by the server's clock, which also dates the marks."""
        answer = await self._bucket.call(
            ".",
            lambda client: client.list_objects_v2(Bucket=self._bucket.bucket, Prefix=self._bucket.root, MaxKeys=1),
        )
        with suppress(ValueError):
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")).astimezone(UTC)
        return datetime.now(UTC)
