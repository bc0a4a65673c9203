"""JSON Web Tokens of a service: what signs them, how long they last, and which forged ones it accepts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from lilfox_tui.audit.jwt_tokens import Jwt
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.accounts import ACCOUNT, TOKENS
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_duration

SHORTEST_SECRET = 32
"""Bytes: as long as what SHA-256 gives (RFC 7518 3.2)."""
ACCESS_S, REFRESH_S = 3600, 30 * 86400
WEAK_SECRETS = (
    "secret", "secret_key", "secretkey", "your-secret-key", "your_secret_key", "your-256-bit-secret", "changeme",
    "change-me", "changethis", "change_me_in_production", "supersecret", "super-secret", "supersecretkey", "mysecret",
    "my-secret-key", "my_secret_key", "jwt-secret", "jwt_secret", "jwtsecret", "jwt_secret_key", "password", "passw0rd",
    "123456", "12345678", "1234567890", "qwerty", "admin", "test", "testing", "default", "dev", "development", "key",
    "private", "token", "lilfox", "fastapi", "django-insecure", "flask", "example", "null", "none", "undefined",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7", "hello", "letmein", "s3cr3t", "",
)  # fmt: skip
"""Secrets of tutorials and templates; the one of 64 digits is from FastAPI's documentation."""
_NEW_SECRET = Fix(
    tr(
        "Generate a new secret, configure it in the application and restart it. All existing tokens become invalid, "
        "which is intended: anybody may have forged them."
    ),
    commands=("openssl rand -hex 32",),
)


def judge_secret(facts: Facts) -> Iterator[AuditFinding]:
    """A secret that is short or known, by itself or by the signature that it made."""
    account = facts[ACCOUNT]
    if account.secret is not None:
        known = account.secret.decode("utf-8", "replace") in WEAK_SECRETS
        if known or len(account.secret) < SHORTEST_SECRET:
            what = tr("the secret is {count} bytes long", count=len(account.secret))
            if known:
                what = tr("the secret is a well-known one from tutorials and templates")
            yield AuditFinding("secret", what, _NEW_SECRET)
        return
    tokens = [each for each in (account.token, account.refresh) if each is not None and each.is_hmac]
    if not tokens:
        raise Absent
    if any(token.signed_with(word.encode()) for token in tokens for word in WEAK_SECRETS):
        what = tr("the token is signed with a well-known secret from tutorials and templates")
        yield AuditFinding("secret", what, _NEW_SECRET)


def judge_lifetime(facts: Facts) -> Iterator[AuditFinding]:
    """Tokens without end, or that last too long."""
    account = facts[ACCOUNT]
    given = (("access", account.token, ACCESS_S), ("refresh", account.refresh, REFRESH_S))
    if account.token is account.refresh is None:
        raise Absent
    for name, token, most in given:
        if token is None:
            continue
        lasts = _lasts(token, most)
        if lasts is None:
            yield AuditFinding(
                name, tr("the {name} token has no exp claim: it never expires", name=name), _lifetime(most)
            )
        elif lasts > most:
            what = tr("the {name} token is valid for {time}", name=name, time=human_duration(lasts))
            yield AuditFinding(name, what, _lifetime(most))


def _lasts(token: Jwt, most: float) -> float | None:
    """From its issue to its end; at least the time that is left, where it does not say when it was issued."""
    end, begin = token.claims.get("exp"), token.claims.get("iat", token.claims.get("nbf"))
    if end is None:
        return None
    if not isinstance(end, int | float) or not isinstance(begin, int | float | None):
        raise NotKnown(tr("the exp, iat or nbf claim of the token is not a number"))
    if begin is not None:
        return float(end - begin)
    left = end - time.time()
    if left <= most:
        raise NotKnown(tr("the token has no iat claim, so its lifetime is unknown"))
    return left


def _lifetime(most: int) -> Fix:
    line = f'claims["exp"] = datetime.now(UTC) + timedelta(minutes={min(most // 60, 30)})'
    if most > ACCESS_S:
        line = 'claims["exp"] = datetime.now(UTC) + timedelta(days=7)'
    return Fix(tr("Set an expiry where the tokens are issued (PyJWT), and let clients refresh them."), lines=(line,))


def _judge_forged(kind: str, what: Message, fix: Fix) -> Callable[[Facts], Iterator[AuditFinding]]:
    def judge(facts: Facts) -> Iterator[AuditFinding]:
        trials = facts[TOKENS]
        if kind in trials.unknown:
            raise trials.unknown[kind]
        if not trials.statuses[kind]:
            raise Absent
        if any(200 <= status < 300 for status in trials.statuses[kind]):
            evidence = tr(
                "GET {path} returns {status} for {what}", path=trials.route, status=trials.accepted, what=what
            )
            yield AuditFinding(trials.route, evidence, fix)

    return judge


_DECODE = Fix(
    tr("Verify with a fixed algorithm, never with the one that the token names (PyJWT):"),
    lines=('claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"require": ["exp"]})',),
)
_DECODE_RSA = Fix(
    tr("Verify with a fixed algorithm, never with the one that the token names (PyJWT):"),
    lines=('claims = jwt.decode(token, PUBLIC_KEY, algorithms=["RS256"], options={"require": ["exp"]})',),
)
_RFC = "https://www.rfc-editor.org/rfc/rfc8725#section-3"
_USAGE = "https://pyjwt.readthedocs.io/en/stable/usage.html"
CHECKS = (
    AuditCheck(
        "jwt-weak-secret",
        AuditSeverity.CRITICAL,
        tr("the JWT secret is weak"),
        tr("An attacker with one token can guess the secret offline and then sign tokens for any user."),
        (ACCOUNT,),
        judge_secret,
        "https://www.rfc-editor.org/rfc/rfc7518#section-3.2",
    ),
    AuditCheck(
        "jwt-lifetime",
        AuditSeverity.HIGH,
        tr("tokens are valid for too long"),
        tr("A stolen token stays valid until it expires."),
        (ACCOUNT,),
        judge_lifetime,
        f"{_USAGE}#expiration-time-claim-exp",
    ),
    AuditCheck(
        "jwt-none-accepted",
        AuditSeverity.CRITICAL,
        tr("tokens without a signature are accepted"),
        tr("Anybody can log in as any user with a self-made token."),
        (TOKENS,),
        _judge_forged("none", tr("a token with alg none and no signature"), _DECODE),
        f"{_RFC}.1",
    ),
    AuditCheck(
        "jwt-changed-accepted",
        AuditSeverity.CRITICAL,
        tr("tampered tokens are accepted"),
        tr("Any user can become any other by editing a token."),
        (TOKENS,),
        _judge_forged("changed", tr("a token with a changed claim and the old signature"), _DECODE),
        f"{_RFC}.3",
    ),
    AuditCheck(
        "jwt-expired-accepted",
        AuditSeverity.CRITICAL,
        tr("expired tokens are accepted"),
        tr("A stolen token works for ever."),
        (TOKENS,),
        _judge_forged("expired", tr("a token that expired an hour ago"), _DECODE),
        f"{_USAGE}#expiration-time-claim-exp",
    ),
    AuditCheck(
        "jwt-key-confusion",
        AuditSeverity.CRITICAL,
        tr("tokens signed with the public key are accepted"),
        tr("Anybody can sign tokens for any user, with the public key as the HMAC secret."),
        (TOKENS,),
        _judge_forged("confusion", tr("a token signed with HS256 and the public key as secret"), _DECODE_RSA),
        f"{_RFC}.1",
    ),
)
