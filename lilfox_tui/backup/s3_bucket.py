"""A bucket of an S3-compatible server, below a prefix: requests by botocore in threads, and errors in words.

botocore waits in threads. Whoever is cancelled does not wait with them: the thread is left behind and ends with its
request, which is bounded in time. What such a request still does is to a name that ends in ``.part``, or harmless.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

import botocore.config
import botocore.session
import urllib3
from botocore import exceptions
from msgspec import Struct

from lilfox_tui.backup.checks import SMALL_BYTES
from lilfox_tui.backup.options import S3Options
from lilfox_tui.backup.store import StoreError
from lilfox_tui.config.secrets import resolve
from lilfox_tui.core.aio import end_task
from lilfox_tui.core.errors import HostUnreachable, LilFoxError
from lilfox_tui.core.files import refuse
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

T = TypeVar("T")
TRIES = 3
CALL_S = 1800.0
"""So long a request may take with all its attempts, even if the server is never silent for long."""
AT_ONCE = 16
MOST_LISTED = 1_000_000
TOKEN = "lilfox-write"  # noqa: S105 - metadata, by which an object is known again when the answer to its write was lost
_PIECE = 8 * 1024 * 1024


class ObjectFacts(Struct, frozen=True, gc=False):
    """An object: its key, bytes, mtime by the server's clock (aware UTC) and ETag."""

    key: str
    size_bytes: int
    modified: datetime
    etag: str
    version: str = ""
    """Its version, in a bucket that keeps old ones."""
    token: str = ""
    locked_until: datetime | None = None
    held: bool = False
    """Under a legal hold."""


class SmallObject(Struct, frozen=True, gc=False):
    """An object's content, its mtime by the server's clock (aware UTC), ETag and version, as in ObjectFacts."""

    data: bytes
    modified: datetime
    etag: str
    version: str = ""


class Upload(Struct, frozen=True, gc=False):
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    id: str
    begun: datetime


def is_missing(error: StoreError) -> bool:
    """Return whether the object does not exist."""
    return error.status == 404 and error.code in ("404", "NoSuchKey", "NotFound", "NoSuchVersion")


def is_taken(error: StoreError) -> bool:
    """Return whether a conditional write found the name taken, or another write of it under way."""
    return error.code in ("PreconditionFailed", "ConditionalRequestConflict", "412")


