"""The store in a bucket when its server fails, hangs, refuses or answers nonsense."""

from __future__ import annotations

import asyncio

import pytest

from lilfox_tui.backup.store import StoreError
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import HostUnreachable, LilFoxError
from tests.services.s3_servers import ACCESS_KEY, SECRET_KEY, BucketBed, Rule, S3Server, front, refusal
from tests.services.test_stores import of
from tests.waiting import until

MIB = 1024 * 1024
pytestmark = [pytest.mark.xdist_group("s3"), pytest.mark.usefixtures("s3_keys")]
FAR = Seconds(600)
"""A limit that no test comes to."""


def always(what: str | bytes) -> Rule:
    return lambda _method, _target: what


async def test_a_server_that_is_busy_once_is_asked_again_and_one_that_stays_so_is_told(moto: S3Server) -> None:
    answers = iter([refusal(503, "SlowDown"), refusal(500, "InternalError")])
    busy: Rule = lambda _method, _target: next(answers, "pass")  # noqa: E731
    async with front(moto, busy) as url, BucketBed(moto, endpoint=url) as opened:
        await opened.store.put_small("a", b"x")
        assert opened.names == ["a"]
    async with front(moto, always(refusal(503, "SlowDown"))) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(HostUnreachable, match=r"answered 503 \(SlowDown\), also when asked again"):
            await opened.store.entries()


async def test_a_server_that_hangs_is_told_after_the_timeout(moto: S3Server) -> None:
    short = Seconds(0.2)
    async with front(moto, always("hang")) as url, BucketBed(moto, endpoint=url, timeout=short) as opened:
        with pytest.raises(HostUnreachable, match=r"no answer within 0.2 s"):
            await opened.store.entries()
        [check] = await opened.store.checks(1)
        assert check.state == "bad"


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


async def test_a_server_that_is_gone_is_told(moto: S3Server) -> None:
    async with front(moto, always("pass")) as url:
        pass
    async with BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(HostUnreachable, match="the connection failed or was lost"):
            await opened.store.entries()


async def test_a_write_whose_answer_was_lost_has_succeeded(moto: S3Server) -> None:
    """Its repetition finds the name taken, by itself."""
    for size, lost in ((10, "PUT"), (6 * MIB, "POST")):
        left = [True]

        def losing(method: str, target: str, lost: str = lost, left: list[bool] = left) -> str:
            is_write = method == lost and ("uploadId" in target or lost == "PUT")
            return "drop" if is_write and left and left.pop() else "pass"

        async with front(moto, losing) as url, BucketBed(moto, endpoint=url) as opened:
            assert await opened.store.write("a", of(b"x" * size)) == size
            await opened.store.publish(["a"])
            assert opened.names == ["a"]
            assert left == []


async def test_a_publication_that_fails_halfway_gives_no_name(moto: S3Server) -> None:
    def no_copy_of_b(method: str, target: str) -> str | bytes:
        return refusal(503, "SlowDown") if method == "PUT" and target.endswith("/b") else "pass"

    async with front(moto, no_copy_of_b) as url, BucketBed(moto, endpoint=url) as opened:
        for name in ("a", "b"):
            await opened.store.write(name, of(b"x"))
        with pytest.raises(HostUnreachable):
            await opened.store.publish(["a", "b"])
        assert opened.names == ["a.part", "b.part"]


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


async def test_a_server_that_redirects_without_end_is_a_sentence(moto: S3Server) -> None:
    elsewhere = always(refusal(301, "PermanentRedirect"))
    async with front(moto, elsewhere) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(StoreError) as caught:
            await opened.store.entries()
        assert "Check region" in str(caught.value.hint)


async def test_an_answer_that_is_none_of_s3_is_told(moto: S3Server) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 12\r\nConnection: close\r\n\r\n<html>hi<br>"
    async with front(moto, always(page)) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(LilFoxError):
            await opened.store.entries()


async def test_a_list_without_an_end_is_a_sentence(moto: S3Server) -> None:
    more = b"<IsTruncated>true</IsTruncated><NextContinuationToken>x</NextContinuationToken>"
    body = b"<ListBucketResult>" + more + b"</ListBucketResult>"
    page = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    async with front(moto, always(page)) as url, BucketBed(moto, endpoint=url) as opened:
        with pytest.raises(StoreError, match="does not end"):
            await opened.store.entries()
