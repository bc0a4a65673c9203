"""What a backup script looks like that hides a failed dump, and readable dumps: answers of hosts, judged."""

from __future__ import annotations

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.backups.scripts import DUMPS
from lilfox_tui.audit.model import Found, NotChecked, Target
from lilfox_tui.audit.run import judged
from lilfox_tui.audit.targets.hosts import Printed

(CHECK,) = chosen(["backup-failure-hidden"])
LINES = {
    "pg_dump shop | gzip >x": True,
    "pg_dump -U shop shop 2>&1 | gzip >x": True,
    "if ! mysqldump shop | gzip >x; then": True,
    "sudo -u postgres pg_dumpall | ssh vault 'cat >x'": True,
    "pg_dump -Fc shop >x || exit 1": False,
    "pg_dump shop >x; ls | wc -l": False,
    "pg_dump shop >x && gzip x | cat": False,
    "echo pg_dump": False,
}


def outcome(text: str, status: int = 0, *, root: bool = True) -> list[str]:
    """The subjects of findings, and ``?`` with the reason."""
    answers = {DUMPS.name: Printed(text, status, root)}
    return [
        each.finding.subject if isinstance(each, Found) else f"? {each.reason}" if isinstance(each, NotChecked) else ""
        for each in judged(Target("host", "web-1"), [CHECK], answers)
    ]


@pytest.mark.parametrize(("line", "hides"), LINES.items())
def test_a_dump_in_a_pipe(line: str, hides: bool) -> None:
    text = "unchecked /opt/b.sh\n#!/bin/bash\n>  " + line
    assert outcome(text) == (["/opt/b.sh"] if hides else [""])
    assert outcome(text.replace("unchecked", "checked")) == [""]


def test_a_script_is_found_once() -> None:
    one = "unchecked /opt/b.sh\n#!/bin/bash\n>pg_dump a | gzip >a\n"
    assert outcome(one * 2) == ["/opt/b.sh"]


def test_what_cannot_be_read_is_no_pass() -> None:
    assert outcome("") == []  # no script dumps anything
    assert outcome("", 1, root=False) == ["? needs root: set sudo: true for this host, or log in as root"]
    assert outcome("unchecked /opt/b.sh\n#!/bin/sh") == ["? the answer about dump-scripts cannot be read"]
    assert outcome("what\nis\nthis") == ["? the answer about dump-scripts cannot be read"]
