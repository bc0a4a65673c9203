"""What counts as a secret in a finding, and captured answers about processes, units, logs and requests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.audit.checks.host.updates import parse_updates
from lilfox_tui.audit.checks.logs.attempts import REQUESTS as ATTEMPTS
from lilfox_tui.audit.checks.logs.attempts import _tried
from lilfox_tui.audit.checks.logs.files import ROTATION, parse_rotation
from lilfox_tui.audit.checks.secrets.logs import parse_lines
from lilfox_tui.audit.checks.systemd.units import _microseconds
from lilfox_tui.audit.model import Fact
from lilfox_tui.audit.secret_values import is_token, secret_names, secrets_in
from lilfox_tui.audit.targets.hosts import Printed
from tests.unit.audit.test_checks import HOST, outcomes

LINES = {
    "redis-cli -a hunter22 subscribe x": [("-a", "hunter22")],
    "psql postgres://app:S3cret99@db/x": [("postgres://", "S3cret99")],
    "java -Dpassword=foobar99 -jar x": [("-Dpassword", "foobar99")],
    "Authorization: Bearer abcdefghijklmnop12345": [("Authorization", "Bearer abcdefghijklmnop12345")],
    "login user=a password=hunter22 ok, token=***": [("password", "hunter22")],
    "x --password-file /etc/x --token $TOKEN --secret ./file": [],
    "mysql -uroot -pxxxxxxxx": [],
    "kubelet --private-key /etc/kubernetes/key.pem --credentials creds.json": [],
    "Failed password for root from 10.0.0.1 port 22 ssh2": [],
    "status installed passwd:amd64 1:4.17.4-2": [],
    "PASSWORD=your-password-here": [],
}


@pytest.mark.parametrize(("text", "found"), LINES.items())
def test_what_redact_masks_is_not_always_a_secret(text: str, found: list[tuple[str, str]]) -> None:
    assert [(each.name, each.value) for each in secrets_in(text)] == found


@given(st.text(alphabet="pass=:*\"' aB1/", max_size=60))
def test_a_secret_is_a_part_of_its_text(text: str) -> None:
    assert all(each.value in text for each in secrets_in(text))


def test_the_names_of_an_env_file() -> None:
    lines = [
        "DB_PASSWORD=hunter22",
        "DEBUG=1",
        "export SECRET_KEY='abc def'",
        "# API_KEY=abcdef12",
        "PGPASSFILE=/etc/x",
    ]
    lines += ["SMTP_AUTH=login", "SESSION_COOKIE=shop_session", "API_TOKEN=example-token", "ROOT_PASSWORD=!ChangeMe!"]
    assert secret_names([*lines, "DATABASE_URL=postgres://a:bcdef@h/x"]) == [
        "DB_PASSWORD",
        "SECRET_KEY",
        "DATABASE_URL",
    ]
    assert (is_token("abcdef1234567890"), is_token("abcdefghijklmnopq"), is_token("a1")) == (True, False, False)


PROCESSES = {
    "mount rw,relatime\nshop.service  shop --password hunter22\n- shop --password hunter22\n": [
        "shop.service: --password",
        "shop: --password",
    ],
    "mount rw,relatime,hidepid=invisible\nshop.service shop --password hunter22\n": ["good"],
    "mount rw,relatime\n- sh -c lilfox_fact password=hunter22\nuser@0.service top\n": ["good"],
    "": ["? the answer about process-arguments cannot be read"],
}


@pytest.mark.parametrize(("text", "told"), PROCESSES.items())
def test_arguments_of_processes(text: str, told: list[str]) -> None:
    assert outcomes("secret-in-arguments", {"process-arguments": Printed(text)}) == told


UNIT = """Type={type}
Restart={restart}
RestartUSec=100ms
MemoryMax=infinity
MemoryHigh=infinity
Delegate={delegate}
Slice=system.slice
Id=shop.service
LoadState=loaded
ActiveState=active
FragmentPath={file}
StartLimitIntervalUSec=10s
StartLimitBurst=5
TriggeredBy=
"""
OWN = "/etc/systemd/system/shop.service"


def shown(
    *, file: str = OWN, restart: str = "no", delegate: str = "no", kind: str = "simple", packages: str = ""
) -> Printed:
    return Printed(f"{packages}\n" + UNIT.format(file=file, restart=restart, delegate=delegate, type=kind))


def test_only_what_the_administrator_wrote_is_judged() -> None:
    assert outcomes("unit-no-restart", {"units": shown()}) == ["shop.service: Restart"]
    assert outcomes("unit-no-restart", {"units": shown(restart="always")}) == ["good"]
    assert outcomes("unit-no-restart", {"units": shown(kind="oneshot")}) == ["good"]
    assert outcomes("unit-no-restart", {"units": shown(file="/usr/lib/systemd/system/shop.service")}) == ["good"]
    assert outcomes("unit-no-restart", {"units": shown(packages=f"package {OWN}\n")}) == ["good"]
    assert outcomes("unit-no-memory-limit", {"units": shown()}) == ["shop.service"]
    assert outcomes("unit-no-memory-limit", {"units": shown(delegate="yes")}) == ["good"]
    assert outcomes("unit-no-restart", {"units": Printed("", status=127)}) == []  # no systemd


@pytest.mark.parametrize(("text", "us"), [("0", 0), ("100ms", 1e5), ("1min 30s", 9e7), ("infinity", float("inf"))])
def test_time_spans_of_systemd(text: str, us: float) -> None:
    assert _microseconds(text) == us


CONFIGURATION = """installed
scheduled
configuration
>weekly
>include /etc/logrotate.d
configuration
>/var/log/a.log /var/log/b/*.log
>"/var/log/with blank.log" {
>    daily
>    postrotate
>        [ -e /run/x ] && { kill -HUP ${pid} }
>    endscript
>}
>/srv/{one,two}/x.log
>{
>    create 640
>}
>/var/log/last.log { weekly }
>/var/log/end.log {
>}
"""


def test_the_patterns_of_logrotate() -> None:
    logrotate = parse_rotation(Printed(CONFIGURATION))
    covered = ("a.log", "b/c.log", "with blank.log", "last.log", "end.log")
    assert all(logrotate.covers(f"/var/log/{each}") for each in covered)
    assert logrotate.covers("/srv/two/x.log")
    assert not any(logrotate.covers(each) for each in ("/var/log/c.log", "/var/log/b/c/d.log", "/srv/three/x.log"))


REQUESTS = {
    "/items?q=x%27%20OR%20%271%27%3D%271": "SQL injection",
    "/items?id=1+UNION+SELECT+name,2": "SQL injection",
    "/items?id=1)+AND+1=1": "SQL injection",
    "/items?id=1%27;SELECT+pg_sleep(5)--": "SQL injection",
    "/file?q=..%2F..%2Fetc%2Fpasswd": "path traversal",
    "/file?q=%252e%252e%252f%252e%252e%252fetc%252fpasswd": "path traversal",
    "/static/../../secret": "path traversal",
    "/search?q=it%27s+a+select+union+of+workers": "",
    "/search?q=O%27Brien": "",
    "/guide/chapter..two?from=a..b": "",
    "/app/../style.css": "",
    "/search?q=salt+and+pepper": "",
}


@pytest.mark.parametrize(("target", "tried"), REQUESTS.items())
def test_what_a_request_tries(target: str, tried: str) -> None:
    assert _tried(target) == tried


def printed_here(fact: Fact[Any], **names: str) -> Printed:
    """What a fact's script prints on this machine, as if it ran as root."""
    environment = {**os.environ, "LILFOX_UID": "0", **names}
    done = subprocess.run(["sh", "-c", fact.question], env=environment, capture_output=True, check=False)
    return Printed(done.stdout.decode(), done.returncode)


def test_an_answer_without_a_size_hides_no_other(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    client, query = "192.0.2.7 - - [01/Dec/2026:00:00:00 +0000]", "q=x%27%20OR%201%3D1"
    log.write_text(
        f'{client} "GET /items?q=fox HTTP/1.1" 200 10\n'
        f'{client} "HEAD /items?{query} HTTP/1.1" 200 -\n'
        f'{client} "GET /items?{query} HTTP/1.1" 500 -\n'
    )
    attempts = ATTEMPTS.parse(printed_here(ATTEMPTS, LILFOX_LOGS=str(log)))
    assert [(each.path, each.status) for each in attempts.found if each.log == str(log)] == [("/items", 500)]


def test_a_host_without_logrotate_is_known(tmp_path: Path) -> None:
    nowhere = Fact("logrotate", ROTATION.question.replace("/etc/logrotate.conf", f"{tmp_path}/none"), parse_rotation)
    assert not nowhere.parse(printed_here(nowhere)).covers("/var/log/a.log")


def test_attempts_in_the_order_of_what_they_reached() -> None:
    text = (
        "log /var/log/nginx/access.log\nknown 9 0\n"
        "> /items 200 32 10\tGET /items?q=x%27%20OR%201%3D1\n"
        "> /search 200 5 90\tGET /search?q=x%27%20OR%201%3D1\n"
        "> /never 200 900 -\tGET /never?q=x%27%20OR%201%3D1\n"
        "> /blog/../../style.css 200 900 -\tGET /blog/../../style.css\n"
        "> /users/17 500 5 -\tGET /users/17?sort=1%27%20OR%201%3D1\n"
    )
    answers = {"attack-requests": Printed(text)}
    assert outcomes("attack-answered", answers) == ["/users/N: SQL injection", "/items: SQL injection"]
    assert outcomes("attack-answered", {"attack-requests": Printed("", status=127)}) == []
    unread = {"attack-requests": Printed("log /a/access.log\nknown 0 7\n")}
    assert outcomes("attack-answered", unread) == ["? /a/access.log is not in the format common or combined"]


def test_the_scripts_of_the_audit_are_no_secrets_in_the_log_of_sudo() -> None:
    for fact in {fact.name: fact for check in HOST for fact in check.facts}.values():
        script = fact.question.replace("\n", "#012")
        parts = [script[begin : begin + 600] for begin in range(0, len(script), 500)]
        lines = "\n".join(f">{each}" for each in (*fact.question.splitlines(), *parts))
        assert parse_lines(Printed(f"log /var/log/auth.log\n{lines}\n")) == [], fact.name


SOURCES = """\
http://mirror.example/debian trixie/main amd64 Packages\tDebian,Debian,stable,trixie
http://mirror.example/s trixie-s/main amd64 Packages\tDebian,Debian-Security,stable-security,trixie-s
file:/usr/share/security-tools ./ Packages\tours,ours,$(SUITE),$(CODENAME)
"""
PACKAGES = """\
openssl:
     3.5.4-1 500
        500 http://mirror.example/debian trixie/main amd64 Packages
     3.5.1-2 500
        990 http://mirror.example/s trixie-s/main amd64 Packages
libc6-dbg:
     2.41-12 500
        500 http://mirror.example/debian trixie/main amd64 Packages
libc6:i386:
     2.41-13 500 (phased 50%)
        500 http://mirror.example/s trixie-s/main amd64 Packages
        500 http://mirror.example/debian trixie/main amd64 Packages
"""


def test_a_newer_version_from_an_archive_for_security_is_an_update_though_a_later_one_is_not() -> None:
    updates = parse_updates(Printed(f"5\nsecure\n{SOURCES}\n{PACKAGES}"))
    assert (updates.lists_age_s, updates.packages, updates.security) == (5, ("openssl", "libc6:i386"), True)


def test_without_an_archive_for_security_there_is_no_verdict_on_updates() -> None:
    assert outcomes("security-updates", {"security-updates": Printed("5\nsecure\n")}) == ["good"]
    (unknown,) = outcomes("security-updates", {"security-updates": Printed("5\n")})
    assert unknown.startswith("? no package list is of an archive for security")
