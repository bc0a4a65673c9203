"""Logs of one process that have the same lines, and others: answers of hosts, judged."""

from __future__ import annotations

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Found, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.hosts import Printed

(CHECK,) = chosen(["log-written-twice"])
LINES = [f"2026-12-01T10:00:{number:02} INFO request {number}" for number in range(30)]
OTHERS = [line.replace("request", "answer") for line in LINES]


@pytest.mark.parametrize(
    ("names", "second", "found"),
    [
        (("/srv/app.log", "/srv/app-daily.log"), LINES, True),
        (("/srv/app.log", "/srv/app-daily.log"), LINES[15:] + OTHERS[:15], True),  # written to in between
        (("/srv/app.log", "/srv/app-daily.log"), LINES[25:] + OTHERS[:25], False),
        (("/srv/app.log", "/srv/app-error.log"), OTHERS, False),
        (("/srv/app.log", "/srv/app-idle.log"), ["", ""] * 15, False),
        (("/srv/shop.log", "/srv/blog.log"), LINES, False),
        (("/srv/a/app.log", "/srv/b/app.log"), LINES, False),
        (("/var/log/mail.log", "/var/log/mail-info.log"), LINES, False),
    ],
)
def test_two_logs(names: tuple[str, str], second: list[str], found: bool) -> None:
    logs = dict(zip(names, (LINES, second), strict=True))
    parts = [f"log {name}\n" + "\n".join(f">{line}" for line in lines) for name, lines in logs.items()]
    outcomes = list(judged(Target("host", "web-1"), [CHECK], {"log-tails": Printed("tails\n" + "\n".join(parts))}))
    assert [each.finding.subject for each in outcomes if isinstance(each, Found)] == (
        ["/srv/app-daily.log: app.log"] if found else []
    )
