"""Questions about the test account of a service: its tokens, which are judged here, and what only ``--active`` may ask,
because it sends tokens, wrong passwords, or many requests. The answer is None where the configuration allows nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct

from lilfox_tui.audit.jwt_tokens import Jwt, public_keys, read_jwt
from lilfox_tui.audit.model import Absent, Fact, NotKnown
from lilfox_tui.audit.targets.services import DisturbingQuestion, HttpReply, ServiceClient
from lilfox_tui.config.audit import AuditLoginConfig, AuditSignUpConfig
from lilfox_tui.config.secrets import resolve
from lilfox_tui.config.values import SecretRef
from lilfox_tui.core.i18n import tr

LOGINS = 6
BEYOND_LIMIT = 20
WEAK_PASSWORDS = ("aB3$x", "12345678", "password", "Password1!")
"""Too short, and three of every list of leaked ones. The last has what rules about kinds of characters ask for."""
_WINDOW_S = 60.0
_KEYS_LIMIT = 64 * 1024


class AccountSecrets(Struct, frozen=True):
    """The secrets of a test account. Nothing of them goes into evidence."""

    token: Jwt | None
    refresh: Jwt | None
    secret: bytes | None


class TokenTrials(Struct, frozen=True):
    """What a route answered to forged tokens: the status for each, by its kind (``none``, ``changed``, ``expired``,
    ``confusion``). ``accepted`` is the status with the right token; ``unknown`` has why a kind was not tried."""

    route: str
    accepted: int
    statuses: Mapping[str, tuple[int, ...]]
    unknown: Mapping[str, NotKnown]


class LoginTrials(Struct, frozen=True):
    """The replies to logins with wrong passwords, one after another."""

    path: str
    replies: tuple[HttpReply, ...]


class SignUpTrials(Struct, frozen=True):
    """The accounts that a sign-up made, and the weak password that it accepted; None if it refused all."""

    path: str
    users: tuple[str, ...]
    accepted: str | None


class RateTrial(Struct, frozen=True):
    """How many requests were answered before the first that was refused; None if none was."""

    path: str
    limit: int
    sent: int
    refused_after: int | None


class GetAccount(Struct, frozen=True):
    """Answered by AccountSecrets. Sends nothing."""

    async def ask(self, client: ServiceClient) -> AccountSecrets | None:
        """The secrets, read now."""
        account = client.account
        if account.token is account.refresh_token is account.secret is None:
            return None
        token, refresh = await _token(account.token), await _token(account.refresh_token)
        secret = None if account.secret is None else (await resolve(account.secret)).encode()
        return AccountSecrets(token, refresh, secret)

    def __str__(self) -> str:
        return "nothing: the tokens and the secret of the configuration are judged here"


async def _token(ref: SecretRef | None) -> Jwt | None:
    if ref is None:
        return None
    try:
        return read_jwt(await resolve(ref))
    except ValueError:
        raise NotKnown(tr("{ref}: not a signed JWT", ref=ref)) from None


class TryTokens(Struct, frozen=True):
    """Answered by TokenTrials; with ``--active``."""

    async def ask(self, client: ServiceClient) -> TokenTrials | None:
        """GET the route with the token, without it, then with forged ones."""
        account: AccountSecrets | None = await client.answer(ACCOUNT.question)
        route = client.account.route
        if not client.active or account is None or account.token is None or route is None:
            return None
        path = client.path(route) or route
        right = await _status(client, path, account.token.text)
        if not 200 <= right < 300:
            raise NotKnown(tr("{path} returns {status} with the token: has it expired?", path=path, status=right))
        without = await _status(client, path, None)
        if without == right:
            raise NotKnown(tr("{path} returns {status} without a token, too", path=path, status=without))
        statuses, unknown = {}, {}
        for kind, make in {"none": _none, "changed": _changed, "expired": _expired, "confusion": _confusion}.items():
            try:
                forged = await make(client, account, path)
                statuses[kind] = tuple([await _status(client, path, each) for each in forged])
            except NotKnown as error:
                unknown[kind] = error
        return TokenTrials(path, right, statuses, unknown)

    def __str__(self) -> str:
        return "with --active: GET the route of the test account with its token, without one, and with forged ones"


async def _status(client: ServiceClient, path: str, token: str | None) -> int:
    return (await client.send("GET", path, {} if token is None else {"Authorization": f"Bearer {token}"})).status


async def _none(_client: ServiceClient, account: AccountSecrets, _path: str) -> list[str]:
    assert account.token is not None
    return [account.token.without_signature(word) for word in ("none", "None", "NONE")]


async def _changed(_client: ServiceClient, account: AccountSecrets, _path: str) -> list[str]:
    assert account.token is not None
    return [account.token.changed()]


async def _expired(client: ServiceClient, account: AccountSecrets, path: str) -> list[str]:
    token, now = account.token, int(time.time())
    assert token is not None
    if account.secret is None or not token.is_hmac:
        raise NotKnown(tr("testing an expired token needs the secret that signs the tokens"))
    control = token.signed({"iat": now, "exp": now + 300}, account.secret)
    if not 200 <= await _status(client, path, control) < 300:
        raise NotKnown(tr("a token signed with the configured secret is refused: is the secret right?"))
    return [token.signed({"iat": now - 7200, "exp": now - 3600}, account.secret)]


async def _confusion(client: ServiceClient, account: AccountSecrets, _path: str) -> list[str]:
    token = account.token
    assert token is not None
    if token.is_hmac:
        return []
    path = client.path(client.account.keys) or client.account.keys
    reply = await client.send("GET", path, {}, limit=_KEYS_LIMIT)
    try:
        keys = public_keys(reply.body)
    except ValueError:
        raise NotKnown(tr("GET {path} returns {status} and no public keys", path=path, status=reply.status)) from None
    return [token.signed({}, form, "HS256") for key in keys for form in (key, key.strip())]


class TryLogins(DisturbingQuestion, frozen=True):
    """Answered by LoginTrials; with ``--active``."""

    async def ask(self, client: ServiceClient) -> LoginTrials | None:
        """Log in with passwords that nobody has."""
        login = client.account.login
        if not client.active or login is None:
            return None
        path = client.path(login.path) or login.path
        replies = []
        for _turn in range(LOGINS):
            password = f"lilfox-audit-{secrets.token_hex(8)}"
            replies.append(await _submitted(client, path, login, login.user, password))
        return LoginTrials(path, tuple(replies))

    def __str__(self) -> str:
        return f"with --active: {LOGINS} logins of the test account with wrong passwords"


async def _submitted(
    client: ServiceClient, path: str, form: AuditLoginConfig, user: str, password: str, fields: Mapping[str, str] = {}
) -> HttpReply:
    sent = {**form.fields, **fields, form.user_field: user, form.password_field: password}
    kind = "application/x-www-form-urlencoded" if form.form else "application/json"
    content = (urlencode(sent) if form.form else json.dumps(sent)).encode()
    return await client.send("POST", path, {"Content-Type": kind}, content)


class TrySignUps(Struct, frozen=True):
    """Answered by SignUpTrials; with ``--active``."""

    async def ask(self, client: ServiceClient) -> SignUpTrials | None:
        """Sign up with a good password, then with weak ones until one is accepted."""
        form = client.account.sign_up
        if not client.active or form is None:
            return None
        path = client.path(form.path) or form.path
        reply, user = await self._signed_up(client, path, form, f"aB3$-{secrets.token_urlsafe(18)}")
        good = _result(reply)
        if reply.is_html and reply.status == 200:
            raise NotKnown(tr("POST {path} returns a page for a good password, which may be the form again", path=path))
        if reply.status >= 400:
            raise NotKnown(
                tr(
                    "POST {path} returns {status} for a good password; check audit.services.*.sign_up in the "
                    "configuration",
                    path=path,
                    status=reply.status,
                )
            )
        made = [user]
        for password in WEAK_PASSWORDS:
            reply, user = await self._signed_up(client, path, form, password)
            if _result(reply) == good:
                return SignUpTrials(path, (*made, user), password)
        return SignUpTrials(path, tuple(made), None)

    async def _signed_up(
        self, client: ServiceClient, path: str, form: AuditSignUpConfig, password: str
    ) -> tuple[HttpReply, str]:
        """The reply, and the user."""
        random = secrets.token_hex(6)
        user = form.user.replace("{random}", random)
        fields = {name: value.replace("{random}", random) for name, value in form.fields.items()}
        return await _submitted(client, path, form, user, password, fields), user

    def __str__(self) -> str:
        return "with --active: a sign-up with a good password, then with weak ones until one is accepted"


def _result(reply: HttpReply) -> tuple[int, str]:
    """What came of a sign-up: the status, and where the browser is sent."""
    return reply.status, reply.headers.get("location", "").partition("?")[0]


class TryRate(DisturbingQuestion, frozen=True):
    """Answered by a RateTrial; with ``--active``."""

    async def ask(self, client: ServiceClient) -> RateTrial | None:
        """Send more requests than a minute allows."""
        limit = client.account.limit
        if not client.active or limit is None:
            return None
        account: AccountSecrets | None = await client.answer(ACCOUNT.question)
        path = client.path(client.account.route or "") or "/"
        token = None if account is None or client.account.route is None else account.token
        headers = {} if token is None else {"Authorization": f"Bearer {token.text}"}
        clock = asyncio.get_running_loop().time
        until = clock() + _WINDOW_S
        for sent in range(limit + BEYOND_LIMIT):
            reply = await client.send("GET", path, headers)
            if reply.status == 429 or (reply.status == 503 and (sent or "retry-after" in reply.headers)):
                return RateTrial(path, limit, sent + 1, sent)  # 503 is what limit_req of nginx returns by itself
            if reply.status >= 500:
                raise NotKnown(tr("GET {path} returns {status}", path=path, status=reply.status))
            if clock() > until:
                raise NotKnown(tr("{count} requests took longer than a minute", count=limit + BEYOND_LIMIT))
        return RateTrial(path, limit, limit + BEYOND_LIMIT, None)

    def __str__(self) -> str:
        return f"with --active: {BEYOND_LIMIT} requests more than the limit of the configuration"


def _given(answer: Any) -> Any:
    if answer is None:
        raise Absent
    return answer


ACCOUNT: Fact[AccountSecrets] = Fact("account", GetAccount(), _given)
TOKENS: Fact[TokenTrials] = Fact("token-trials", TryTokens(), _given)
LOGIN: Fact[LoginTrials] = Fact("login-trials", TryLogins(1), _given)
SIGN_UP: Fact[SignUpTrials] = Fact("sign-up-trials", TrySignUps(), _given)
RATE: Fact[RateTrial] = Fact("rate-trial", TryRate(2), _given)
