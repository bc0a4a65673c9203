"""The checks of PostgreSQL on answers that were captured once, and on what no test can make a server answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lilfox_tui.audit.catalogue import chosen, group_of, groups, kind_of, tags
from lilfox_tui.audit.checks.postgresql.access import HbaRule, parse_rules
from lilfox_tui.audit.checks.postgresql.memory import parse_memory
from lilfox_tui.audit.checks.postgresql.settings import Setting, psql
from lilfox_tui.audit.checks.postgresql.statements import columns_of, scans_of
from lilfox_tui.audit.checks.postgresql.wal import Archiver
from lilfox_tui.audit.model import AuditCheck, Found, NotChecked, NotKnown, Target
from lilfox_tui.audit.run import judged

CHECKS = {check.id: check for check in groups()["postgresql"] if kind_of(check) == "postgresql"}


def outcomes(check: AuditCheck, answers: Mapping[str, Any]) -> list[str]:
    """What comes of a check: subjects of findings, ``?`` with the reason, or ``good``; nothing if it is absent."""
    told = []
    for each in judged(Target("backend", "db"), [check], answers):
        if isinstance(each, Found):
            told.append(each.finding.subject)
        else:
            told.append(f"? {each.reason}" if isinstance(each, NotChecked) else "good")
    return told


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("rows", [[{"x": 1}], ["x"], [None], None, "x"])
def test_rows_that_are_not_understood_are_never_a_pass(check: AuditCheck, rows: Any) -> None:
    told = outcomes(check, {fact.name: rows for fact in check.facts})
    assert [each[:2] for each in told] == ["? "]


def test_a_tag_is_no_group_and_no_check() -> None:
    assert not tags().keys() & (groups().keys() | {check.id for check in chosen([])})
    assert {group_of(check) for check in tags()["performance"]} >= {"postgresql"}


def rule(text: str) -> HbaRule:
    """A rule in the order of its words in pg_hba.conf."""
    kind, databases, users, *rest = text.split()
    address, method = ("", *rest) if kind == "local" else rest
    return HbaRule("", 1, kind, tuple(databases.split(",")), tuple(users.split(",")), address, method)


@pytest.mark.parametrize(
    ("first", "later", "covers"),
    [
        ("host all all 10.0.0.0/8 trust", "host all all 10.1.0.0/16 trust", True),
        ("host all all 10.1.0.0/16 trust", "host all all 10.0.0.0/8 trust", False),
        ("host all all all reject", "hostssl all app ::1/128 trust", True),
        ("host all all 0.0.0.0/0 reject", "host all all ::/0 trust", False),
        ("hostssl all all all reject", "host all all all trust", False),
        ("hostssl all all all reject", "hostnossl all all all trust", False),
        ("host all all all reject", "local all all trust", False),
        ("local all postgres peer", "local all all trust", False),
        ("local all all peer", "local shop app trust", True),
        ("local all all peer", "local replication all trust", False),
        ("local shop,blog all peer", "local blog app trust", True),
        ("host all app samenet md5", "host all app samenet trust", True),
        ("host all app samenet md5", "host all app 10.0.0.1/32 trust", False),
    ],
)
def test_a_rule_that_nobody_gets_to(first: str, later: str, covers: bool) -> None:
    assert rule(first).covers(rule(later)) is covers


@pytest.mark.parametrize(
    ("text", "beyond"),
    [
        ("local all all trust", False),
        ("host all all 127.0.0.1/32 trust", False),
        ("host all all 127.0.0.0/8 trust", False),
        ("host all all ::1/128 trust", False),
        ("host all all samehost trust", False),
        ("host all all localhost trust", False),
        ("host all all samenet trust", True),
        ("host all all .example.com trust", True),
        ("host all all all trust", True),
        ("host all all 10.0.0.1/32 trust", True),
    ],
)
def test_rules_for_other_hosts(text: str, beyond: bool) -> None:
    assert rule(text).beyond is beyond


def _row(**more: Any) -> dict[str, Any]:
    words = {"line_number": 7, "type": "host", "database": ["all"], "user_name": ["all"], "address": "10.0.0.0"}
    return {**words, "netmask": "255.0.0.0", "auth_method": "md5", "options": None, "error": None, **more}


def test_a_file_with_an_error_is_not_what_the_server_uses() -> None:
    (found,) = parse_rules([_row(), _row(type="hostssl", error="hostssl record cannot match because SSL is disabled")])
    assert str(found) == "host all all 10.0.0.0/8 md5"
    (found,) = parse_rules([_row(address="fe80::", netmask="ffff:ffff::", user_name=["a b"])])
    assert str(found) == 'host all "a b" fe80::/32 md5'
    with pytest.raises(NotKnown):
        parse_rules([_row(), _row(type=None, database=None, error="invalid connection type")])
    with pytest.raises(NotKnown):
        parse_rules([])


def test_a_rule_shows_no_secret() -> None:
    row = _row(
        address="0.0.0.0",
        netmask="0.0.0.0",
        auth_method="ldap",
        options=["ldapserver=a", "ldapbindpasswd=hunter2"],
    )
    answers = {
        "hba-rules": [row],
        "settings": _settings(listen_addresses="*", hba_file="/pg_hba.conf", ssl="off"),
    }
    (found,) = judged(Target("backend", "db"), [CHECKS["postgresql-hba-any-address"]], answers)
    assert isinstance(found, Found)
    assert found.finding.subject == 'host all all 0.0.0.0/0 ldap ldapserver=a "ldapbindpasswd=***"'
    assert "hunter2" not in repr(found.finding)
    assert found.finding.fix.commands == (psql("SELECT pg_reload_conf()"),)  # none that writes *** into the file


def test_what_is_found_stays_found_where_the_rest_is_not_known() -> None:
    answers = {
        "settings": _settings(password_encryption="md5", listen_addresses="localhost"),
        "md5-passwords": [{"roles": None}], "hba-rules": [_row()],
    }  # fmt: skip
    told = outcomes(CHECKS["postgresql-md5-passwords"], answers)
    assert told[0] == "password_encryption"
    assert [each[:2] for each in told[1:]] == ["? "]


PLAN = """
Limit  (cost=0.00..1.00 rows=1 width=4)
  ->  Gather  (cost=1000.00..12000.00 rows=4 width=36)
        Workers Planned: 2
        ->  Parallel Seq Scan on orders o  (cost=0.00..11000.00 rows=2 width=36)
              Filter: ((customer = $1) AND (note = 'x'::text))
  ->  Seq Scan on "Old Ones"  (cost=0.00..1.00 rows=10000 width=4)
  ->  Seq Scan on small  (cost=0.00..1.00 rows=10 width=4)
        Filter: (id > 7)
