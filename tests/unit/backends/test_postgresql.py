"""What a login to PostgreSQL names is looked at before anybody is connected to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from lilfox_tui.backends.kinds.postgresql import (
    DEADLOCKS_FOR_S,
    Options,
    PostgresBackend,
    _checked,
    _incomplete,
    _values,
    open_backend,
)
from lilfox_tui.backends.model import BackendError, Table
from lilfox_tui.backends.postgresql.inspect import IndexStats, Inspection, blocking_tree, facts, tables
from lilfox_tui.backends.postgresql.queries import (
    ClientCounts,
    DatabaseStats,
    ServerStatus,
    SessionCounts,
    SessionRow,
    SlowStatement,
    TableSize,
    UnusedIndex,
    WalReceiver,
    WalSender,
    slots,
    slow,
    without_secrets,
)
from lilfox_tui.backends.postgresql.session import (
    DriverSession,
    Login,
    PsqlSession,
    Statement,
    StatementAnswer,
    StatementRefused,
    _answers,
    _script,
)
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.files import NotTrusted
from lilfox_tui.core.i18n import set_language, tr
from lilfox_tui.hosts.base import Completed
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.metrics.model import Level, Series


def session(ca_file: str) -> DriverSession:
    """Of a server where nothing listens."""
    login = Login("127.0.0.1", 1, "postgres", "u", None, "verify-full", ca_file)
    return DriverSession(login, None, timeout_s=5)


@pytest.fixture
def written_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where this process is; a file there would not be believed."""
    (folder := tmp_path / "all").mkdir()
    folder.chmod(0o777)
    monkeypatch.chdir(folder)
    return folder


async def test_a_ca_file_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    (ca := tmp_path / "ca.pem").write_text("")
    ca.chmod(0o666)
    with pytest.raises(NotTrusted, match="because others can change it"):
        await session(str(ca)).run([])


@pytest.mark.usefixtures("written_by_all")
async def test_the_machines_own_certificates_are_no_file() -> None:
    with pytest.raises(LilFoxError) as refused:
        await session("system").run([])
    assert not isinstance(refused.value, NotTrusted)


# What a look at a PostgreSQL means, and how it is asked by its version.


SERVER = ServerStatus(170000, "17.0", False, True, "lilfox", "postgres", 100, 3, True, "public", 1.0)
QUIET = Inspection(SERVER, (), (), (), (), None, (), (), None)


def session_of(state: str, *blocked_by: int) -> SessionRow:
    return SessionRow(7, "app", "d", "a", state, blocked_by, 400.0, 400.0, "SELECT 1")


def found(look: Inspection) -> list[str]:
    """Of a server that nobody is connected to."""
    backend = open_backend("pg", Options(), None)
    return [str(one.text) for one in backend._findings(look, {}, 0.0)]


@pytest.mark.parametrize(
    ("version", "time_of_runs"),
    [(120000, "total_time"), (130000, "total_exec_time"), (160000, "total_exec_time"), (170000, "total_exec_time")],
)
def test_columns_have_the_names_of_their_version(version: int, time_of_runs: str) -> None:
    ask = slow(replace(SERVER, version=version))
    assert ask is not None
    assert f"sum({time_of_runs})" in ask.sql
    assert ("NULL::text AS wal_status" in slots(replace(SERVER, version=version)).sql) is (version < 130000)


def test_without_the_extension_or_its_library_statements_are_not_asked_for() -> None:
    assert slow(replace(SERVER, statements=None)) is None
    assert slow(replace(SERVER, preloaded=False)) is None


def test_what_is_not_as_it_should_be() -> None:
    assert found(QUIET) == []
    assert found(replace(QUIET, sessions=(session_of("active"),))) == []
    waits, idles = (
        replace(QUIET, sessions=(session_of("active", 3, 4),)),
        replace(QUIET, sessions=(session_of("idle in transaction"),)),
    )
    assert found(waits) == ["7 has waited 6 min for a lock held by 3 4"]
    assert found(idles) == ["7 (app) has been idle in transaction for 6 min"]
    behind = replace(QUIET, senders=(WalSender("s", None, None, None, 0.0, 31.0),))
    assert found(behind) == ["standby s is 31 s behind"]
    alone = replace(QUIET, server=replace(SERVER, standby=True), receiver=WalReceiver(None, None, None, 0.0))
    assert found(alone) == ["this standby receives nothing: no WAL receiver is running"]


