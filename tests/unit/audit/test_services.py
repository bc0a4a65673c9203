"""Services as an audit sees them: what is public, what a response says, and that no answer ends the audit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.audit.catalogue import chosen, kind_of
from lilfox_tui.audit.checks.http.cookies import cookies_of
from lilfox_tui.audit.checks.http.latency import quantile
from lilfox_tui.audit.jwt_tokens import public_keys, read_jwt
from lilfox_tui.audit.model import Facts, Found, NotChecked, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.services import (
    PAGE,
    Configured,
    Get,
    GetAsset,
    GetCertificate,
    GetPlain,
    Handshake,
    Hello,
    HttpReply,
    ServiceAddress,
    ServiceClient,
    Where,
)
from lilfox_tui.audit.targets.tls_hello import TLS_1_0, TLS_1_2, WEAK_SUITES, client_hello, read_server_hello
from lilfox_tui.config.model import ServiceConfig

SERVICE = [check for check in chosen([]) if kind_of(check) == "service"]
SHOP = ServiceAddress("https", "shop.example.com", 443)
INSIDE = ServiceAddress("http", "10.0.0.7", 8000)


@pytest.mark.parametrize(
    ("scheme", "name", "addresses", "public", "internal"),
    [
        ("https", "shop.example.com", ("93.184.215.14",), True, False),
        ("http", "shop.example.com", ("93.184.215.14",), True, False),
        ("http", "shop.example.com", (), True, False),
        ("http", "shop.example.com", ("127.0.1.1",), True, False),
        ("http", "shop.example.com", ("10.0.0.7",), False, True),
        ("https", "shop.example.com", ("10.0.0.7", "fd00::7"), False, False),
        ("http", "10.0.0.7", (), False, True),
        ("http", "127.0.0.1", (), False, True),
        ("http", "93.184.215.14", (), True, False),
        ("http", "::1", (), False, True),
        ("http", "2606:4700::1111", (), True, False),
        ("http", "backend", (), False, True),
        ("http", "api.shop.svc.cluster.local", (), False, True),
        ("http", "localhost", ("127.0.0.1",), False, True),
        ("http", "db.lan.", (), False, True),
    ],
)
def test_what_the_internet_may_reach(
    scheme: str, name: str, addresses: tuple[str, ...], public: bool, internal: bool
) -> None:
    address = ServiceAddress(scheme, name, 80, addresses)
    assert (address.is_public, address.is_internal) == (public, internal)


def test_origins_are_named_as_browsers_do() -> None:
    assert SHOP.origin == "https://shop.example.com"
    assert ServiceAddress("http", "fd00::7", 8000).origin == "http://[fd00::7]:8000"


def test_cookies_in_one_line() -> None:
    line = (
        "session=abc; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Secure; HttpOnly; SameSite=Lax, csrftoken=x; Path=/, "
        "auth_token=; Max-Age=0, JSESSIONID=1A2B; Path=/, AWSALB=route; theme=dark"
    )
    cookies = cookies_of(HttpReply(SHOP, "/", 200, {"set-cookie": line}))
    assert [each.name for each in cookies] == ["session", "csrftoken", "auth_token", "JSESSIONID", "AWSALB"]
    assert [each.name for each in cookies if each.is_session] == ["session", "JSESSIONID"]
    assert cookies[0].attributes["samesite"] == "lax"


def test_the_first_message_of_a_handshake() -> None:
    """Byte for byte by RFC 5246: a server is asked for no more than the version, and for these ciphers alone."""
    sent = client_hello(TLS_1_2, WEAK_SUITES, "shop.example.com")
    assert sent[:3] == b"\x16\x03\x01"
    assert int.from_bytes(sent[3:5]) == len(sent) - 5
    assert (sent[5], int.from_bytes(sent[6:9])) == (1, len(sent) - 9)
    assert sent[9:11] == b"\x03\x03"
    count = int.from_bytes(sent[44:46]) // 2
    suites = [int.from_bytes(sent[46 + 2 * at : 48 + 2 * at]) for at in range(count)]
    assert suites == [*WEAK_SUITES, 0x00FF]
    assert b"shop.example.com" in sent
    assert b"10.0.0.7" not in client_hello(TLS_1_0, [0x2F], "10.0.0.7")
    assert client_hello(0x0300, [0x2F], "shop.example.com").endswith(b"\x00\x2f\x00\xff\x01\x00")


def test_the_answer_to_it() -> None:
    hello = bytes([22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3]) + bytes(32) + bytes([0, 0xC0, 0x06, 0])
    found = read_server_hello(hello + bytes(4))
    assert found is not None
    assert (found.version, found.suite) == (TLS_1_2, 0xC006)
    assert read_server_hello(b"") is None
    assert read_server_hello(bytes([21, 3, 1, 0, 2, 2, 70])) is None
    for wrong in (b"HTTP/1.1 400 Bad Request", hello[:20], b"\x16\x03\x03\x00\x04\x0e\0\0\0"):
        with pytest.raises(ValueError):
            read_server_hello(wrong)


@given(st.binary(max_size=80))
def test_no_bytes_end_the_reading_of_an_answer(answer: bytes) -> None:
    for each in (answer, b"\x16\x03\x03\x00\x50" + answer):
        try:
            read_server_hello(each)
        except ValueError:
            continue


@given(st.text(alphabet='ab.{}"=-_', max_size=60) | st.text(max_size=60))
def test_no_text_ends_the_reading_of_a_token(text: str) -> None:
    for read in (lambda: read_jwt(text), lambda: public_keys(text.encode("utf-8", "surrogatepass"))):
        try:
            read()
        except ValueError:
            continue


def test_a_quantile_as_prometheus_has_it() -> None:
    assert quantile({0.1: 94.0, 0.5: 94.0, 2.5: 94.0, 5.0: 100.0, float("inf"): 100.0}) == pytest.approx(2.5 + 2.5 / 6)
    assert quantile({0.1: 10.0, float("inf"): 100.0}) == 0.1


headers = st.dictionaries(
    st.sampled_from(
        ["server", "set-cookie", "content-type", "content-encoding", "cache-control", "location", "connection",
         "strict-transport-security", "access-control-allow-origin", "access-control-allow-credentials", "retry-after"]
    ),
    st.text(max_size=40) | st.sampled_from(["text/html", "text/plain", "null", "true", "max-age=" + "9" * 5000]),
)  # fmt: skip
replies = st.builds(
    HttpReply,
    st.sampled_from([SHOP, INSIDE]),
    st.just("/"),
    st.integers(100, 599),
    headers,
    st.binary(max_size=200) | st.sampled_from([b'<script src="/a.js">', b"# TYPE a histogram\na_bucket 1\n"]),
)


def _answers(reply: HttpReply | None, junk: bytes) -> Mapping[type, Any]:
    return {
        Where: SHOP,
        Configured: ServiceConfig(url="https://shop.example.com"),
        Get: reply,
        GetAsset: reply,
        GetPlain: reply,
        GetCertificate: Handshake(SHOP, junk),
        Hello: False,
    }


@given(replies, st.binary(max_size=60))
def test_no_answer_of_a_service_ends_the_audit(reply: HttpReply, junk: bytes) -> None:
    answers = _answers(reply, junk)
    for check in SERVICE:
        given_answers = {fact.name: answers.get(type(fact.question)) for fact in check.facts}
        list(judged(Target("service", "shop"), [check], given_answers))


def test_a_certificate_that_cannot_be_read_is_never_a_pass() -> None:
    answers = _answers(None, b"junk")
    for check in (each for each in SERVICE if each.id.startswith("tls-certificate")):
        given_answers = {fact.name: answers[type(fact.question)] for fact in check.facts}
        told = list(judged(Target("service", "shop"), [check], given_answers))
        assert [type(each) for each in told] == [NotChecked]


def test_a_page_over_https_without_any_header_and_the_same_inside() -> None:
    """Precision: what browsers of the public see is judged, what a proxy in front answers for is not."""
    body = b"<title>shop</title>" + b"hello " * 400
    for place, expected in ((SHOP, {"browser-headers", "http-no-hsts", "http-compression"}), (INSIDE, set())):
        reply = HttpReply(place, "/", 200, {"content-type": "text/html"}, body)
        found = set()
        for check in SERVICE:
            answers = {**_answers(reply, b""), Where: place, GetAsset: None, GetPlain: None, GetCertificate: None}
            given_answers = {fact.name: answers.get(type(fact.question)) for fact in check.facts}
            outcomes = judged(Target("service", "shop"), [check], given_answers)
            found |= {each.check.id for each in outcomes if isinstance(each, Found)}
        assert found == expected


def test_what_a_server_sends_gets_into_no_line_of_a_fix() -> None:
    """Lines are pasted into configurations and shells."""
    hostile = "`id`{}$x'"
    page = HttpReply(
        SHOP, "/", 200, {"content-type": f"text/{hostile}", "set-cookie": f"session{hostile}=1"}, b"a" * 2000
    )
    asset = HttpReply(SHOP, f"/{hostile}/a.js", 200, {"server": "uvicorn"})
    answers = {**_answers(page, b""), GetAsset: asset}
    count = 0
    for check in SERVICE:
        given_answers = {fact.name: answers.get(type(fact.question)) for fact in check.facts}
        for each in judged(Target("service", "shop"), [check], given_answers):
            if isinstance(each, Found) and hostile in str((each.finding.subject, each.finding.evidence)):
                count += 1
                assert not [line for line in each.finding.fix.lines if hostile in line], check.id
    assert count == 4


def test_links_on_a_page_that_lead_elsewhere_are_not_followed() -> None:
    client = ServiceClient(ServiceConfig(url="https://shop.example.com/app"), None, active=False)
    assert client.local("/app/", "static/a.js?v=1") == "/app/static/a.js?v=1"
    assert client.local("/app/", "https://shop.example.com:443/b.js") == "/b.js"
    for elsewhere in (
        "https://cdn.example.com/a.js",
        "http://shop.example.com/a.js",
        "//evil/a.js",
        "",
        "https://[::1/",
    ):
        assert client.local("/app/", elsewhere) is None
    assert (client.path("/.env"), client.path(""), client.path("{health}")) == ("/app/.env", "/app", "/app/health")


def test_questions_are_explained() -> None:
    for check in SERVICE:
        for fact in check.facts:
            assert str(fact.question).strip()
            assert "Struct" not in str(fact.question)
    assert json.dumps(str(PAGE.question)) == '"GET /"'
    with pytest.raises(KeyError):
        Facts({})[PAGE]