"""


def test_the_scans_of_a_plan() -> None:
    found = list(scans_of(PLAN.strip("\n").split("\n")))
    assert [(each.table, each.rows) for each in found] == [("orders", 2), ("small", 10)]
    assert columns_of(found[0].condition) == ["customer", "note"]
    assert columns_of(found[1].condition) == []


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("(id = 5)", ["id"]),
        ("(note = 'it''s'::text)", []),
        ("((a = $1) AND (b = -1.5))", ["a", "b"]),
        ("((a = $1) OR (b = $2))", []),
        ("((a = $1) AND (b > $2))", []),
        ("(lower(note) = $1)", []),
        ("((note)::text = $1)", []),
        ("(a = b)", []),
    ],
)
def test_the_columns_of_equalities(condition: str, columns: list[str]) -> None:
    assert columns_of(condition) == columns


def test_the_memory_of_a_container_is_its_limit() -> None:
    machine = "MemTotal:       16384000 kB\nMemFree: 5 kB\n"
    assert parse_memory(machine) == parse_memory(f"{machine}max\n") == 16384000 * 1024
    assert parse_memory(f"{machine}9223372036854771712\n") == 16384000 * 1024
    assert parse_memory(f"{machine}2147483648\n") == 2 << 30
    with pytest.raises(NotKnown):
        parse_memory("")


@pytest.mark.parametrize(
    ("value", "unit", "size"), [("16384", "8kB", 128 << 20), ("4096", "kB", 4 << 20), ("5", "", 5)]
)
def test_the_size_that_a_setting_is(value: str, unit: str, size: int) -> None:
    assert Setting(value, unit, "default", pending=False).bytes == size


def test_an_archiver_fails_by_its_last_attempt() -> None:
    assert not Archiver(0, None, None, None).fails
    assert not Archiver(0, None, None, 5.0).fails
    assert not Archiver(3, "0001", 50.0, 5.0).fails
    assert Archiver(3, "0001", 5.0, 50.0).fails
    assert Archiver(3, "0001", 5.0, None).fails


def test_a_command_is_safe_in_a_shell() -> None:
    assert psql("SELECT 'a'", database="shop") == """psql -d shop -c "SELECT 'a'\""""
    assert psql('VACUUM "a$(id)"') == """psql -c 'VACUUM "a$(id)"'"""
    assert psql("SELECT 1", database="a; b") == """psql -d 'a; b' -c "SELECT 1\""""