def test_failing_archiving_of_wal_is_a_finding_until_it_works() -> None:
    wal = WalReceiver(None, None, None, None, 3e9, archives=True, archive_failed_s=90.0)
    assert found(replace(QUIET, receiver=wal)) == [
        "WAL archiving fails: last failure 1 min ago; WAL is retained until it works"
    ]
    works, off = replace(wal, archive_failed_s=None), replace(wal, archives=False, archive_failed_s=None)
    assert found(replace(QUIET, receiver=works)) == found(replace(QUIET, receiver=off)) == []
    told = [
        next(str(each.value) for each in facts(replace(QUIET, receiver=each)) if each.key == "archiving")
        for each in (wal, works, off)
    ]
    assert told == ["fails", "on", "off"]
    looked = [map(str, _checked(replace(QUIET, receiver=each), {}, Threshold())) for each in (works, off)]
    assert ["WAL archiving" in each for each in looked] == [True, False]
    assert dict(_values(replace(QUIET, receiver=wal), {}))[Series("postgresql_wal_bytes_total")] == 3e9


def test_deadlocks_are_told_for_a_while() -> None:
    backend, now = open_backend("pg", Options(), None), 1000.0  # whole: of others, now + 600 - now may be less than 600
    backend._deadlocks = (now, 2.0)
    told = [[str(one.text) for one in backend._findings(QUIET, {}, now + later)] for later in (60, DEADLOCKS_FOR_S)]
    assert told == [["2 deadlocks 1 min ago"], []]


def tables_of(look: Inspection, unused: bool = False) -> dict[str, Table]:
    indexes = IndexStats((UnusedIndex("orders_note", "orders", 8e6),) if unused else (), (), ())
    return {each.key: each for each in tables(look, indexes)}


def test_unused_indexes_are_told_of_once_statistics_are_a_day_old() -> None:
    set_language("en")
    young, old, unknown = (replace(QUIET, server=replace(SERVER, counted_s=age)) for age in (57.0, 86_400.0, None))
    told = tables_of(young, unused=True)["unused_indexes"]
    assert (told.rows, str(told.note)) == ((), "statistics are 57 s old, too young to tell")
    assert "unused_indexes" not in tables_of(young)
    for look in (old, unknown):
        assert [row[0] for row in tables_of(look, unused=True)["unused_indexes"].rows] == ["orders_note"]


def test_templates_are_no_databases_until_something_happens_there() -> None:
    quiet, busy = (
        DatabaseStats("template1", 0, 90, 0, 9, 9, 0, 0, 7),
        DatabaseStats("template0", 1, 0, 0, 0, 0, 0, 0, 7),
    )
    shown = tables_of(replace(QUIET, databases=(replace(quiet, name="shop"), quiet, busy)))["databases"]
    old = tables_of(replace(QUIET, databases=(replace(quiet, age=300_000_000),)))["databases"]
    assert [row[0] for row in old.rows] == ["template1"]
    assert [row[0] for row in shown.rows] == ["shop", "template0"]


def test_all_sessions_are_shown_those_in_a_transaction_first() -> None:
    idle = SessionRow(9, "app", "d", "a", "idle", (), None, 30.0, "SELECT 1", "10.0.0.7", None)
    open_ = SessionRow(8, "app", "d", "a", "active", (), 4.0, 4.0, "SELECT 2", "local", "IO DataFileRead")
    shown = tables_of(replace(QUIET, sessions=(idle, open_)))["sessions"]
    assert [row[:7] for row in shown.rows] == [
        ("8", "active", 4.0, "IO DataFileRead", "app@d", "a", 4.0),
        ("9", "idle", 30.0, None, "app@d", "a", None),
    ]
    assert "sessions" not in tables_of(QUIET)


