"""Whether a service slows down who tries passwords or asks too much, and which passwords it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Facts, Fix, NotKnown, nginx
from lilfox_tui.audit.targets.accounts import LOGIN, RATE, SIGN_UP
from lilfox_tui.core.i18n import listed, tr

_WRONG_LOGIN = (400, 401, 403, 302, 303, 200)
"""How servers refuse a password; some show the form again."""
_THROTTLED = (423, 429, 503)
_SLOWED_S = 1.0
_SAYS_SO = re.compile(rb"captcha|too many|locked|attempts|try again (in|later)", re.IGNORECASE)
"""What a login says that counts failures, whatever its status."""


def judge_logins(facts: Facts) -> Iterator[AuditFinding]:
    """A login that answers the sixth wrong password as it did the first."""
    trials = facts[LOGIN]
    statuses = [reply.status for reply in trials.replies]
    if statuses[0] not in _WRONG_LOGIN and statuses[0] not in _THROTTLED:
        raise NotKnown(
            tr(
                "POST {path} returns {status} for a login: check audit.services.*.login in the configuration",
                path=trials.path,
                status=statuses[0],
            )
        )
    first, last = trials.replies[0], trials.replies[-1]
    if any(status in _THROTTLED for status in statuses) or "retry-after" in last.headers:
        return
    slowed = last.seconds > first.seconds + _SLOWED_S
    if last.status != first.status or slowed or _SAYS_SO.search(last.body):
        return
    yield AuditFinding(
        trials.path,
        tr(
            "POST {path} returned {status} for each of {count} wrong passwords in a row",
            path=trials.path,
            count=len(statuses),
            status=first.status,
        ),
        nginx(
            "limit_req_zone $binary_remote_addr zone=login:10m rate=5r/m;",
            f"location = {trials.path} {{ limit_req zone=login burst=4 nodelay; limit_req_status 429; }}",
            text=tr(
                "Lock an account for a while after five failures. Until the application does, limit logins in nginx: "
                "the first line goes into the http block, the second into the server block together with the present "
                "proxy_pass line."
            ),
        ),
    )


def judge_rate(facts: Facts) -> Iterator[AuditFinding]:
    """A client that is answered beyond the limit."""
    trial = facts[RATE]
    if trial.refused_after is not None:
        return
    yield AuditFinding(
        trial.path,
        tr(
            "GET {path}: all of {count} requests within a minute were served; the limit is {limit}",
            path=trial.path,
            count=trial.sent,
            limit=trial.limit,
        ),
        nginx(
            f"limit_req_zone $binary_remote_addr zone=clients:10m rate={trial.limit}r/m;",
            f"limit_req zone=clients burst={max(1, trial.limit // 4)} nodelay;",
            "limit_req_status 429;",
            text=tr(
                "Limit requests in nginx: the first line goes into the http block, the others into the server block. "
                "Or limit each client in the application."
            ),
        ),
    )


def judge_passwords(facts: Facts) -> Iterator[AuditFinding]:
    """A sign-up that accepts a weak password."""
    trials = facts[SIGN_UP]
    if trials.accepted is None:
        return
    yield AuditFinding(
        trials.path,
        tr(
            "POST {path} accepts the password {word}; delete the test accounts {users}",
            path=trials.path,
            word=trials.accepted,
            users=listed(trials.users),
        ),
        Fix(
            tr(
                "Reject short and leaked passwords at sign-up and at password changes. The file is a list of leaked "
                "passwords, one per line."
            ),
            lines=(
                'LEAKED = frozenset(Path("leaked-passwords.txt").read_text().split())',
                "if len(password) < 12 or password.lower() in LEAKED:",
                '    raise HTTPException(422, "choose a longer password that is in no list of leaked ones")',
            ),
        ),
    )


CHECKS = (
    AuditCheck(
        "login-not-throttled",
        AuditSeverity.HIGH,
        tr("logins are not throttled"),
        tr("Bots try lists of leaked passwords against every login, thousands an hour."),
        (LOGIN,),
        judge_logins,
        "https://nginx.org/en/docs/http/ngx_http_limit_req_module.html",
    ),
    AuditCheck(
        "no-rate-limit",
        AuditSeverity.HIGH,
        tr("there is no rate limit"),
        tr("One client can overload the service, by mistake or on purpose."),
        (RATE,),
        judge_rate,
        "https://nginx.org/en/docs/http/ngx_http_limit_req_module.html",
    ),
    AuditCheck(
        "weak-passwords",
        AuditSeverity.MEDIUM,
        tr("weak passwords are accepted"),
        tr("They are the first that attackers try."),
        (SIGN_UP,),
        judge_passwords,
        "https://pages.nist.gov/800-63-4/sp800-63b.html#password",
    ),
)
