"""The check of source code: an application that can be injected, found, mended by the calls of the fix, and gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.documents import shown
from lilfox_tui.audit.model import AuditSeverity, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.audit import AuditConfig
from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config

CHECK = "sql-from-strings"
INJECTION = "' OR '1'='1"


async def audited(tree: Path) -> Report:
    config = Config(audit=AuditConfig(source=str(tree)))
    return await Audit(config, timeout_s=60).run(chosen([CHECK]), targets_of(config))


def loaded(file: Path) -> ModuleType:
    """The application as it is now."""
    module = ModuleType("shop")
    exec(compile(file.read_text(), str(file), "exec"), module.__dict__)
    return module


CALLS = [
    "database.execute(f\"SELECT name FROM items WHERE name = '{name}'\")",
    'database.execute("SELECT name FROM items WHERE name = \'" + name + "\'")',
    "database.execute(\"SELECT name FROM items WHERE name = '%s'\" % name)",
    "database.execute(\"SELECT name FROM items WHERE name = '{}'\".format(name))",
    "database.execute(f\"SELECT name FROM items WHERE name LIKE '%{name}%' AND 1 = {len(name) and 1}\")",
]


@pytest.mark.provokes("sql-from-strings")
@pytest.mark.parametrize(
    "call",
    CALLS,
)
async def test_code_that_can_be_injected(tmp_path: Path, call: str) -> None:
    file = tmp_path / "app" / "shop.py"
    file.parent.mkdir()
    setup = "database = sqlite3.connect(':memory:')\ndatabase.execute('CREATE TABLE items (name)')\n"
    setup += "database.execute(\"INSERT INTO items VALUES ('fox'), ('hen')\")\n"
    file.write_text(
        f"import sqlite3\n{setup}class Shop:\n    def find(self, name):\n        return {call}.fetchall()\n"
    )
    assert len(loaded(file).Shop().find(INJECTION)) == 2
    (found,) = (await audited(tmp_path)).found
    assert (found.finding.subject, found.severity) == ("app/shop.py: Shop.find", AuditSeverity.HIGH)
    assert str(found.finding.evidence).startswith("app/shop.py:7: database.execute(")
    (line,) = found.finding.fix.lines
    assert found.finding.fix.file == "app/shop.py"
    file.write_text(file.read_text().replace(call, line))
    assert loaded(file).Shop().find(INJECTION) == []
    assert loaded(file).Shop().find("fox") == [("fox",)]
    report = await audited(tmp_path)
    assert (report.found, report.not_checked, len(report.passed)) == ((), (), 1)


GOOD = """
import sqlite3
TABLE = "items"
COLUMNS = {"name": "name", "age": "born"}
def every(cursor, ids, name, order, cells, table):
    cursor.execute("SELECT * FROM items WHERE name = ?", (name,))
    cursor.execute(f"SELECT * FROM {TABLE} WHERE id IN ({','.join('?' * len(ids))})", ids)
    marks = ", ".join(["?"] * len(ids))
    cursor.execute("SELECT * FROM items WHERE id IN (%s)" % marks, ids)
    cursor.execute(f"SELECT * FROM items ORDER BY {COLUMNS[order]} LIMIT {int(name)}")
    cursor.execute("SELECT * FROM items WHERE id = %d" % name)
    cursor.execute(f"SELECT * FROM items WHERE id = {name}")  # noqa: S608
    cursor.execute(f"SELECT count(*) FROM {table}")
    if order in ("name", "age"):
        cursor.execute(f"SELECT * FROM items ORDER BY {order}")
    asked = " AND ".join(f"{column} = ?" for column in COLUMNS)
    cursor.execute(f"SELECT * FROM items WHERE {asked}", cells)
    cursor.execute(f"INSERT INTO items VALUES ({', '.join('?' for _each in cells)})", cells)
    shell.execute(f"echo {name} where it is")