def test_sessions_are_counted_by_state_with_their_oldest_transaction() -> None:
    set_language("en")
    pool = (
        SessionCounts("idle", 9, 0, None),
        SessionCounts("active", 3, 2, 41.0),
        SessionCounts("starting", 1, 0, None),
    )
    shown = tables_of(replace(QUIET, pool=pool))["session_states"]
    told = [(str(row[0]), *row[1:]) for row in shown.rows]
    assert told == [
        ("active", 41.0, 2, 3),
        ("idle", None, 0, 9),
        ("idle in transaction", None, 0, 0),
        ("starting", None, 0, 1),
    ]
    blind = replace(QUIET, server=replace(SERVER, sees_all=False), pool=(SessionCounts("hidden", 4, 0, None),))
    rows = tables_of(blind)["session_states"].rows
    assert [(str(row[0]), row[-1]) for row in rows] == [("not visible", 4)], "nothing is told to be zero unseen"
    assert "session_states" not in tables_of(QUIET)


def test_what_sessions_wait_for_is_counted_with_the_longest() -> None:
    set_language("en")

    def waiting(wait: str | None, seconds: float, state: str = "active") -> SessionRow:
        return SessionRow(9, "app", "d", "a", state, (), seconds, seconds, "SELECT 1", "local", wait)

    rows = (
        waiting("IO DataFileRead", 0.2), waiting("Lock transactionid", 41.0), waiting(None, 5.0),
        waiting("Lock transactionid", 12.0), waiting(None, 900.0, "idle"), waiting("Timeout PgSleep", 7.0, "idle"),
    )  # fmt: skip
    shown = tables_of(replace(QUIET, sessions=rows))["waits"]
    told = [(str(row[0]), str(row[1]), *row[2:]) for row in shown.rows]
    assert told == [
        ("Lock", "transactionid", 41.0, 2),
        ("IO", "DataFileRead", 0.2, 1),
        ("Timeout", "PgSleep", None, 1),
        ("running", "no wait", 5.0, 1),
    ]
    assert shown.note is None
    many = tables_of(replace(QUIET, sessions=(waiting("IO DataFileRead", 0.2),) * 100))["waits"]
    assert str(many.note) == "of the 100 sessions with the oldest transactions", "not all are known"
    running = replace(QUIET, sessions=(waiting(None, 5.0), waiting(None, 900.0, "idle")))
    assert "waits" not in tables_of(running), "nothing waits"


def test_the_clients_that_are_shown_are_few_and_it_is_said_which() -> None:
    set_language("en")
    clients = tuple(ClientCounts("app", "d", f"web-{place}", "local", 1, 0, 1, 0, 0, 6.0) for place in range(11))
    all_shown, cut = (tables_of(replace(QUIET, clients=each))["clients"] for each in (clients[:10], clients))
    assert (len(all_shown.rows), all_shown.note) == (10, None)
    assert (len(cut.rows), str(cut.note)) == (10, "the 10 with old transactions or the most connections")
    assert cut.rows[0][:3] == ("web-0", 1, 6.0)


def test_sessions_that_are_not_shown_are_counted() -> None:
    set_language("en")
    many = tuple(SessionRow(pid, "app", "d", "a", "idle", (), None, float(pid), "SELECT 1") for pid in range(17))
    told = tables_of(replace(QUIET, sessions=many))["sessions"]
    assert (len(told.rows), told.rows[0][0], str(told.note)) == (15, "0", "2 more, idle or younger")
    assert tables_of(replace(QUIET, sessions=many[:15]))["sessions"].note is None


def test_what_is_seen_first_is_who_does_what_then_statements_then_sizes() -> None:
    look = replace(
        QUIET,
        sessions=(session_of("idle in transaction"), session_of("active", 7)),
        databases=(DatabaseStats("shop", 1, 2, 0, 9, 9, 0, 0, 7),),
        slow=(SlowStatement("42", 1, 1.0, 1.0, 1.0, 1, 1, 1, "SELECT 1"),),
    )
    indexes = IndexStats((), (), (), (TableSize("orders", 8e6, 2e6, 90, 1, 3, 2, 1, 4, 5),), {"shop": 9e6})
    shown = {each.key: each for each in tables(look, indexes)}
    assert list(shown)[:5] == ["sessions", "blocking", "slow_statements", "databases", "largest_tables"]
    assert shown["databases"].rows[0][:3] == ("shop", 9e6, 1)
    assert shown["largest_tables"].rows[0][:4] == ("orders", 8e6, 2e6, 90)