SERVER = {
    "version": 170000, "standby": False, "sees_all": True, "role": "watcher", "database": "shop", "tables": 3,
    "others": [], "standbys": 0, "counted_s": 40 * 86400.0,
}  # fmt: skip
INDEX = {
    "name": "public.by_note", "table": "public.orders", "short": "by_note", "id": 5, "partitioned": False,
    "valid": True, "unique": False, "identity": False, "constraint": None, "definition": "1", "bytes": 50 << 20,
    "scans": 0, "for_foreign_key": False, "building": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("server", "index", "told"),
    [
        ({}, {}, "public.by_note"),
        ({}, {"scans": 1}, "good"),
        ({}, {"unique": True}, "good"),
        ({}, {"constraint": "no_overlap"}, "good"),
        ({}, {"identity": True}, "good"),
        ({}, {"for_foreign_key": True}, "good"),
        ({}, {"bytes": 8192}, "good"),
        ({"counted_s": 86400.0}, {}, "? statistics are 1 d old; unused indexes are known after 30 d"),
        ({"counted_s": None}, {}, "? statistics are - old; unused indexes are known after 30 d"),
        (
            {"standbys": 1},
            {},
            "? its standbys may use the indexes that it does not: look at idx_scan in their pg_stat_user_indexes",
        ),
    ],
)
def test_an_index_that_nobody_uses(server: dict[str, Any], index: dict[str, Any], told: str) -> None:
    answers = {"server": [{**SERVER, **server}], "indexes": [{**INDEX, **index}]}
    assert outcomes(CHECKS["postgresql-index-unused"], answers) == [told]


def test_an_index_that_is_being_built_is_not_broken() -> None:
    answers: dict[str, Any] = {"server": [SERVER], "indexes": [{**INDEX, "valid": False, "building": True}]}
    assert outcomes(CHECKS["postgresql-index-invalid"], answers) == ["good"]
    answers["indexes"] = [{**INDEX, "valid": False, "short": "by_note_ccnew1"}]
    (found,) = judged(Target("backend", "db"), [CHECKS["postgresql-index-invalid"]], answers)
    assert isinstance(found, Found)
    assert found.finding.fix.commands == ('psql -d shop -c "DROP INDEX CONCURRENTLY public.by_note"',)


def test_a_unique_index_is_kept_for_a_plain_one_that_does_the_same() -> None:
    plain = {**INDEX, "name": "public.plain", "id": 1}
    answers = {"server": [SERVER], "indexes": [plain, {**INDEX, "unique": True}]}
    assert outcomes(CHECKS["postgresql-index-duplicate"], answers) == ["public.plain"]


def _dead(**more: Any) -> dict[str, Any]:
    row = {"name": "public.orders", "live": 79_999, "dead": 20_001, "vacuumed_s": 60.0, "disabled": False}
    return {**row, "oldest_s": 5.0, **more}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "Vacuum it now"),
        ({"oldest_s": 7200.0}, "End the transaction that has been open for 2 h"),
        ({"disabled": True}, "Turn autovacuum on"),
        ({"live": 80_004}, ""),  # as many as autovacuum lets become dead
    ],
)
def test_dead_rows_and_what_keeps_them(row: dict[str, Any], told: str) -> None:
    answers = {"server": [SERVER], "dead-rows": [_dead(**row)]}
    found = list(judged(Target("backend", "db"), [CHECKS["postgresql-dead-rows"]], answers))
    texts = [str(each.finding.fix.text) for each in found if isinstance(each, Found)]
    assert bool(texts) is bool(told)
    assert all(text.startswith(told) for text in texts)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({}, True),
        ({"scans": 1999}, False),  # dumps and reports of 40 days
        ({"read": 4000 * 100}, False),  # of each scan only the first rows
        ({"index_scans": 40_000}, False),  # most are by an index
    ],
)
def test_scans_that_are_no_fault(row: dict[str, Any], found: bool) -> None:
    table = {"name": "public.orders", "rows": 20_000, "scans": 4000, "read": 4000 * 20_000, "index_scans": 5, "id": 7}
    extension = {"loaded": False, "installed": False, "available": True}
    answers = {"server": [SERVER], "scanned-tables": [{**table, **row}], "statements-extension": [extension]}
    told = outcomes(CHECKS["postgresql-sequential-scans"], answers)
    assert told == (["public.orders"] if found else ["good"])


