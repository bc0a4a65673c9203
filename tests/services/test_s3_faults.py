"""The store in a bucket when its server fails, hangs, refuses or answers nonsense."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, aclosing
from pathlib import Path

import pytest

from lilfox_tui.backup.store import StoreError
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostUnreachable, LilFoxError
from tests.services import s3_servers
from tests.services.s3_servers import ACCESS_KEY, SECRET_KEY, BucketBed, Rule, S3Server, front, refusal
from tests.services.test_stores import of, whole
from tests.waiting import until

MIB = 1024 * 1024
pytestmark = [pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("s3_keys")]
FAR = Seconds(600)
"""A limit that no test comes to."""


def always(what: str | bytes) -> Rule:
    return lambda _method, _target: what


@pytest.mark.fault("1.66")
async def test_a_server_that_is_busy_once_is_asked_again_and_one_that_stays_so_is_told(moto: S3Server) -> None:
    answers = iter([refusal(503, "SlowDown"), refusal(500, "InternalError")])
    busy: Rule = lambda _method, _target: next(answers, "pass")  # noqa: E731
    async with front(moto, busy) as url, BucketBed(moto, endpoint=url) as opened:
        await opened.store.put_small("a", b"x")
        assert opened.names == ["a"]
    async with front(moto, always(refusal(503, "SlowDown"))) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(HostUnreachable, match=r"answered 503 \(SlowDown\), also when asked again"):
            await opened.store.entries()


@pytest.mark.fault("1.66")
async def test_a_server_that_hangs_is_told_after_the_timeout(moto: S3Server) -> None:
    short = Seconds(0.2)
    async with front(moto, always("hang")) as url, BucketBed(moto, endpoint=url, timeout=short) as opened:
        with pytest.raises(HostUnreachable, match=r"no answer within 0.2 s"):
            await opened.store.entries()
        [check] = await opened.store.checks(1)
        assert check.state == "bad"


@pytest.mark.fault("1.66")
async def test_a_cancellation_does_not_wait_for_a_server_that_hangs(moto: S3Server) -> None:
    asked: list[str] = []

    def hanging(method: str, _target: str) -> str:
        asked.append(method)
        return "hang"

    async with front(moto, hanging) as url, BucketBed(moto, endpoint=url, timeout=FAR) as opened:
        for work in (opened.store.entries(), opened.store.put_small("a", b""), opened.store.remove(["a"])):
            asked.clear()
            task = asyncio.create_task(work)
            await until(lambda: asked)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()


@pytest.mark.fault("1.66")
async def test_a_server_that_is_gone_is_told(moto: S3Server) -> None:
    async with front(moto, always("pass")) as url:
        pass
    async with BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(HostUnreachable, match="the connection failed or was lost"):
            await opened.store.entries()


@pytest.mark.parametrize(("size", "lost"), [(10, "PUT"), (5 * MIB, "POST")], ids=["put", "complete"])
@pytest.mark.fault("1.67")
async def test_a_write_whose_answer_was_lost_has_succeeded(moto: S3Server, size: int, lost: str) -> None:
    """Its repetition finds the name taken, by itself."""
    lose = ["a.part", "a"] if lost == "PUT" else ["a"]

    def losing(method: str, target: str) -> str:
        name = target.split("?")[0].rpartition("/")[2]
        if method == lost and name in lose and (lost == "PUT" or "uploadId" in target):
            lose.remove(name)
            return "drop"
        return "pass"

    async with front(moto, losing) as url, BucketBed(moto, endpoint=url) as opened:
        assert await opened.store.write("a", of(b"x" * size)) == size
        await opened.store.publish(["a"])
        assert opened.names == ["a"]
        assert not lose


@pytest.mark.parametrize("size", [1, 5 * MIB])
@pytest.mark.fault("1.66")
async def test_a_publication_that_fails_halfway_gives_no_name(moto: S3Server, size: int) -> None:
    def nothing_of_b(method: str, target: str) -> str | bytes:
        is_last = (method == "PUT" and target.endswith("/b")) or (method == "POST" and "/b?uploadId" in target)
        return refusal(503, "SlowDown") if is_last else "pass"

    async with front(moto, nothing_of_b) as url, BucketBed(moto, endpoint=url) as opened:
        for name in ("a", "b"):
            await opened.store.write(name, of(b"x" * size))
        with pytest.raises(HostUnreachable):
            await opened.store.publish(["a", "b"])
        assert opened.names == (["a.part", "b.part"] if size == 1 else ["b.part"])
        await opened.store.remove(["a.part", "b.part"])
        assert opened.names == []


@pytest.mark.fault("1.66")
async def test_a_server_that_is_killed_during_an_upload_ends_it_and_the_next_one_is_made_anew(tmp_path: Path) -> None:
    async def blocks(last: list[AbstractContextManager[S3Server]]) -> AsyncGenerator[bytes, None]:
        yield b"x" * (6 * MIB)
        for each in last:
            each.__exit__(None, None, None)
        yield b"y" * (6 * MIB)

    first = s3_servers.rclone(tmp_path)
    server = first.__enter__()
    async with BucketBed(server) as opened:
        with pytest.raises(HostUnreachable, match="the connection failed or was lost"):
            await opened.store.write("a", blocks([first]))
        with pytest.raises(HostUnreachable):
            await opened.store.entries()
    with s3_servers.rclone(tmp_path) as again:
        async with BucketBed(again, bucket=opened.bucket) as opened:
            assert await opened.store.entries() == []
            await opened.store.write("a", blocks([]))
            await opened.store.publish(["a"])
            assert opened.names == ["a"]


@pytest.mark.fault("1.68")
async def test_an_answer_that_breaks_off_is_asked_for_again_and_never_taken_for_the_whole(rclone: S3Server) -> None:
    data = os.urandom(9 * MIB)
    cuts = [1]

    def cutting(method: str, target: str) -> str:
        if method == "GET" and target.endswith(("/a", "/small")) and cuts[0]:
            cuts[0] -= 1
            return "cut"
        return "pass"

    async with front(rclone, cutting) as url, BucketBed(rclone, endpoint=url) as opened:
        await opened.store.write("a", of(data))
        await opened.store.publish(["a"])
        assert await whole(opened.store, "a") == data
        assert cuts == [0]
        await opened.store.put_small("small", b"x" * 1000)
        cuts[0] = 1000
        with pytest.raises(HostUnreachable):
            await whole(opened.store, "a")
        with pytest.raises(HostUnreachable):
            await opened.store.look(("small",))


@pytest.mark.fault("1.68")
async def test_a_file_that_is_replaced_while_it_is_read_is_not_mixed(moto: S3Server) -> None:
    async with BucketBed(moto) as opened:
        opened.put("a", b"1" * (20 * MIB))
        async with aclosing(opened.store.read("a")) as blocks:
            await anext(blocks)
            opened.put("a", b"2" * (20 * MIB))
            with pytest.raises(StoreError, match="was replaced while it was read"):
                async for _block in blocks:
                    pass


@pytest.mark.fault("1.68")
async def test_a_server_that_ignores_ranges_is_told(moto: S3Server) -> None:
    body = b"x" * 10
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nLast-Modified: Wed, 02 Dec 2026 10:00:00 GMT\r\n" % len(body)

    def short(method: str, target: str) -> str | bytes:
        return head + b"Connection: close\r\n\r\n" + body if method == "GET" and target.endswith("/a") else "pass"

    async with front(moto, short) as url, BucketBed(moto, endpoint=url) as opened:
        opened.put("a", b"y" * 11)
        with pytest.raises(StoreError, match="returned 10 bytes instead of 11"):
            await whole(opened.store, "a")


@pytest.mark.fault("1.68")
async def test_a_wrong_etag_of_a_part_gives_no_file(moto: S3Server) -> None:
    answer = (
        b'HTTP/1.1 200 OK\r\nETag: "00000000000000000000000000000000"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    )

    def wrong(_method: str, target: str) -> str | bytes:
        return answer if "partNumber=1" in target else "pass"

    async with front(moto, wrong) as url, BucketBed(moto, endpoint=url) as opened:
        await opened.store.write("a", of(b"x" * (6 * MIB)))
        with pytest.raises(StoreError, match="InvalidPart"):
            await opened.store.publish(["a"])
        await opened.store.remove(["a.part"])
        assert opened.names == []


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (403, "RequestTimeTooSkewed", "The clocks of this machine and of the server differ"),
        (403, "InvalidAccessKeyId", "Check access_key"),
        (400, "ExpiredToken", "session_token"),
        (507, "XMinioStorageFull", "Free up space"),
        (400, "AuthorizationHeaderMalformed", "Check region"),
    ],
)
async def test_what_a_server_refuses_is_told_with_what_to_do(moto: S3Server, status: int, code: str, hint: str) -> None:
    answer = refusal(status, code, f"no {SECRET_KEY} {ACCESS_KEY}")
    async with front(moto, always(answer)) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(LilFoxError) as caught:
            await opened.store.put_small("a", b"x")
        assert hint in str(caught.value.hint)
        assert code in str(caught.value)
        assert SECRET_KEY not in str(caught.value)
        assert ACCESS_KEY not in str(caught.value)
        assert getattr(caught.value, "full", False) is (status == 507)


@pytest.mark.fault("1.68")
async def test_a_server_that_redirects_without_end_is_a_sentence(moto: S3Server) -> None:
    elsewhere = always(refusal(301, "PermanentRedirect"))
    async with front(moto, elsewhere) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(StoreError) as caught:
            await opened.store.entries()
        assert "Check region" in str(caught.value.hint)


@pytest.mark.fault("1.68")
async def test_an_answer_that_is_none_of_s3_is_told(moto: S3Server) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<html>hi<br>"
    async with front(moto, always(page)) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(LilFoxError):
            await opened.store.entries()


@pytest.mark.fault("1.68")
async def test_a_list_without_an_end_is_a_sentence(moto: S3Server) -> None:
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    body = b"<ListBucketResult>" + more + b"</ListBucketResult>"
    page = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    async with front(moto, always(page)) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(StoreError, match="does not end"):
            await opened.store.entries()
