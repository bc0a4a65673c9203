"""What a look at a PostgreSQL means, and how it is asked by its version."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lilfox_tui.backends.kinds.postgresql import DEADLOCKS_FOR_S, Options, _incomplete, open_backend
from lilfox_tui.backends.postgresql.inspect import Inspection
from lilfox_tui.backends.postgresql.queries import ServerStatus, SessionRow, WalReceiver, WalSender, slots, slow
from lilfox_tui.core.i18n import tr

SERVER = ServerStatus(170000, "17.0", False, True, "lilfox", "postgres", 100, 3, True, "public", 1.0)
QUIET = Inspection(SERVER, (), (), (), (), None, (), (), None)


def session(state: str, *blocked_by: int) -> SessionRow:
    return SessionRow(7, "app", "d", "a", state, blocked_by, 400.0, 400.0, "SELECT 1")


def found(look: Inspection) -> list[str]:
    """Of a server that nobody is connected to."""
    backend = open_backend("pg", Options(), None)
    return [str(one.text) for one in backend._findings(look, {}, 0.0)]


@pytest.mark.parametrize(("version", "time_of_runs", "time_of_reads"), [
    (120000, "total_time", "sum(blk_read_time)"), (130000, "total_exec_time", "sum(blk_read_time)"),
    (160000, "total_exec_time", "sum(blk_read_time)"), (170000, "total_exec_time", "sum(shared_blk_read_time)"),
])  # fmt: skip
def test_columns_have_the_names_of_their_version(version: int, time_of_runs: str, time_of_reads: str) -> None:
    ask = slow(replace(SERVER, version=version))
    assert ask is not None
    assert f"sum({time_of_runs})" in ask.sql
    assert time_of_reads in ask.sql
    assert ("NULL::text AS wal_status" in slots(replace(SERVER, version=version)).sql) is (version < 130000)


def test_without_the_extension_or_its_library_statements_are_not_asked_for() -> None:
    assert slow(replace(SERVER, statements=None)) is None
    assert slow(replace(SERVER, preloaded=False)) is None


def test_what_is_not_as_it_should_be() -> None:
    assert found(QUIET) == []
    assert found(replace(QUIET, sessions=(session("active"),))) == []
    waits, idles = (
        replace(QUIET, sessions=(session("active", 3, 4),)),
        replace(QUIET, sessions=(session("idle in transaction"),)),
    )
    assert found(waits) == ["7 has waited 6 min for a lock held by 3 4"]
    assert found(idles) == ["7 of app has been idle in transaction for 6 min"]
    behind = replace(QUIET, senders=(WalSender("s", None, None, None, 0.0, 31.0),))
    assert found(behind) == ["standby s is 31 s behind"]
    alone = replace(QUIET, server=replace(SERVER, standby=True), receiver=WalReceiver(None, None, None, 0.0))
    assert found(alone) == ["this standby receives nothing: no WAL receiver is running"]


def test_deadlocks_are_told_for_a_while() -> None:
    backend, now = open_backend("pg", Options(), None), 1000.0  # whole: of others, now + 600 - now may be less than 600
    backend._deadlocks = (now, 2.0)
    told = [[str(one.text) for one in backend._findings(QUIET, {}, now + later)] for later in (60, DEADLOCKS_FOR_S)]
    assert told == [["2 deadlocks 1 min ago"], []]


def test_why_numbers_are_missing_is_told() -> None:
    assert _incomplete(QUIET) is None
    assert "GRANT pg_monitor TO lilfox" in str(_incomplete(replace(QUIET, server=replace(SERVER, sees_all=False))))
    refused = replace(QUIET, slots=None, refused={"slots": tr("the server refused the query (42501): no")})
    assert str(_incomplete(refused)) == "incomplete: slots: the server refused the query (42501): no"