def _settings(**values: str) -> list[dict[str, Any]]:
    usual = {"max_connections": "100", "superuser_reserved_connections": "3", "port": "5432"}
    return [
        {"name": name, "setting": value, "unit": "", "source": "default", "pending_restart": False}
        for name, value in {**usual, **values}.items()
    ]


def _pool(**more: Any) -> dict[str, Any]:
    row = {"role": "app", "database": "shop", "count": 40, "application": "web", "addresses": 4, "idle": 40}
    return {**row, "idle_s": [3600] * 40, "transaction_s": [], **more}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, []),  # a pool at night
        ({"count": 60, "idle": 49}, ["app@shop"]),
        ({"count": 60, "idle": 20}, []),
        ({"count": 78, "idle": 20}, ["max_connections"]),
        ({"transaction_s": [599]}, []),
        ({"transaction_s": [1, 601]}, ["app@shop"]),
        ({"idle_s": [90_000] * 19}, []),
        ({"idle_s": [90_000] * 20}, ["app@shop"]),
        ({"count": 200}, ["max_connections"]),
        ({"count": 201}, ["max_connections", "connections"]),
    ],
)
def test_pools_as_they_are_and_as_they_should_not_be(row: dict[str, Any], told: list[str]) -> None:
    answers = {"server": [SERVER], "settings": _settings(), "clients": [_pool(**row)]}
    names = ("postgresql-pool-size", "postgresql-connection-leak", "postgresql-no-pooler")
    found = [each for name in names for each in outcomes(CHECKS[name], answers)]
    assert [each for each in found if each != "good"] == told


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, ["42"]),
        ({"calls": 19}, ["good"]),
        ({"share_percent": 4.0}, ["good"]),
        ({"total_ms": 300.0, "counted_s": 3600.0}, ["good"]),
        ({"total_ms": 300.0, "counted_s": 20.0}, ["42"]),
        ({"text": "COPY orders TO STDOUT"}, ["good"]),
    ],
)
def test_statements_that_are_worth_an_advice(row: dict[str, Any], told: list[str]) -> None:
    statement = {"id": "42", "calls": 5000, "total_ms": 4e7, "text": "SELECT 1 FROM orders", "rows": 5}
    plan = ["Seq Scan on orders  (cost=0.00..1.00 rows=1 width=4)", "  Filter: (note = $1)"]
    answers: dict[str, Any] = {
        "server": [SERVER], "statements-extension": [{"loaded": True, "installed": True, "available": True}],
        "statements": [{**statement, "share_percent": 30.0, "counted_s": None, **row}],
        "plans": [{"id": "42", "plan": plan}],
        "large-tables": [{"name": "orders", "qualified": "public.orders", "rows": 20_000}],
    }  # fmt: skip
    assert outcomes(CHECKS["postgresql-slow-statement"], answers) == told
    answers["plans"] = [{"id": "42", "refused": CHECKS["postgresql-slow-statement"].title}]
    unplanned = outcomes(CHECKS["postgresql-slow-statement"], answers)
    assert [each[:2] for each in unplanned] == (["? "] if told == ["42"] else ["go"])
    answers["large-tables"] = [{"name": "orders", "qualified": "public.orders", "rows": 9}]
    answers["plans"] = [{"id": "42", "plan": plan}]
    assert outcomes(CHECKS["postgresql-slow-statement"], answers) == ["good"]
