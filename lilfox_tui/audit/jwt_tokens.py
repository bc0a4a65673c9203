"""JSON Web Tokens (RFC 7519) as an audit needs them: read without trust, and forged to see whether they are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from msgspec import Struct

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_CURVES: Mapping[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


class Jwt(Struct, frozen=True):
    """A token in its parts, not verified."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def algorithm(self) -> str:
        """What signs it, by its own word."""
        return str(self.header.get("alg", ""))

    @property
    def is_hmac(self) -> bool:
        """Whether a shared secret signs it."""
        return self.algorithm in _DIGESTS

    def signed_with(self, secret: bytes) -> bool:
        """Whether ``secret`` made its signature; it must be HMAC."""
        signed, _dot, signature = self.text.rpartition(".")
        return hmac.compare_digest(_signature(signed, secret, self.algorithm).encode(), signature.encode())

    def without_signature(self, algorithm: str) -> str:
        """The same claims, said to need no signature."""
        return f"{_part({**self.header, 'alg': algorithm})}.{self.text.split('.')[1]}."

    def changed(self) -> str:
        """Other claims under the same signature."""
        head, _claims, signature = self.text.split(".")
        return f"{head}.{_part({**self.claims, 'lilfox_audit': 1})}.{signature}"

    def signed(self, claims: Mapping[str, Any], secret: bytes, algorithm: str | None = None) -> str:
        """These claims, signed with ``secret``."""
        used = algorithm or self.algorithm
        text = f"{_part({**self.header, 'alg': used})}.{_part({**self.claims, **claims})}"
        return f"{text}.{_signature(text, secret, used)}"


def read_jwt(text: str) -> Jwt:
    """The token in ``text``. Raises ValueError, also for an encrypted one."""
    parts = text.strip().removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        raise ValueError("not a signed JWT")
    header, claims = (json.loads(_bytes(part)) for part in parts[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not a signed JWT")
    return Jwt(".".join(parts), header, claims)


def public_keys(document: bytes) -> list[bytes]:
    """The keys of a JWKS document (RFC 7517) in the forms in which a server may have them at hand: PEM. Raises
    ValueError."""
    found: list[bytes] = []
    try:
        for each in json.loads(document)["keys"]:
            key = _public_key(each)
            if key is not None:
                found.append(
                    key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
                )
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not a JWKS document") from None
    return found


def _public_key(each: Mapping[str, Any]) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey | None:
    if each["kty"] == "RSA":
        return rsa.RSAPublicNumbers(_number(each["e"]), _number(each["n"])).public_key()
    if each["kty"] == "EC" and each["crv"] in _CURVES:
        return ec.EllipticCurvePublicNumbers(_number(each["x"]), _number(each["y"]), _CURVES[each["crv"]]).public_key()
    return None


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text))


def _signature(text: str, secret: bytes, algorithm: str) -> str:
    return _text(hmac.new(secret, text.encode(), _DIGESTS[algorithm]).digest())


def _part(content: Mapping[str, Any]) -> str:
    return _text(json.dumps(content, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
