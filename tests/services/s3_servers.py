"""S3-compatible servers that others wrote, on loopback ports, and a front before one that answers as bad ones do."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from lilfox_tui.backup.options import S3Options
from lilfox_tui.backup.stores import s3
from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.services.http_servers import serving
from tests.waiting import wait_for

ACCESS_KEY, SECRET_KEY = "AKIDCANARY0123456789", "canary/secret+of/these/tests/0123456789ab"
_BUCKETS = itertools.count(1)


class S3Server:
    """A running server. ``folder``: where rclone has the buckets' files; moto has them in its memory."""

    def __init__(self, kind: str, url: str, folder: Path | None = None) -> None:
        self.kind = kind
        self.url = url
        self.folder = folder
        self.client: Any = botocore.session.Session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required"),
        )

    def bucket(self, **options: Any) -> str:
        """A new bucket."""
        name = f"bucket-{os.getpid()}-{next(_BUCKETS)}"
        self.client.create_bucket(Bucket=name, **options)
        return name

    def keys(self, bucket: str) -> list[str]:
        """Of all objects, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return sorted(each["Key"] for page in pages for each in page.get("Contents", ()))

    def uploads(self, bucket: str) -> list[str]:
        """The keys of unfinished uploads."""
        try:
            return [each["Key"] for each in self.client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]
        except self.client.exceptions.NoSuchUpload:  # rclone's answer where there never was one
            return []


@contextmanager
def moto() -> Iterator[S3Server]:
    """The server of moto. It honours If-None-Match of puts, keeps versions, and lets everybody in."""
    port = free_port()
    argv = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(argv, f"http://127.0.0.1:{port}/"):
        yield S3Server("moto", f"http://127.0.0.1:{port}")


@contextmanager
def rclone(folder: Path, *words: str) -> Iterator[S3Server]:
    """``rclone serve s3``. It checks signatures, ignores If-None-Match, and has files of a folder as objects."""
    port = free_port()
    program = shutil.which("rclone", path=str(Path(sys.executable).parent)) or "rclone"
    argv = [
        program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}",
        "--config", os.devnull, "--inplace", *words, str(folder),
    ]  # fmt: skip
    url = f"https://localhost:{port}" if "--cert" in words else f"http://127.0.0.1:{port}"
    with _running(argv, f"http://127.0.0.1:{port}/"):
        yield S3Server("rclone", url, folder)


@contextmanager
def _running(argv: list[str], url: str) -> Iterator[None]:
    null = subprocess.DEVNULL
    process = subprocess.Popen(ending_with_us(*argv), stdin=null, stdout=null, stderr=null)
    try:
        wait_for(lambda: process.poll() is not None or _answers(url), what=f"{argv[0]} answers")
        assert process.poll() is None, f"{argv} ended with {process.returncode}"
        yield
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


Rule = Callable[[str, str], str | bytes]
"""Of a method and a target: ``pass``, ``hang``, ``drop`` (the answer is lost), ``cut`` (it ends in its middle), or the
answer itself."""


def refusal(status: int, code: str, message: str = "") -> bytes:
    """An answer of S3 that says no."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


@asynccontextmanager
async def front(server: S3Server, rule: Rule) -> AsyncIterator[str]:
    """The address of a server before ``server`` that does with each request what ``rule`` says."""
    port = int(server.url.rpartition(":")[2])

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith((b"connection:", b"expect:"))]
        if b"100-continue" in head:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        sizes = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")]
        body = await reader.readexactly(sizes[0] if sizes else 0)
        what = rule(method, target)
        if what == "hang":
            await asyncio.Event().wait()
        if isinstance(what, bytes):
            writer.write(what)
            await writer.drain()
            return
        behind, ahead = await asyncio.open_connection("127.0.0.1", port)
        try:
            ahead.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            answer = await behind.read()
        finally:
            ahead.close()
            with suppress(OSError):
                await ahead.wait_closed()
        if what == "cut":
            answer = answer[: -(len(answer) // 2)]
        if what != "drop":
            writer.write(answer)
            await writer.drain()

    async with serving(talk) as own:
        yield f"http://127.0.0.1:{own}"


class BucketBed:
    """A bucket of its own, a store in it, and what lies there, seen without the store."""

    def __init__(self, server: S3Server, *, bucket: str = "", **options: Any) -> None:
        self.server = server
        self.bucket = bucket or server.bucket()
        values = {"prefix": "lil/fox", "endpoint": server.url, "part_mb": 5, **options}
        self.store = s3.S3Store("s", S3Options(bucket=self.bucket, **values))

    async def __aenter__(self) -> BucketBed:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.store.close()

    @property
    def names(self) -> list[str]:
        """What lies below the prefix, unfinished uploads too."""
        unfinished = {f"{key.removesuffix('.part')}.part" for key in self.server.uploads(self.bucket)}
        return sorted(key.removeprefix("lil/fox/") for key in unfinished | set(self.server.keys(self.bucket)))

    def put(self, name: str, data: bytes) -> None:
        """Write an object beside the store."""
        self.server.client.put_object(Bucket=self.bucket, Key=f"lil/fox/{name}", Body=data)