def test_a_full_server_and_a_full_database_refuse_their_clients() -> None:
    set_language("en")
    used = Series("postgresql_connections_used")
    most = SERVER.max_connections - SERVER.reserved
    backend = open_backend("pg", Options(connections_percent=Threshold()), None)
    for count, told in ((most - 2, []), (most - 1, [f"all {most} connections are in use: new clients are refused"])):
        found = list(backend._findings(QUIET, {used: float(count)}, 0.0))
        assert [str(each.text) for each in found] == told, "with that of LilFox"
        assert all(each.level is Level.FAILING for each in found)
    own = DatabaseStats("shop", 5, 0, 0, 0, 0, 0, 0, 7, connection_limit=5)
    full = [str(each.text) for each in backend._findings(replace(QUIET, databases=(own,)), {}, 0.0)]
    assert full == ["shop: all 5 connections that it may have are in use: new clients are refused"]
    for free in (replace(own, connections=4), replace(own, connection_limit=-1), replace(own, open=False)):
        assert list(backend._findings(replace(QUIET, databases=(free,)), {}, 0.0)) == []


@pytest.mark.parametrize(
    ("waits", "threshold", "told"),
    [
        ((6.9,), Threshold(warn=10), "waits for locks (none longer than 10 s)"),
        ((6.9, 0.5), Threshold(warn=9, fail=7), "waits for locks (none longer than 7 s)"),
        ((6.9,), Threshold(warn=5), None),
        ((0.5, 6.9), Threshold(warn=5), None),
        ((6.9,), Threshold(), None),
        ((None,), Threshold(warn=10), None),
    ],
)
def test_while_sessions_wait_no_more_is_told_than_that_they_wait_no_longer(
    waits: tuple[float | None, ...], threshold: Threshold, told: str | None
) -> None:
    set_language("en")
    waiting = [replace(session_of("active", 7), in_state_s=wait) for wait in waits]
    look = replace(QUIET, sessions=(*waiting, session_of("idle")))
    said = [str(each) for each in _checked(look, {}, threshold) if "waits" in str(each)]
    assert said == ([] if told is None else [told])


def test_only_what_was_looked_at_is_told_to_be_checked() -> None:
    set_language("en")
    pool = (SessionCounts("active", 1, 0, None),)
    databases = (DatabaseStats("shop", 1, 2, 0, 9, 9, 0, 0, 7),)
    whole = replace(QUIET, pool=pool, sessions=(), databases=databases)
    told = [str(each) for each in _checked(whole, {}, Threshold(warn=10))]
    assert told == ["connections", "waits for locks", "idle transactions", "deadlocks", "age of transaction IDs"]
    blind = replace(whole, server=replace(SERVER, sees_all=False), databases=None)
    assert [str(each) for each in _checked(blind, {}, Threshold(warn=10))] == ["connections"]


def test_why_numbers_are_missing_is_told() -> None:
    assert _incomplete(QUIET) is None
    assert "GRANT pg_monitor TO lilfox" in str(_incomplete(replace(QUIET, server=replace(SERVER, sees_all=False))))
    refused = replace(QUIET, slots=None, refused={"slots": tr("the server refused the query (42501): no")})
    assert str(_incomplete(refused)) == "incomplete: slots: the server refused the query (42501): no"


# The tree of who blocks whom, also where it is no tree.


def session_with(pid: int, *blocked_by: int) -> SessionRow:
    return SessionRow(pid, "r", "d", "a", "active", blocked_by, 1.0, 1.0, "SELECT 1")


def tree(*rows: SessionRow) -> list[tuple[int, int]]:
    return [(depth, row.pid) for depth, row in blocking_tree(rows)]


def test_who_waits_stands_below_who_holds() -> None:
    assert tree(session_with(1), session_with(2, 1), session_with(3, 2), session_with(4, 1)) == [
        (0, 1),
        (1, 2),
        (2, 3),
        (1, 4),
    ]


def test_who_waits_for_two_stands_once() -> None:
    assert tree(session_with(1), session_with(2), session_with(3, 1, 2)) == [(0, 1), (1, 3), (0, 2)]


def test_a_circle_ends() -> None:
    assert sorted(pid for _depth, pid in tree(session_with(1, 2), session_with(2, 1))) == [1, 2]


