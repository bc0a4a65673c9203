"""What a Prometheus must not be able to do to us: servers that hang, lie, flood or point elsewhere."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from lilfox_tui.config.model import ApiConfig
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.open import open_host
from lilfox_tui.promql import remote as http_api
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.remote import NotAnswered, RemoteEngine
from lilfox_tui.promql.value import Vector
from tests.services.http_servers import Talk, never, page, serving
from tests.services.sshd import sshd_lab

SCALAR = b'{"status":"success","data":{"resultType":"scalar","result":[1,"2.5"]}}'


async def asked(talk: Talk, text: str = "up", **config: object) -> object:
    """The answer of a server that does ``talk``."""
    async with serving(talk) as port:
        remote = RemoteEngine(ApiConfig(url=f"http://127.0.0.1:{port}", **config))  # type: ignore[arg-type]
        try:
            return await remote.instant(text)
        finally:
            await remote.close()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (page(b"<html>Welcome</html>"), "did not send a Prometheus API response: <html>Welcome"),
        (page(b'{"status":"success"'), "did not send a Prometheus API response"),
        (
            page(b'{"status":"success","data":{"resultType":"tensor","result":[1,"2"]}}'),
            "did not send a Prometheus API response",
        ),
        (page(b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{}}]}}'), "native histograms"),
        (page(b"[" * 100_000), "did not send a Prometheus API response"),
        (page(b"no", status="401 Unauthorized"), "returns 401: no"),
        (page(b"404 page not found", status="404 Not Found"), "returns 404"),
        (page(b"oops", status="500 Internal Server Error"), "returns 500: oops"),
        (page(b"", status="302 Found", head="Location: http://evil.example/login\r\n"), "not followed"),
        (
            page(b'{"status":"error","errorType":"timeout","error":"query timed out"}', status="503 No"),
            "query timed out",
        ),
        (page(b"password=hunter2", status="500 No"), r"returns 500: password=\*\*\*"),
        (page(b"\x1f\x8bgarbage", head="Content-Encoding: gzip\r\n"), "compressed response that is corrupt"),
    ],
)
async def test_what_is_no_answer_is_a_sentence(answer: Talk, says: str) -> None:
    with pytest.raises(LilFoxError, match=says):
        await asked(answer)


async def test_a_server_that_is_silent_is_given_up() -> None:
    with pytest.raises(NotAnswered, match=r"did not answer within 0\.3 s"):
        await asked(never, timeout=Seconds(0.3))


@pytest.mark.fault("S32")
async def test_a_bomb_is_given_up_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "BODY_LIMIT", 2 * 1024 * 1024)
    bomb = gzip.compress(b" " * 200 * 1024 * 1024)
    with pytest.raises(NotAnswered, match=r"sent more than 2\.0M"):
        await asked(page(bomb, head="Content-Encoding: gzip\r\n"))


async def test_an_overloaded_gateway_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_api, "RETRY_S", (0.01, 0.01))
    answers = [page(b"busy", status="502 Bad Gateway"), page(b"slow down", status="429 No"), page(SCALAR)]

    async def one_after_the_other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(reader, writer)

    assert await asked(one_after_the_other) == 2.5
    assert answers == []
    with pytest.raises(NotAnswered, match="returns 502: busy"):
        await asked(page(b"busy", status="502 Bad Gateway"))


async def test_a_long_question_goes_into_the_body_and_secrets_into_headers_only(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    (tmp_path / "token").chmod(0o600)
    seen: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"content-length" in line.lower()), 0
        )
        seen.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(SCALAR) + SCALAR)
        await writer.drain()

    bearer = SecretRef(f"file:{tmp_path / 'token'}")
    await asked(note, "up", bearer=bearer, headers={"X-Scope-OrgID": "prod"})
    await asked(note, "up + " * 1000 + "up", user="fox", password=bearer)
    short, long = seen
    assert short.startswith(b"GET /api/v1/query?query=up&time=")
    assert b"Authorization: Bearer s3cret\r\n" in short
    assert b"X-Scope-OrgID: prod\r\n" in short
    assert long.startswith(b"POST /api/v1/query HTTP/1.1\r\n")
    assert b"Authorization: Basic Zm94OnMzY3JldA==\r\n" in long
    assert b"query=up+%2B+up" in long


async def test_warnings_and_odd_numbers_come_through() -> None:
    document = {
        "status": "success",
        "warnings": ["store 3 did not answer"],
        "infos": ["metric might not be a counter"],
        "data": {
            "resultType": "vector",
            "result": [
                {"metric": {"a": value, "empty": ""}, "value": [1.5, value]}
                for value in ("NaN", "+Inf", "-Inf", "1e+300")
            ],
        },
    }
    warned: list[str] = []
    async with serving(page(json.dumps(document).encode())) as port:
        remote = RemoteEngine(ApiConfig(url=f"http://127.0.0.1:{port}/prometheus"), warn=warned.append)
        value = await remote.instant("x")
        await remote.close()
    assert isinstance(value, Vector)
    assert [str(one) for one in value.labels] == ['{a="NaN"}', '{a="+Inf"}', '{a="-Inf"}', '{a="1e+300"}']
    assert str(value.values.tolist()) == "[nan, inf, -inf, 1e+300]"
    assert warned == ["store 3 did not answer", "metric might not be a counter"]


async def test_a_host_asks_through_ssh_and_again_when_its_link_was_cut() -> None:
    with sshd_lab() as lab:
        sshd = lab.sshd()
        host = open_host("web-1", lab.host(sshd), lab.ssh())
        try:
            async with serving(page(SCALAR)) as port:
                remote = RemoteEngine(
                    ApiConfig(url=f"http://127.0.0.1:{port}", from_="web-1", timeout=Seconds(5)), host
                )
                assert await remote.instant("x") == 2.5
                sshd.kill()
                said = ""
                async with asyncio.timeout(60):  # until the loss is known, the forwarded port alone refuses
                    while not said.startswith("cannot send the request from web-1: "):
                        with pytest.raises(NotAnswered) as refused:
                            await remote.instant("x")
                        said = str(refused.value)
                assert "refuses the connection" in said
                sshd.start()
                assert await remote.instant("x") == 2.5
                await remote.close()
        finally:
            await host.close()


@pytest.mark.parametrize(
    ("said", "text", "shown"),
    [
        ('invalid parameter \\"query\\": 1:7: parse error: odd x', "up ü x", "odd x\n  up ü x\n       ^"),
        ("2:3: parse error: no", "a +\n  b", "no\n    b\n    ^"),
        ("9:9: parse error: far off", "up", "far off"),
        ("found duplicate series", "up + on() up", "found duplicate series"),
    ],
)
async def test_the_place_that_a_server_tells_becomes_a_caret(said: str, text: str, shown: str) -> None:
    body = f'{{"status":"error","errorType":"bad_data","error":"{said}"}}'.encode()
    with pytest.raises(QueryError) as caught:
        await asked(page(body, status="400 Bad Request"), text)
    assert str(caught.value) == shown
