"""A small application with tokens, CORS, a login and a limit of requests, as careless or careful as a test wants it."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lilfox_tui.audit.jwt_tokens import Jwt, read_jwt
from tests.services.http_stand_in import Reply, Request, StandIn

SECRET = "J7w2kqX0vB9sZt4nRy6uHc3mLd8pFa1e"
ORIGIN = "https://shop.example.com"


class ShopApp(StandIn):
    """The attributes say what it is careless about."""

    def __init__(self) -> None:
        super().__init__(self._reply)
        self.secret = SECRET
        self.private = rsa.generate_private_key(65537, 2048)
        self.algorithms = {"HS256"}
        """What it verifies with; that of a token must be among them."""
        self.verifies, self.checks_end, self.needs_token = True, True, True
        self.origins: set[str] | None = {ORIGIN}
        """None as Starlette's ``allow_origins=["*"]`` with ``allow_credentials=True``."""
        self.failures_allowed, self.limit = 5, 10_000
        self.shortest, self.leaked = 12, {"password", "12345678"}
        self._failures: Counter[str] = Counter()
        self._count = 0

    def token(self, **claims: Any) -> str:
        """A token of the test account."""
        now = int(time.time())
        made = {"sub": "audit", "iat": now, "exp": now + 1800, **claims}
        made = {name: value for name, value in made.items() if value is not None}
        if "RS256" in self.algorithms:
            text = ".".join(_part(each) for each in ({"alg": "RS256", "typ": "JWT"}, made))
            return f"{text}.{_text(self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
        return Jwt("", {"alg": "HS256", "typ": "JWT"}, {}).signed(made, self.secret.encode())

    def _reply(self, request: Request) -> Reply:
        self._count += 1
        if self._count > self.limit:
            return Reply(429, {"detail": "too many requests"}, {"Retry-After": "60"})
        reply = self._routed(request)
        reply.headers.update(self._cors(request))
        return reply

    def _routed(self, request: Request) -> Reply:
        if request.path == "/login":
            return self._login(request)
        if request.path == "/sign-up":
            return self._sign_up(str(request.json()["password"]))
        if request.path == "/form":
            return Reply(200, b"<form method=post>", {"Content-Type": "text/html"})
        if request.path == "/.well-known/jwks.json":
            numbers = self.private.public_key().public_numbers()
            key = {"kty": "RSA", "e": _number(numbers.e), "n": _number(numbers.n), "alg": "RS256"}
            return Reply(200, {"keys": [key]})
        if request.path == "/api/me":
            sent = request.headers.get("authorization", "").removeprefix("Bearer ")
            good = not self.needs_token or self._accepts(sent)
            return Reply(200, {"user": "audit"}) if good else Reply(401, {"detail": "no"})
        return Reply(200 if request.path in ("/", "/health") else 404, {"status": "ok"})

    def _login(self, request: Request) -> Reply:
        user = str(request.json()["username"])
        self._failures[user] += 1
        if self._failures[user] > self.failures_allowed:
            return Reply(429, {"detail": "locked"}, {"Retry-After": "900"})
        return Reply(401, {"detail": "wrong user or password"})

    def _sign_up(self, password: str) -> Reply:
        if len(password) < self.shortest or password in self.leaked:
            return Reply(422, {"detail": "choose a longer password"})
        return Reply(201, {"status": "ok"})

    def _accepts(self, text: str) -> bool:
        try:
            token = read_jwt(text)
        except ValueError:
            return False
        if token.algorithm.lower() not in {each.lower() for each in self.algorithms}:
            return False
        if self.checks_end and token.claims.get("exp", 0) < time.time():
            return False
        return not self.verifies or self._signed(token)

    def _signed(self, token: Jwt) -> bool:
        if token.algorithm.lower() == "none":
            return True
        public = self.private.public_key()
        if token.algorithm == "HS256":  # as old libraries: the key they have, whatever the token says
            pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            return token.signed_with(pem if "RS256" in self.algorithms else self.secret.encode())
        signed, _dot, signature = token.text.rpartition(".")
        try:
            raw = base64.urlsafe_b64decode(signature + "==")
            public.verify(raw, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def _cors(self, request: Request) -> dict[str, str]:
        origin = request.headers.get("origin")
        if origin is None:
            return {}
        headers = {"Access-Control-Allow-Credentials": "true"}
        if self.origins is None:
            return {**headers, "Access-Control-Allow-Origin": origin if "cookie" in request.headers else "*"}
        return {**headers, "Access-Control-Allow-Origin": origin} if origin in self.origins else headers


def _part(content: Any) -> str:
    return _text(json.dumps(content).encode())


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8))


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
