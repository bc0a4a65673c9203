"""What is asked of the server before a restore, for the role that runs the dump."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from lilfox_tui.backup.postgresql.psql import DatabaseTarget
from lilfox_tui.backup.postgresql.restore_checks import about_extensions
from lilfox_tui.backup.postgresql.server_info import Extension, ServerInfo


@pytest.mark.parametrize(
    ("superuser", "restore_role", "trusted", "hint"),
    [
        (True, False, False, None),
        (True, True, False, "Remove restore_role:"),
        (True, True, True, None),
        (False, False, False, "Restore as a superuser."),
        (False, True, False, "Remove restore_role:"),
    ],
)
def test_an_extension_is_installed_by_the_role_that_runs_the_dump(
    superuser: bool, restore_role: bool, trusted: bool, hint: str | None
) -> None:
    there = Extension("pg_stat_statements", ("1.11",), superuser=True, trusted=trusted)
    info = SimpleNamespace(extensions={there.name: there}, server=SimpleNamespace(superuser=superuser))
    target = SimpleNamespace(database="shop", detail=SimpleNamespace(extensions={there.name: "1.11"}))
    checks = about_extensions(cast("ServerInfo", info), cast("DatabaseTarget", target), restore_role=restore_role)
    assert [check.state for check in checks] == ([] if hint is None else ["bad"])
    assert all(str(check.hint).startswith(str(hint)) for check in checks)