def test_a_holder_that_is_not_seen_leaves_its_waiters() -> None:
    assert tree(session_with(2, 99), session_with(3, 2)) == [(0, 2), (1, 3)]


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("ALTER ROLE a PASSWORD 'x''y' VALID UNTIL '2030'", "ALTER ROLE a PASSWORD '***' VALID UNTIL '2030'"),
        ("CREATE USER a WITH ENCRYPTED PASSWORD\n  'cut of", "CREATE USER a WITH ENCRYPTED PASSWORD\n  '***'"),
        ("SELECT password FROM users WHERE name = 'a'", "SELECT password FROM users WHERE name = 'a'"),
        ("CREATE SUBSCRIPTION s CONNECTION 'host=h password=word' PUBLICATION p",
         "CREATE SUBSCRIPTION s CONNECTION 'host=h password=***' PUBLICATION p"),
    ],
)  # fmt: skip
def test_passwords_in_statements_are_masked(statement: str, shown: str) -> None:
    assert without_secrets(statement) == shown


def test_nobody_waits() -> None:
    assert tree(session_with(1), session_with(2)) == []


def test_what_psql_prints_is_read_also_over_several_lines_and_with_errors_between() -> None:
    output = (
        '"[{""a"" : ""x\ny""},\n {""a"" : 2}]"\n@@LILFOX-END@@ 0 00000 \n'
        '@@LILFOX-END@@ 1 42P01 relation "gone" does not exist\n'
        "one\ntwo\n@@LILFOX-END@@ 2 00000 \n"
        "@@LILFOX-END@@ 3 00000 \n"
    )
    assert _answers(output) == [
        ('[{"a" : "x\ny"},\n {"a" : 2}]',),
        StatementRefused("42P01", 'relation "gone" does not exist'),
        ("one", "two"),
        (),
    ]


def test_an_error_with_one_quote_ends_at_its_line() -> None:
    output = '@@LILFOX-END@@ 0 42601 syntax error at or near """\nrow\n@@LILFOX-END@@ 1 00000 \n'
    assert _answers(output) == [StatementRefused("42601", 'syntax error at or near """'), ("row",)]


def test_generated_statements_go_to_the_server_as_they_are() -> None:
    assert _script(Statement("SELECT 'x'", generated=True), 3).splitlines()[1] == "\\gexec"
    assert _script(Statement("SELECT 'x'"), 3).splitlines()[1] == ";"


class Answering:
    """A session that is asked what the server is, and then for the plan of a statement."""

    def __init__(self, statements: str | None, text: StatementAnswer) -> None:
        self._answers: list[list[StatementAnswer]] = [
            [(msgspec.json.encode([replace(SERVER, statements=statements)]).decode(),)], [text, ()]
        ]  # fmt: skip

    async def run(self, steps: Sequence[Statement]) -> list[StatementAnswer]:
        return self._answers.pop(0)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("statements", "text", "told"),
    [
        ("public", (), "statement 7 is no longer in the statistics, or contains a semicolon"),
        (
            "public",
            StatementRefused("42501", "permission denied"),
            "the server refused the query (42501): permission denied",
        ),
        (None, (), "no statement statistics in this database: run CREATE EXTENSION pg_stat_statements in postgres"),
    ],
)
async def test_why_a_statement_has_no_plan_is_told_as_the_server_says_it(
    statements: str | None, text: StatementAnswer, told: str
) -> None:
    with pytest.raises(BackendError) as caught:
        await PostgresBackend(Options(), Answering(statements, text)).explain("7")
    assert str(caught.value) == told


@pytest.mark.parametrize(("run_as", "sudo"), [("", False), ("postgres", True)])
async def test_run_as_is_the_permission_for_sudo(monkeypatch: pytest.MonkeyPatch, run_as: str, sudo: bool) -> None:
    asked: list[bool] = []

    async def run(argv: Sequence[str], *, sudo: bool = False, **_more: object) -> Completed:
        asked.append(sudo)
        assert ("runuser" in argv) is sudo
        return Completed(tuple(argv), 0, None, b"", b"")

    monkeypatch.setattr(host := FakeHost(), "run", run)
    made = PsqlSession(host, socket="", port=5432, database="postgres", user="", run_as=run_as, timeout_s=1)
    assert await made.run([]) == []
    assert asked == [sudo]
