"""The S3 store: a bucket of an S3-compatible server, and its lock.

S3 has no rename: publishing copies each ``NAME.part`` on the server and then deletes it. An upload that was begun and
not completed is shown as ``NAME.part`` too, so that the next run removes it like any leftover.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from lilfox_tui.backup.checks import SMALL_BYTES, Check
from lilfox_tui.backup.options import S3Options
from lilfox_tui.backup.s3_bucket import AT_ONCE, TOKEN, ObjectFacts, S3Bucket, S3Error, Upload, md5_of
from lilfox_tui.backup.sets.names import FOLDERS, UNFINISHED, is_name, parted
from lilfox_tui.backup.store import BackupStore, StoreEntry, StoreError, StoreLockHolder
from lilfox_tui.backup.store_lock import LOCK, MARK_BYTES, PREFIX, SHARED, STALE, Mark, held, held_by, mark_of
from lilfox_tui.core.aio import end_task, to_end
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_bytes
from lilfox_tui.hosts.base import Host

if TYPE_CHECKING:
    from types_boto3_s3.type_defs import CompletedPartTypeDef

COPY_BYTES = 1024 * 1024 * 1024
"""Copied on the server by one request; S3 allows 5 GiB."""
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
        except S3Error as error:
            if error.status == 501:
                await self._bucket.put(name, b"")
            elif not error.exists:
                raise
            return error.exists
        finally:
            await self._bucket.remove(name, for_good=True)
        return False

    async def _kept_versions(self) -> list[Message]:
        """Return what the bucket does with deleted files, as far as the key may read that."""
        bucket = self._bucket
        found: list[Message] = []
        with suppress(S3Error):
            versions = await bucket.call(".", lambda client: client.get_bucket_versioning(Bucket=bucket.bucket))
            if versions.get("Status") == "Enabled":
                found.append(
                    tr(
                        "versioning is on: removed sets remain as old versions, and take up space, until a lifecycle "
                        "rule of the bucket removes them"
                    )
                )
        with suppress(S3Error):
            lock = await bucket.call(".", lambda client: client.get_object_lock_configuration(Bucket=bucket.bucket))
            rule = lock.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
            if rule:
                found.append(
                    tr(
                        "object lock keeps every version for {count} {unit} ({mode})",
                        count=rule.get("Days") or rule.get("Years") or "?",
                        unit=tr("days") if rule.get("Days") else tr("years"),
                        mode=rule.get("Mode", "?"),
                    )
                )
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
                except S3Error as error:
                    if error.code == "InvalidObjectState":  # in an archive
                        return None
                    raise
            return None if found is None else found[0]

        reading = [asyncio.create_task(read(name)) for name in names]
        try:
            found = await asyncio.gather(*reading)
        finally:
            for task in reading:
                task.cancel()
        texts = {name: data for name, data in zip(names, found, strict=True) if data is not None}
        return texts, [entry for entry in entries if entry.name not in texts]

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """See :meth:`BackupStore.write`. The part appears when it is complete."""
        part = name + UNFINISHED
        parted(name)
        parted(part)
        if await self._bucket.facts(part) is not None:
            raise _exists(part, self.where)
        upload = _PartUpload(self._bucket, part)
        try:
            await upload.send(blocks)
            phase("fsync")
            await upload.finish()
        except BaseException:
            await to_end(_give_up(upload))
            raise
        return upload.size_bytes

    async def publish(self, names: Sequence[str]) -> None:
        """See :meth:`BackupStore.publish`. When it raises, no file has its name, as far as the store still responds. A
        part that cannot be deleted after that is a leftover, which the next run removes."""
        given: list[str] = []
        try:
            for name in names:
                await to_end(self._give_name(name, given))
        except BaseException:
            await to_end(self._take_back(given))
            raise
        await to_end(self._drop([name + UNFINISHED for name in names]))

    async def _give_name(self, name: str, given: list[str]) -> None:
        bucket, part = self._bucket, name + UNFINISHED
        parted(name)
        made, taken = await bucket.facts(part), await bucket.facts(name)
        if made is None:
            raise StoreError(tr("{name} does not exist in {where}", name=part, where=self.where))
        if taken is not None:
            raise _exists(name, self.where)
        given.append(name)
        try:
            await (self._copy if made.size_bytes <= COPY_BYTES else self._copy_large)(made, name)
        except S3Error as error:
            if error.exists:
                given.remove(name)
            raise

    async def _copy(self, made: ObjectFacts, name: str) -> None:
        bucket = self._bucket
        await bucket.create(
            name,
            made.token,
            lambda client, condition: client.copy_object(
                Bucket=bucket.bucket, Key=bucket.key(name), CopySource={"Bucket": bucket.bucket, "Key": made.key},
                **condition,
            ),
        )  # fmt: skip

    async def _copy_large(self, made: ObjectFacts, name: str) -> None:
        upload = _PartUpload(self._bucket, name, token=made.token)
        try:
            await upload.copy(made)
            await upload.finish()
        except BaseException:
            await _give_up(upload)
            raise

    async def _take_back(self, names: Sequence[str]) -> None:
        with suppress(LilFoxError, TimeoutError):
            async with asyncio.timeout(CLEANING_S):
                for name in names:
                    await self._bucket.remove(name)

    async def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            with suppress(LilFoxError):
                await self._bucket.remove(name, for_good=True)

    async def put_small(self, name: str, data: bytes) -> None:
        """See :meth:`BackupStore.put_small`."""
        parted(name)
        await self._bucket.put(name, data)

    async def remove(self, names: Sequence[str]) -> None:
        """See :meth:`BackupStore.remove`. Of a bucket that keeps versions only parts are removed for good. Raises
        StoreError for a file that the server refuses to delete, and says until when it is locked."""
        for name in names:
            parted(name)
        if any(name.endswith(UNFINISHED) for name in names):
            for upload in await self._bucket.uploads():
                if _part_of(upload, self._bucket) in names:
                    await self._bucket.abort(upload)
        for name in names:
            await self._bucket.remove(name, for_good=name.endswith(UNFINISHED))

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
    """An object being written, which appears when :meth:`finish` has succeeded: by one request if it is small, else by
    a multipart upload."""

    def __init__(self, bucket: S3Bucket, name: str, *, token: str = "") -> None:
        self.size_bytes = 0
        self._bucket = bucket
        self._name = name
        self._key = bucket.key(name)
        self._token = token or os.urandom(8).hex()
        self._held = bytearray()
        self._upload: Upload | None = None
        self._parts: list[CompletedPartTypeDef] = []

    async def send(self, blocks: AsyncIterator[bytes]) -> None:
        """Send all blocks but the last few, which :meth:`finish` sends; the next ones are read while a part is sent."""
        part_bytes = self._bucket.options.part_mb * 1024 * 1024
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

    async def copy(self, made: ObjectFacts) -> None:
        """Have the server copy another object."""
        upload = await self._begun()
        for number, at in enumerate(range(0, made.size_bytes, COPY_BYTES), 1):
            end = min(at + COPY_BYTES, made.size_bytes)
            sent = await self._bucket.call(
                self._name,
                lambda client, number=number, at=at, end=end: client.upload_part_copy(  # type: ignore[misc]
                    Bucket=self._bucket.bucket,
                    Key=self._key,
                    UploadId=upload.id,
                    PartNumber=number,
                    CopySource={"Bucket": self._bucket.bucket, "Key": made.key},
                    CopySourceRange=f"bytes={at}-{end - 1}",
                ),
            )
            self._parts.append({"PartNumber": number, "ETag": sent["CopyPartResult"]["ETag"]})

    async def _begun(self) -> Upload:
        if self._upload is None:
            begun = await self._bucket.call(
                self._name,
                lambda client: client.create_multipart_upload(
                    Bucket=self._bucket.bucket, Key=self._key, Metadata={TOKEN: self._token}
                ),
            )
            self._upload = Upload(self._key, begun["UploadId"], datetime.now(UTC))
        return self._upload

    async def finish(self) -> None:
        """Make the object appear."""
        bucket, upload = self._bucket, self._upload
        if upload is None:
            data = bytes(self._held)
            await bucket.create(
                self._name,
                self._token,
                lambda client, condition: client.put_object(
                    Bucket=bucket.bucket,
                    Key=self._key,
                    Body=data,
                    ContentMD5=md5_of(data),
                    Metadata={TOKEN: self._token},
                    **condition,
                ),
            )
            return
        if self._held:
            await self._send(bytes(self._held))
        await bucket.create(
            self._name,
            self._token,
            lambda client, condition: client.complete_multipart_upload(
                Bucket=bucket.bucket, Key=self._key, UploadId=upload.id, MultipartUpload={"Parts": self._parts},
                **condition,
            ),
        )  # fmt: skip

    async def abort(self) -> None:
        """Take away what was written of it."""
        if self._upload is not None:
            await self._bucket.abort(self._upload)
        found = await self._bucket.facts(self._name)
        if found is not None and found.token == self._token:
            await self._bucket.remove(self._name, for_good=True)


async def _give_up(upload: _PartUpload) -> None:
    with suppress(LilFoxError, TimeoutError):
        async with asyncio.timeout(CLEANING_S):
            await upload.abort()


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
    except S3Error as error:
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
        self._read: dict[str, tuple[bytes, str]] = {}

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
        self._read[name] = found[0], found[2]
        return found[0][:MARK_BYTES], found[1]

    async def touch(self, name: str) -> None:
        """Write the mark again, unless another run has taken it away since it was read."""
        data, etag = self._read[name]
        conditional = {} if self._bucket.conditional is False else {"IfMatch": etag}
        try:
            await self._bucket.put(name, data, **conditional)
        except S3Error as error:
            if error.status != 501:
                raise
            self._bucket.conditional = False
            await self._bucket.put(name, data)

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
