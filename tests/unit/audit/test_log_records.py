"""What the newest lines of logs lack, by lines as programs write them."""

from __future__ import annotations

import json

import pytest

from lilfox_tui.audit.checks.logs.records import judge
from lilfox_tui.audit.model import Facts
from lilfox_tui.audit.targets.hosts import Printed
from tests.unit.audit.test_checks import outcomes

UTC, NAIVE = "2026-12-01T10:00:0%s.123+00:00", "2026-12-01T10:00:0%s.123"
REQUEST = {"method": "GET", "path": "/items", "status": 200}


def objects(time: str, **more: object) -> list[str]:
    return [
        json.dumps({"timestamp": time % second, "level": "INFO", "message": f"item {second}", **more})
        for second in range(8)
    ]


LINES: list[tuple[list[str], str]] = [
    (objects(UTC), ""),
    (objects(UTC, **REQUEST), "no request id"),
    (objects(UTC, **REQUEST, request_id="8f1c"), ""),
    (objects(UTC, **REQUEST, request={"id": "8f1c"}), ""),
    (objects(UTC, **REQUEST, traceId="8f1c"), ""),
    (objects(UTC, **REQUEST, request_id=None), "no request id"),
    (objects(NAIVE), "times without an offset"),
    (objects(NAIVE, **REQUEST), "times without an offset, no request id"),
    ([json.dumps({"ts": 1790000000.5 + each, "msg": "x", "level": "info"}) for each in range(6)], ""),
    ([json.dumps({"msg": f"item {each}", "level": "info"}) for each in range(6)], "no times"),
    ([f"ts=2026-12-01T10:00:0{each}Z level=info msg=started" for each in range(6)], ""),
    ([f"2026-12-01T10:00:00.123Z stdout F {line}" for line in objects(UTC, **REQUEST)], "no request id"),
    ([f"web-1  | {line}" for line in objects(NAIVE)], "times without an offset"),
    (
        [f"2026-12-01 10:00:0{each},123 - shop - INFO - item {each}" for each in range(6)],
        "no JSON, times without an offset",
    ),
    ([f"2026-12-01 10:00:0{each}+01:00 INFO [shop] item {each}" for each in range(6)], "no JSON"),
    (
        ['INFO:     10.0.0.7:51234 - "GET /items HTTP/1.1" 200 OK' for _each in range(6)],
        "no JSON, no times, no request id",
    ),
    ([f"2026-12-01 10:00:0{each},123 - shop - INFO - item {each}" for each in range(4)], ""),  # too few
    (["something else", "entirely", "= = =", "that nobody", "knows", "and a sixth"], ""),
    ([f'10.0.0.7 - - [01/Dec/2026:10:00:0{each} +0000] "GET / HTTP/1.1" 200 5' for each in range(6)], ""),
    ([f"Dec  1 10:00:0{each} web1 sshd[12]: Accepted publickey for root" for each in range(6)], ""),
    ([f"2026-12-01 10:00:0{each}.123 UTC [7] LOG:  checkpoint starting: time" for each in range(6)], ""),
]


def printed(lines: list[str], path: str = "/srv/shop/app.log") -> Printed:
    return Printed(f"newest\nlog {path}\n" + "".join(f">{line}\n" for line in lines))


@pytest.mark.parametrize(("lines", "lacks"), LINES)
def test_what_lines_lack(lines: list[str], lacks: str) -> None:
    answers = {"newest-lines": printed(lines)}
    assert outcomes("log-not-structured", answers) == (["/srv/shop/app.log"] if lacks else ["good"])
    if lacks:
        (finding,) = judge(Facts(answers))
        assert str(finding.evidence) == f"/srv/shop/app.log: the newest {len(lines)} lines have {lacks}"


@pytest.mark.parametrize("path", ["/var/log/mysql/error.log", "/var/log/fail2ban.log", "/srv/shop/access.log"])
def test_logs_of_other_programs_are_theirs(path: str) -> None:
    assert outcomes("log-not-structured", {"newest-lines": printed(LINES[11][0], path)}) == []


def test_a_day_in_a_name_does_not_change_the_subject() -> None:
    both = printed(objects(NAIVE), "/srv/shop/app-2026-11-30.log").text
    both += printed(objects(NAIVE), "/srv/shop/app-2026-12-01.log").text.removeprefix("newest\n")
    assert outcomes("log-not-structured", {"newest-lines": Printed(both)}) == ["/srv/shop/app-*.log"]


def test_a_log_that_cannot_be_read_is_not_checked() -> None:
    told = outcomes("log-not-structured", {"newest-lines": Printed("newest\nunreadable /srv/shop/app.log\n")})
    assert told == ["? /srv/shop/app.log cannot be read: set sudo: true for this host, or log in as root"]


def test_a_host_without_logs_in_the_configuration() -> None:
    assert outcomes("log-not-structured", {"newest-lines": Printed("newest\n")}) == []
