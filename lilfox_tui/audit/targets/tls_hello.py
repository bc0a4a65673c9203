"""The first message of a TLS handshake, made by hand: whether a server accepts an old version or a weak cipher must not
depend on what this machine's OpenSSL can still speak. RFC 5246 7.4.1, RFC 8446 4.1."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from msgspec import Struct

from lilfox_tui.hosts.addresses import or_none

SSL_3, TLS_1_0, TLS_1_1, TLS_1_2 = 0x0300, 0x0301, 0x0302, 0x0303
VERSION_NAMES = {SSL_3: "SSL 3.0", TLS_1_0: "TLS 1.0", TLS_1_1: "TLS 1.1", TLS_1_2: "TLS 1.2"}
USUAL_SUITES = (
    0xC009, 0xC00A, 0xC013, 0xC014, 0x0033, 0x0039, 0x002F, 0x0035, 0x000A, 0xC012, 0x0005, 0x0004, 0xC011, 0x0016,
)  # fmt: skip
"""Ciphers that servers of TLS 1.0 and 1.1 have."""
WEAK_SUITES = {
    0x0001: "TLS_RSA_WITH_NULL_MD5",
    0x0002: "TLS_RSA_WITH_NULL_SHA",
    0x003B: "TLS_RSA_WITH_NULL_SHA256",
    0xC006: "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
    0xC010: "TLS_ECDHE_RSA_WITH_NULL_SHA",
    0xC015: "TLS_ECDH_anon_WITH_NULL_SHA",
    0x0018: "TLS_DH_anon_WITH_RC4_128_MD5",
    0x001B: "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA",
    0x0034: "TLS_DH_anon_WITH_AES_128_CBC_SHA",
    0x003A: "TLS_DH_anon_WITH_AES_256_CBC_SHA",
    0x006C: "TLS_DH_anon_WITH_AES_128_CBC_SHA256",
    0x006D: "TLS_DH_anon_WITH_AES_256_CBC_SHA256",
    0x00A6: "TLS_DH_anon_WITH_AES_128_GCM_SHA256",
    0x00A7: "TLS_DH_anon_WITH_AES_256_GCM_SHA384",
    0xC016: "TLS_ECDH_anon_WITH_RC4_128_SHA",
    0xC017: "TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA",
    0xC018: "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
    0xC019: "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",
    0x0003: "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
    0x0006: "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5",
    0x0008: "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA",
    0x0014: "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
    0x0004: "TLS_RSA_WITH_RC4_128_MD5",
    0x0005: "TLS_RSA_WITH_RC4_128_SHA",
    0xC007: "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    0xC011: "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    0x0009: "TLS_RSA_WITH_DES_CBC_SHA",
    0x0015: "TLS_DHE_RSA_WITH_DES_CBC_SHA",
    0x000A: "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0xC008: "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    0xC012: "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
}
"""Ciphers without encryption or authentication, with keys of 40 or 56 bits, RC4 (RFC 7465), and 3DES (Sweet32)."""
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019, 0x0100)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0807)
_RENEGOTIATION = 0x00FF
_HANDSHAKE, _ALERT = 22, 21
_CLIENT_HELLO, _SERVER_HELLO = 1, 2


class ServerHello(Struct, frozen=True):
    """What a server chose of what it was offered."""

    version: int
    suite: int


def client_hello(version: int, suites: Iterable[int], name: str) -> bytes:
    """A record that offers ``version`` at most, and ``suites``, to the server called ``name``."""
    offered = b"".join(each.to_bytes(2) for each in (*suites, _RENEGOTIATION))
    body = version.to_bytes(2) + secrets.token_bytes(32) + b"\0" + _sized(offered, 2) + b"\x01\0"
    if version > SSL_3:
        body += _sized(_extensions(version, name), 2)
    record = bytes([_CLIENT_HELLO]) + _sized(body, 3)
    return bytes([_HANDSHAKE]) + min(version, TLS_1_0).to_bytes(2) + _sized(record, 2)


def _extensions(version: int, name: str) -> bytes:
    found = [
        (0x000A, _sized(b"".join(each.to_bytes(2) for each in _GROUPS), 2)),
        (0x000B, _sized(b"\0", 1)),
    ]
    if version >= TLS_1_2:
        found.append((0x000D, _sized(b"".join(each.to_bytes(2) for each in _SIGNATURES), 2)))
    if or_none(name) is None and name.isascii():
        found.append((0x0000, _sized(b"\0" + _sized(name.encode(), 2), 2)))
    return b"".join(kind.to_bytes(2) + _sized(content, 2) for kind, content in found)


def _sized(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width) + content


def read_server_hello(answer: bytes) -> ServerHello | None:
    """What the server chose; None if it refused, which it does with an alert or by closing the connection. Raises
    ValueError for what is not TLS."""
    if not answer or answer[0] == _ALERT:
        return None
    record = answer[5:]
    if answer[:2] != bytes([_HANDSHAKE, 3]) or len(record) < 42 or record[0] != _SERVER_HELLO:
        raise ValueError("not a TLS record")
    session = record[38]
    suite = record[39 + session : 41 + session]
    if len(suite) != 2:
        raise ValueError("a ServerHello that is cut off")
    return ServerHello(int.from_bytes(record[4:6]), int.from_bytes(suite))