class S3Bucket:
    """The bucket and prefix of ``options``. Its methods raise StoreError, HostUnreachable, or LilFoxError if
    a secret or certificate cannot be read."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self.bucket = options.bucket
        self.root = f"{options.prefix}/" if options.prefix else ""
        """What the keys of all names begin with."""
        self.where = f"s3://{options.bucket}/{options.prefix}".rstrip("/")
        self.server = urlsplit(options.endpoint).netloc or f"S3 {options.region}"
        self.conditional: bool | None = None
        """Whether the server honours ``If-None-Match``; None while that is unknown."""
        self._client: S3Client | None = None
        self._opening = asyncio.Lock()
        self._secrets: tuple[str, ...] = ()

    async def call(self, name: str, work: Callable[[S3Client], T], *, anonymous: bool = False) -> T:
        """Return the result of ``work``, run in a thread; ``name`` is the file that it is about."""
        try:
            client = await self._opened(anonymous=anonymous)
            async with asyncio.timeout(CALL_S):
                return await _in_thread(lambda: work(client))
        except TimeoutError:
            raise self._silent(CALL_S) from None
        except LilFoxError:
            raise
        except Exception as error:
            raise self._failed(name, error) from None

    async def _opened(self, *, anonymous: bool) -> S3Client:
        options = self.options
        async with self._opening:
            if self._client is not None and not anonymous:
                return self._client
            if options.ca_file:
                await asyncio.to_thread(refuse, Path(options.ca_file))
            token = "" if options.session_token is None else await resolve(options.session_token)
            keys = (await resolve(options.access_key), await resolve(options.secret_key), token)
            client = await _in_thread(lambda: _open(options, keys, anonymous=anonymous))
            if not anonymous:
                self._client, self._secrets = client, tuple(filter(None, keys))
            return client

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # Objects.

    def key(self, name: str) -> str:
        """Return the key of a name."""
        return self.root + name

    async def facts(self, name: str) -> ObjectFacts | None:
        """Return the facts of a file; None if it does not exist."""
        key = self.key(name)
        try:
            read = await self.call(name, lambda client: client.head_object(Bucket=self.bucket, Key=key))
        except StoreError as error:
            if is_missing(error):
                return None
            raise
        metadata = {key.casefold(): value for key, value in read.get("Metadata", {}).items()}
        return ObjectFacts(
            key=key,
            size_bytes=read["ContentLength"],
            modified=read["LastModified"].astimezone(UTC),
            etag=read.get("ETag", ""),
            version=_version(read.get("VersionId")),
            token=metadata.get(TOKEN, ""),
            locked_until=read.get("ObjectLockRetainUntilDate"),
            held=read.get("ObjectLockLegalHoldStatus") == "ON",
        )

    async def create(self, name: str, token: str, send: Callable[[S3Client, Any], object]) -> None:
        """Send a request that writes ``name`` and must not replace a file: ``send`` takes the condition as keywords.
        If it fails because an earlier attempt, whose answer was lost, had written it (the file has the ``token``), it
        has succeeded."""
        condition = {} if self.conditional is False else {"IfNoneMatch": "*"}
        try:
            await self.call(name, lambda client: send(client, condition))
        except StoreError as error:
            if condition and error.status == 501:
                self.conditional = False
                await self.create(name, token, send)
            elif is_taken(error) or error.code == "NoSuchUpload":
                found = await self.facts(name)
                if found is None or found.token != token:
                    raise
            else:
                raise

    async def put(self, name: str, data: bytes, **condition: str) -> None:
        """Write an object at once, replacing what is there."""
        extra: Any = condition
        await self.call(
            name,
            lambda client: client.put_object(
                Bucket=self.bucket, Key=self.key(name), Body=data, ContentMD5=md5_of(data), **extra
            ),
        )

    async def get(self, name: str) -> SmallObject | None:
        """Return a small object; None if it does not exist."""

        def read(client: S3Client) -> SmallObject:
            found = client.get_object(Bucket=self.bucket, Key=self.key(name))
            with closing(found["Body"]) as body:
                if found["ContentLength"] > SMALL_BYTES:
                    raise self._replaced(name)
                data = body.read()
            return SmallObject(
                data, found["LastModified"].astimezone(UTC), found.get("ETag", ""), _version(found.get("VersionId"))
            )

        try:
            return await self.call(name, read)
        except StoreError as error:
            if is_missing(error):
                return None
            raise

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield the content of an object in blocks; the next one is read while the last is used."""
        found = await self.facts(name)
        if found is None:
            raise StoreError(
                tr("{name} does not exist in {where}", name=name, where=self.where), code="404", status=404
            )
        size = found.size_bytes
        next_one: asyncio.Task[bytes] | None = None
        try:
            for at in range(0, size, _PIECE):
                piece = next_one or asyncio.create_task(self._piece(found, name, at))
                next_one = asyncio.create_task(self._piece(found, name, at + _PIECE)) if at + _PIECE < size else None
                yield await piece
        finally:
            await end_task(next_one)

    async def _piece(self, found: ObjectFacts, name: str, at: int) -> bytes:
        end = min(at + _PIECE, found.size_bytes)

        def read(client: S3Client) -> bytes:
            same: Any = {"IfMatch": found.etag} if found.etag else {}
            answer = client.get_object(Bucket=self.bucket, Key=found.key, Range=f"bytes={at}-{end - 1}", **same)
            with closing(answer["Body"]) as body:
                # Whether the answer is whole, botocore sees when all of it is read at once.
                data: bytes = body.read() if answer["ContentLength"] <= end - at else body.read(end - at + 1)
                return data

        for attempt in range(1, TRIES + 1):
            try:
                data = await self.call(name, read)
                break
            except HostUnreachable:  # the body broke off: botocore repeats requests alone
                if attempt == TRIES:
                    raise
            except StoreError as error:
                if not is_taken(error):
                    raise
                raise self._replaced(name) from None
        if len(data) != end - at:
            raise StoreError(
                tr("{name} in {where}: the server returned {got} bytes instead of {size}", name=name, where=self.where,
                   got=len(data), size=end - at),
                tr("The server may not support range requests."),
            )  # fmt: skip
        return data

    async def remove(self, name: str, *, for_good: bool = False, token: str | None = None) -> bool:
        """Delete an object, if it exists and has the ``token``; return whether the bucket keeps it as an old version.
        ``for_good``: delete that version too, if that is allowed. Raises StoreError, which says until when it is locked
        if the server refuses."""
        found = await self.facts(name)
        if found is None or (token is not None and found.token != token):
            return False
        if for_good and found.version:
            with suppress(StoreError):
                await self.remove_version(name, found.version)
                return False
        try:
            done = await self.call(name, lambda client: client.delete_object(Bucket=self.bucket, Key=found.key))
        except StoreError as error:
            if (why := locked(found)) is None:
                raise
            raise StoreError(
                tr("{name} in {where} was not removed: {why}", name=name, where=self.where, why=why),
                tr("Remove the set when the lock has ended."),
                code=error.code,
                status=error.status,
            ) from None
        return bool(done.get("DeleteMarker"))

    async def remove_version(self, name: str, version: str) -> None:
        """Delete one version of an object for good."""
        key = self.key(name)
        await self.call(name, lambda client: client.delete_object(Bucket=self.bucket, Key=key, VersionId=version))

    # Listings, in pages.

    async def listed(self, folder: str = "", begins: str = "") -> list[ObjectFacts]:
        """Return the objects of a folder (``""`` or ``FOLDER/``) whose names begin with ``begins``, without those of
        its sub-folders."""
        found: list[ObjectFacts] = []
        following: dict[str, Any] = {}
        while True:
            more: Any = following
            page = await self.call(
                ".",
                lambda client, more=more: client.list_objects_v2(  # type: ignore[misc]
                    Bucket=self.bucket, Prefix=self.root + folder + begins, Delimiter="/", **more
                ),
            )
            found += [
                ObjectFacts(each["Key"], each["Size"], each["LastModified"].astimezone(UTC), each.get("ETag", ""))
                for each in page.get("Contents", ())
            ]
            token = page.get("NextContinuationToken", "")
            if not page.get("IsTruncated"):
                return found
            if not token or {"ContinuationToken": token} == following or len(found) > MOST_LISTED:
                raise StoreError(
                    tr("the list of files in {where} does not end", where=self.where),
                    tr("Use a bucket or a prefix that holds nothing but backups."),
                )
            following = {"ContinuationToken": token}

    async def uploads(self) -> list[Upload]:
        """Return the unfinished uploads below the prefix; none if the server does not list them."""
        found: list[Upload] = []
        following: dict[str, Any] = {}
        while True:
            more: Any = following
            try:
                page = await self.call(
                    ".",
                    lambda client, more=more: client.list_multipart_uploads(  # type: ignore[misc]
                        Bucket=self.bucket, Prefix=self.root, **more
                    ),
                )
            except StoreError:
                return found
            found += [Upload(each["Key"], each["UploadId"], each["Initiated"]) for each in page.get("Uploads", ())]
            next_one = {
                name: page[f"Next{name}"] for name in ("KeyMarker", "UploadIdMarker") if page.get(f"Next{name}")
            }
            if not page.get("IsTruncated") or next_one in ({}, following) or len(found) > MOST_LISTED:
                return found
            following = next_one

    async def abort(self, upload: Upload) -> None:
        """Abort an upload; do nothing if it has ended."""
        try:
            await self.call(
                upload.key,
                lambda client: client.abort_multipart_upload(Bucket=self.bucket, Key=upload.key, UploadId=upload.id),
            )
        except StoreError as error:
            if error.code != "NoSuchUpload":
                raise

    # Errors.

    def _replaced(self, name: str) -> StoreError:
        return StoreError(tr("{name} in {where} was replaced while it was read", name=name, where=self.where))

    def _silent(self, seconds: float) -> HostUnreachable:
        return HostUnreachable(
            self.server,
            tr("{server}: no answer within {seconds:g} s", server=self.server, seconds=seconds),
            tr("Check that the server runs and that this machine reaches it."),
            link_lost=True,
        )

    def _failed(self, name: str, error: Exception) -> Exception:
        """Return the error of botocore in words; other errors unchanged."""
        if isinstance(error, exceptions.ClientError):
            return self._refused(name, error.response)
        if isinstance(error, exceptions.SSLError):
            return StoreError(
                tr("{server}: its TLS certificate is not accepted: {reason}", server=self.server,
                   reason=self._clean(str(error.kwargs.get("error", "")))),
                tr("Set ca_file to the authority that signed it."),
            )  # fmt: skip
        if isinstance(error, exceptions.ReadTimeoutError | exceptions.ConnectTimeoutError):
            return self._silent(self.options.timeout)
        if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError | exceptions.IncompleteReadError):
            return HostUnreachable(
                self.server,
                tr("{server}: the connection failed or was lost", server=self.server),
                tr("Check endpoint, that the server runs and that this machine reaches it."),
                link_lost=True,
            )
        if isinstance(error, RecursionError):  # botocore follows redirects to other regions
            return StoreError(tr("{server}: the server redirects without end", server=self.server), _REGION)
        if isinstance(error, exceptions.BotoCoreError | ValueError | KeyError):  # an answer that is none of S3
            return StoreError(
                tr("{name} in {where}: {reason}", name=name, where=self.where, reason=self._clean(str(error)))
            )
        return error

    def _refused(self, name: str, answer: Mapping[str, Any]) -> LilFoxError:
        told = answer.get("Error", {})
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = self._clean(str(told.get("Code", "")))[:60]
        if status >= 500 and status not in (501, 507):
            return HostUnreachable(
                self.server,
                tr("{server}: the server answered {status} ({code}), also when asked again", server=self.server,
                   status=status, code=code),
                tr("Look into the server's log, or try again later."),
                link_lost=True,
            )  # fmt: skip
        if code in ("404", "NoSuchKey", "NotFound"):
            message = tr("{name} does not exist in {where}", name=name, where=self.where)
        elif code in ("PreconditionFailed", "412", "ConditionalRequestConflict"):
            message = tr("{name} already exists in {where} and is not overwritten", name=name, where=self.where)
        else:
            reason = self._clean(str(told.get("Message", "")))[:300] or str(status)
            where = self.where if name == "." else str(tr("{name} in {where}", name=name, where=self.where))
            message = tr("{where}: {reason} ({code})", where=where, reason=reason, code=code)
        full = code in _FULL or status == 507
        hint = tr("Free up space, or remove older sets.") if full else _HINTS.get(code, "")
        return StoreError(message, hint, code=code, status=status, full=full)

    def _clean(self, text: str) -> str:
        """Return a server's text on one line, without the secrets that it may repeat."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return clean(text)


def _version(told: str | None) -> str:
    """Return the id of a version; empty in a bucket that keeps none."""
    return "" if told is None or told == "null" else told


def md5_of(data: bytes) -> str:
    """Return the Content-MD5 of a body: without it nothing can be written to a bucket whose object lock has a
    default."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


