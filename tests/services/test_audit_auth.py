"""The checks of tokens, logins and limits on a small application: found, mended as the fix says, and gone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lilfox_tui.audit.model import Report
from lilfox_tui.cli.schemas import schema
from lilfox_tui.config.audit import AuditConfig, AuditLoginConfig, AuditServiceConfig, AuditSignUpConfig
from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.config.values import Seconds, SecretRef
from tests.services.audit_app import ORIGIN, ShopApp
from tests.services.audit_site import audited, told
from tests.services.http_stand_in import Reply, Request
from tests.services.lilfox_command import lilfox
from tests.services.nginx import Nginx

TRIED = ("jwt-none-accepted", "jwt-changed-accepted", "jwt-expired-accepted", "jwt-key-confusion")


@pytest.fixture
async def app() -> AsyncIterator[ShopApp]:
    made = ShopApp()
    async with made.running():
        yield made


class Account:
    """The test account in the configuration of an audit."""

    def __init__(self, app: ShopApp, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.url = app.url
        self.options: dict[str, Any] = {"route": "/api/me"}

    def give(self, **values: str) -> None:
        """Puts secrets where the configuration refers to: a token, a refresh token, the secret."""
        for name, value in values.items():
            self._patch.setenv(f"LILFOX_TEST_{name.upper()}", value)
            self.options[name] = SecretRef(f"env:LILFOX_TEST_{name.upper()}")

    async def audited(self, *checks: str, active: bool = True) -> Report:
        audit = AuditConfig(services={"shop": AuditServiceConfig(**self.options)})
        return await audited(ServiceConfig(url=self.url), *checks, audit=audit, active=active)


@pytest.fixture
def account(app: ShopApp, monkeypatch: pytest.MonkeyPatch) -> Account:
    made = Account(app, monkeypatch)
    made.give(token=app.token(), secret=app.secret)
    return made


async def test_nothing_is_found_at_a_careful_application(app: ShopApp, account: Account) -> None:
    account.give(refresh_token=app.token(exp=2_000_000_000, iat=2_000_000_000 - 7 * 86400))
    account.options["login"] = AuditLoginConfig(path="/login", user="audit")
    account.options["sign_up"] = AuditSignUpConfig(path="/sign-up")
    app.limit = 70
    account.options["limit"] = 60
    report = await account.audited("auth", "http")
    assert (told(report), report.not_checked) == ({}, ())
    made = {each.check.id for each in report.passed}
    assert {
        *TRIED[:3],
        "jwt-weak-secret",
        "jwt-lifetime",
        "login-not-throttled",
        "no-rate-limit",
        "weak-passwords",
    } <= made


async def test_only_an_active_audit_sends_tokens_logins_and_many_requests(app: ShopApp, account: Account) -> None:
    account.options |= {"limit": 60, "login": AuditLoginConfig(path="/login", user="audit")}
    report = await account.audited("auth", "http", active=False)
    assert {each.check.id for each in report.passed} >= {"jwt-weak-secret", "jwt-lifetime"}
    assert not {each.check.id for each in report.passed} & {*TRIED, "login-not-throttled", "no-rate-limit"}
    assert len(app.requests) <= 20
    assert all(each.method == "GET" and "authorization" not in each.headers for each in app.requests)


async def test_a_service_without_a_test_account_has_nothing_to_judge(app: ShopApp) -> None:
    report = await audited(ServiceConfig(url=app.url), "auth", active=True)
    assert (report.found, report.not_checked, report.passed) == ((), (), ())


FAULTS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("jwt-none-accepted", "/api/me", {"algorithms": {"HS256", "none"}}, {"algorithms": {"HS256"}}),
    ("jwt-changed-accepted", "/api/me", {"verifies": False}, {"verifies": True}),
    ("jwt-expired-accepted", "/api/me", {"checks_end": False}, {"checks_end": True}),
    ("jwt-key-confusion", "/api/me", {"algorithms": {"RS256", "HS256"}}, {"algorithms": {"RS256"}}),
]


@pytest.mark.provokes("jwt-none-accepted", "jwt-changed-accepted", "jwt-expired-accepted", "jwt-key-confusion")
@pytest.mark.parametrize(("check", "subject", "careless", "careful"), FAULTS)
async def test_a_forged_token_that_is_accepted(
    app: ShopApp, account: Account, check: str, subject: str, careless: dict[str, Any], careful: dict[str, Any]
) -> None:
    for name, value in careless.items():
        setattr(app, name, value)
    account.give(token=app.token())
    found = (await account.audited(*TRIED)).found
    assert [(each.check.id, each.finding.subject, each.severity.name) for each in found] == [
        (check, subject, "CRITICAL")
    ]
    (line,) = found[0].finding.fix.lines
    algorithm = "RS256" if "RS256" in app.algorithms else "HS256"
    assert f'algorithms=["{algorithm}"], options={{"require": ["exp"]}}' in line
    for name, value in careful.items():  # what that line does
        setattr(app, name, value)
    after = await account.audited(check)
    assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("jwt-weak-secret", "jwt-lifetime")
async def test_tokens_that_are_judged_here(app: ShopApp, account: Account) -> None:
    checks = ("jwt-weak-secret", "jwt-lifetime")
    app.secret = "your-secret-key"
    account.give(
        token=app.token(exp=None), refresh_token=app.token(exp=2_000_000_000, iat=1_900_000_000), secret=app.secret
    )
    report = await account.audited(*checks, active=False)
    assert {at: str(each.evidence) for at, each in told(report).items()} == {
        ("jwt-lifetime", "access"): "the access token has no exp claim: it never expires",
        ("jwt-lifetime", "refresh"): "the refresh token is valid for 1157 d 9 h",
        ("jwt-weak-secret", "secret"): "the secret is a well-known one from tutorials and templates",
    }
    del account.options["secret"]  # the signature says it, too
    assert ("jwt-weak-secret", "secret") in told(await account.audited(*checks, active=False))
    account.give(token=app.token(exp=2_000_000_000, iat=None), secret="x" * 31)
    report = await account.audited(*checks, active=False)
    assert str(told(report)["jwt-weak-secret", "secret"].evidence) == "the secret is 31 bytes long"
    assert ("jwt-lifetime", "access") in told(report)
    account.give(token=app.token(exp="tomorrow"))
    (unknown,) = (await account.audited("jwt-lifetime", active=False)).not_checked
    assert str(unknown.reason) == "the exp, iat or nbf claim of the token is not a number"
    app.secret = "8f14e45fceea167a5a36dedd4bea2543"  # openssl rand -hex 32 gives 64
    account.give(token=app.token(), refresh_token=app.token(), secret=app.secret)
    after = await account.audited(*checks, active=False)
    assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("login-not-throttled")
async def test_a_login_that_takes_any_number_of_wrong_passwords(app: ShopApp, account: Account) -> None:
    app.failures_allowed = 1000
    account.options["login"] = AuditLoginConfig(path="/login", user="audit")
    found = told(await account.audited("login-not-throttled"))
    assert [str(each.evidence) for each in found.values()] == [
        "POST /login returned 401 for each of 6 wrong passwords in a row"
    ]
    assert len([each for each in app.requests if each.path == "/login"]) == 6
    app.failures_allowed = 5
    after = await account.audited("login-not-throttled")
    assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("weak-passwords")
@pytest.mark.parametrize(
    ("shortest", "leaked", "accepted"),
    [
        (1, set(), "aB3$x"),
        (8, set(), "12345678"),
        (8, {"12345678"}, "password"),
        (8, {"12345678", "password"}, "Password1!"),
    ],
)
async def test_a_sign_up_that_takes_weak_passwords(
    app: ShopApp, account: Account, shortest: int, leaked: set[str], accepted: str
) -> None:
    app.shortest, app.leaked = shortest, leaked
    form = AuditSignUpConfig(path="/sign-up", user="a-{random}@example.com", fields={"name": "audit {random}"})
    account.options["sign_up"] = form
    found = told(await account.audited("weak-passwords"))
    sent = [each.json() for each in app.requests if each.path == "/sign-up"]
    assert str(found["weak-passwords", "/sign-up"].evidence) == (
        f"POST /sign-up accepts the password {accepted}; "
        f"delete the test accounts {sent[0]['username']}, {sent[-1]['username']}"
    )
    assert len({each["username"] for each in sent}) == len({each["name"] for each in sent}) == len(sent)
    app.shortest, app.leaked = 12, {"password", "12345678"}  # what the lines of the fix say
    after = await account.audited("weak-passwords")
    assert (told(after), after.not_checked) == ({}, ())
    account.options["sign_up"] = AuditSignUpConfig(path="/nosuch")
    (unknown,) = (await account.audited("weak-passwords")).not_checked
    assert "returns 404 for a good password" in str(unknown.reason)
    account.options["sign_up"] = AuditSignUpConfig(path="/form")
    (unknown,) = (await account.audited("weak-passwords")).not_checked
    assert "which may be the form again" in str(unknown.reason)


@pytest.mark.provokes("no-rate-limit")
async def test_a_service_that_answers_beyond_its_limit(app: ShopApp, account: Account) -> None:
    account.options["limit"] = 60
    found = told(await account.audited("no-rate-limit"))
    assert [str(each.evidence) for each in found.values()] == [
        "GET /api/me: all of 80 requests within a minute were served; the limit is 60"
    ]
    app.limit = len(app.requests) + 60
    after = await account.audited("no-rate-limit")
    assert (told(after), after.not_checked) == ({}, ())


async def test_an_error_says_nothing_about_a_limit(app: ShopApp, account: Account) -> None:
    account.options["limit"] = 60
    for first in ([Reply(503)], [Reply(200), Reply(502)]):
        app.first = list(first)
        (unknown,) = (await account.audited("no-rate-limit")).not_checked
        assert str(unknown.reason) == f"GET /api/me returns {first[-1].status}"


@pytest.mark.provokes("login-not-throttled", "no-rate-limit")
@pytest.mark.parametrize(("check", "subject"), [("login-not-throttled", "/login"), ("no-rate-limit", "/")])
async def test_nginx_limits_for_an_application_that_does_not(
    app: ShopApp, account: Account, tmp_path: Path, check: str, subject: str
) -> None:
    app.failures_allowed = 1000
    account.options = {"login": AuditLoginConfig(path="/login", user="audit"), "limit": 60}
    serving = f"location / {{{{ proxy_pass {app.url}; }}}}"
    with Nginx(tmp_path / "before", f"server {{{{ listen 127.0.0.1:{{port}}; {serving} }}}}") as nginx:
        account.url = nginx.url
        found = told(await account.audited(check))
    assert list(found) == [(check, subject)]
    zone, *lines = (line.replace("{", "{{").replace("}", "}}") for line in found[check, subject].fix.lines)
    if check == "login-not-throttled":  # as the fix says: with the proxy_pass line that serves it now
        lines = [lines[0].replace(" }}", f" proxy_pass {app.url}; }}}}")]
    block = f"{zone} server {{{{ listen 127.0.0.1:{{port}}; {' '.join(lines)} {serving} }}}}"
    with Nginx(tmp_path / "after", block) as nginx:
        account.url = nginx.url
        after = await account.audited(check)
    assert (told(after), after.not_checked) == ({}, ())


@pytest.mark.provokes("cors-any-origin")
async def test_starlette_with_a_star_and_credentials(app: ShopApp) -> None:
    """It names any origin, but only to a request with a cookie."""
    app.origins = None
    found = told(await audited(ServiceConfig(url=app.url), "cors-any-origin"))
    assert list(found) == [("cors-any-origin", "any")]
    app.origins = {ORIGIN}
    after = await audited(ServiceConfig(url=app.url), "cors-any-origin")
    assert (told(after), after.not_checked) == ({}, ())


async def test_a_service_that_falls_silent_is_left_alone(app: ShopApp) -> None:
    """Two requests without an answer are enough: a run does not wait for all of them."""
    asked = app._answer

    def answer(request: Request) -> Reply:
        app.silent = True
        return asked(request)

    app._answer = answer
    started = time.monotonic()
    report = await audited(ServiceConfig(url=app.url, timeout=Seconds(0.3)), "http")
    assert time.monotonic() - started < 5
    assert len(app.requests) == 3
    assert report.found == ()
    assert "not requested, because 2 earlier requests timed out" in {str(each.reason) for each in report.not_checked}


async def test_what_cannot_be_tried_is_not_checked(app: ShopApp, account: Account) -> None:
    account.give(token=app.token(exp=1_000_000_000))
    report = await account.audited(*TRIED)
    assert (len(report.not_checked), report.found) == (4, ())
    assert str(report.not_checked[0].reason) == "/api/me returns 401 with the token: has it expired?"
    account.give(token=app.token(), secret="another secret of enough bytes, yes")
    report = await account.audited(*TRIED)
    assert [each.check.id for each in report.not_checked] == ["jwt-expired-accepted"]
    app.needs_token = False
    report = await account.audited(*TRIED)
    assert str(report.not_checked[0].reason) == "/api/me returns 200 without a token, too"


async def test_the_command_says_what_it_found_and_sends_nothing_that_it_was_not_told_to(
    app: ShopApp, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.algorithms = {"HS256", "none"}
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "config.yaml"
    accounts = {"shop": {"token": "env:LILFOX_TEST_TOKEN", "route": "/api/me"}}
    file.write_text(json.dumps({"services": {"shop": {"url": app.url}}, "audit": {"services": accounts}}))
    file.chmod(0o600)

    async def run(*words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(lilfox, "--language", "en", "--config", file, "audit", *words)

    passive = await run("--only", "auth")
    assert (passive.returncode, passive.stdout) == (0, "no findings; 2 passed\n")
    active = await run("--only", "jwt-none-accepted", "--active")
    assert active.returncode == 1
    assert active.stdout.splitlines()[:4] == [
        "✖  critical  shop  jwt-none-accepted  /api/me  new",
        (
            "   tokens without a signature are accepted: "
            "GET /api/me returns 200 for a token with alg none and no signature"
        ),
        "   fix: Verify with a fixed algorithm, never with the one that the token names (PyJWT):",
        '       claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"require": ["exp"]})',
    ]
    document = json.loads((await run("--only", "auth", "--active", "--json")).stdout)
    jsonschema.validate(document, schema("audit"), format_checker=jsonschema.FormatChecker())
    assert [each["target"] for each in document["findings"]] == [{"kind": "service", "name": "shop"}]
    assert app.token().split(".")[0] not in json.dumps(document)
    file.write_text(json.dumps({"audit": {"services": accounts}}))
    assert "no service named" in (await run("--only", "auth")).stderr