"""


async def test_nothing_is_found_in_code_that_is_well(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    for folder in ("tests", "node_modules", ".git", "env"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "bad.py").write_text("cursor.execute(f\"SELECT 1 FROM a WHERE b = '{name()}'\")")
    report = await audited(tmp_path)
    assert [str(each.finding.evidence) for each in report.found] == []
    assert len(report.passed) == 1


def ruff(file: Path) -> set[int]:
    """The lines of a file in which ruff's rule S608 (bandit's B608) finds SQL that is built from strings."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "S608", "--output-format"]
    done = subprocess.run([*command, "json", str(file)], capture_output=True, text=True, check=False)
    return {each["location"]["row"] for each in json.loads(done.stdout)}


async def test_ruff_agrees_where_it_can(tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(
        "import sqlite3\n" + "".join(f"def f{number}(name):\n    {call}\n" for number, call in enumerate(CALLS))
    )
    ours = {int(str(each.finding.evidence).split(":")[1]) for each in (await audited(tmp_path)).found}
    assert ours == ruff(file) == {2 * number + 3 for number in range(len(CALLS))}
    built = "query = 'SELECT 1 FROM a'; query += f' WHERE b = {name}'; cursor.execute(query)"
    file.write_text(f"def find(cursor, name):\n    {built}")
    assert (len((await audited(tmp_path)).found), ruff(file)) == (1, set())  # it reads one expression at a time
    file.write_text(GOOD)
    assert ((await audited(tmp_path)).found, len(ruff(file))) == ((), 8)  # it does not ask where a value is from


async def test_what_cannot_be_mended_by_one_call_is_only_named(tmp_path: Path) -> None:
    code = """
from sqlalchemy import text
def find(connection, name, order):
    query = "SELECT * FROM items"
    query += f" WHERE name = '{name}'"
    connection.execute(query)
    connection.execute(text("SELECT * FROM items WHERE name = '" + name + "'"))
def listed(connection, order):
    connection.execute(f"SELECT * FROM items ORDER BY {order}")
"""
    (tmp_path / "shop.py").write_text(code)
    found = {each.finding.subject: each for each in (await audited(tmp_path)).found}
    assert {subject: each.severity for subject, each in found.items()} == {
        "shop.py: find": AuditSeverity.HIGH,
        "shop.py: listed": AuditSeverity.MEDIUM,
    }
    evidence = str(found["shop.py: find"].finding.evidence)
    assert "connection.execute(query); query = f" in evidence
    assert evidence.endswith("; more lines: 7")
    assert found["shop.py: find"].finding.fix.lines == ()


async def test_a_fix_can_be_pasted_and_shows_no_secret(tmp_path: Path) -> None:
    calls = (
        "cursor.execute(f\"SELECT 1 FROM users WHERE name = '{name}' AND password = '{word}'\")",
        "cursor.execute(f\"SELECT 1 FROM users WHERE token = 'tr0ub4dor3x' AND name = '{name}'\")",
    )
    code = "".join(f"def f{number}(cursor, name, word):\n    {call}\n" for number, call in enumerate(calls))
    (tmp_path / "shop.py").write_text("import psycopg\n" + code)
    first, second = (each.finding for each in (await audited(tmp_path)).found)
    (line,) = first.fix.lines
    assert (
        line == shown(line) == ("cursor.execute('SELECT 1 FROM users WHERE name = %s AND password = %s', (name, word))")
    )
    assert second.fix.lines == ()
    assert "tr0ub4dor3x" not in str(second.evidence)


async def test_a_tree_that_cannot_be_read_is_not_passed(tmp_path: Path) -> None:
    assert [str(each.reason) for each in (await audited(tmp_path / "nosuch")).not_checked] == [
        f"{tmp_path / 'nosuch'}: no such folder"
    ]
    (tmp_path / "old.py").write_text('print "execute"')
    assert [str(each.reason) for each in (await audited(tmp_path)).not_checked] == ["old.py cannot be parsed as Python"]


def test_the_tree_is_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("audit: {source: app}\n")
    os.chmod(file, 0o600)
    assert load(file).config.audit.source == str(tmp_path / "app")
    assert targets_of(load(file).config)["source"][0].name == "app"