_RIGHTS = tr(
    "Allow the key ListBucket and ListBucketMultipartUploads on the bucket, and GetObject, PutObject, DeleteObject and "
    "AbortMultipartUpload below the prefix."
)
_KEYS = tr("Check access_key, secret_key and session_token.")
_REGION = tr("Check region and endpoint.")
_HINTS: Mapping[str, Message] = {
    "AccessDenied": _RIGHTS,
    "403": _RIGHTS,
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "InvalidToken": _KEYS,
    "ExpiredToken": _KEYS,
    "AuthorizationHeaderMalformed": _REGION,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "RequestTimeTooSkewed": tr("The clocks of this machine and of the server differ: correct them (timedatectl)."),
    "NoSuchBucket": tr("Create the bucket, or correct its name. LilFox does not create buckets."),
    "InvalidObjectState": tr("It was moved to an archive: have the server restore it first."),
    "PreconditionFailed": tr("Move it away if it is not needed."),
}
_FULL = ("XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "EntityTooLarge")


def locked(found: ObjectFacts) -> Message | None:
    """Return what the object lock says of an object; None if it has none."""
    if found.held:
        return tr("it is under a legal hold (object lock)")
    if found.locked_until is not None and found.locked_until > datetime.now(UTC):
        return tr(
            "it is locked until {until} (object lock)",
            until=found.locked_until.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        )
    return None


def _open(options: S3Options, keys: tuple[str, str, str], *, anonymous: bool) -> S3Client:
    """Return a client of botocore that reads no file of the AWS tools and no setting but those of ``options``."""
    if not options.verify_tls:  # the configuration said so; nothing is to be printed beside the screen
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    alone = {"config_file": os.devnull, "credentials_file": os.devnull, "profile": None,
             "ignore_configured_endpoint_urls": True}  # fmt: skip
    session = botocore.session.Session(session_vars={name: (None, None, value, None) for name, value in alone.items()})
    path = options.addressing == "path" or (options.addressing == "auto" and bool(options.endpoint))
    access_key, secret_key, token = keys
    verify = options.ca_file or ssl.get_default_verify_paths().cafile or True
    client = session.create_client(
        "s3",
        region_name=options.region,
        endpoint_url=options.endpoint or None,
        verify=verify if options.verify_tls else False,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token or None,
        config=botocore.config.Config(
            signature_version=botocore.UNSIGNED if anonymous else "s3v4",
            connect_timeout=min(options.timeout, 10),
            read_timeout=options.timeout,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=AT_ONCE,
            user_agent="lilfox",
            # The signature covers the SHA-256 of each body. The newer checksums are refused by many servers.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if path else "virtual", "payload_signing_enabled": True},
        ),
    )
    return cast("S3Client", client)


async def _in_thread(work: Callable[[], T]) -> T:
    """Return the result of ``work``, run in a thread that nobody waits for after a cancellation."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:  # goes to the one who asked
            failed = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, result, failed)

    threading.Thread(target=run, name="lilfox-s3", daemon=True).start()
    return await answer
