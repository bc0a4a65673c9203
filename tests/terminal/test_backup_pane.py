"""Backing up a real database, breaking it, and restoring it by keys alone; the terminal goes away in the middle."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import Listing
from tests.services.postgres import SUPERUSER, Postgres
from tests.terminal.console import Console
from tests.waiting import wait_for

CONFIG = """
hosts:
  here: {{local: true}}
backup:
  stores:
    disk: {{path: {home}/store}}
  plans:
    shop:
      sources:
        database: {{kind: postgresql, url: "postgresql://{user}@127.0.0.1:{port}/shop"}}
        uploads: {{kind: files, path: {home}/uploads}}
      store: disk
      keep: {{last: 3}}
"""
TABLES = """
create table users (id int primary key, name text not null);
insert into users select each, 'user ' || each from generate_series(1, 5000) each;
create table orders (id bigserial primary key, note text);
insert into orders (note) select repeat(md5(each::text), 8) from generate_series(1, 5000) each;
"""
DIGEST = """
select (select count(*) || ':' || sum(hashtextextended(t::text, 0)) from users t),
       (select count(*) || ':' || sum(hashtextextended(t::text, 0)) from orders t)
"""


@pytest.fixture
def server() -> Iterator[Postgres]:
    with Postgres() as started:
        started.csv("create database shop")
        started.csv(TABLES, database="shop")
        yield started


@pytest.fixture
def home(tmp_path: Path, server: Postgres) -> Path:
    (tmp_path / "uploads").mkdir()
    for number in range(8):
        (tmp_path / "uploads" / f"{number}.png").write_bytes(os.urandom(20_000))
    config = tmp_path / ".config" / "lilfox" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG.format(home=tmp_path, user=SUPERUSER, port=server.port))
    config.chmod(0o600)
    return tmp_path


def files_of(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (home / "uploads").iterdir()}


def back_up(console: Console) -> str:
    """By keys; the id of the set, once its row is there."""
    console.press("3")
    console.until("✖ shop")  # its store is made by the first run
    console.press("b")
    console.until("Back up now")
    console.press("\r")
    text = console.until(lambda text: re.search(r"◐ shop_\d{8}_\d{6}  checksums verified", text) is not None)
    found = re.search(r"shop_\d{8}_\d{6}", text)
    assert found is not None
    return found[0]


def restore(console: Console) -> int:
    """By keys, up to the job that runs; its process."""
    console.press("B")
    console.until("What to restore?")
    console.press("\r")
    console.until("Where to?")
    console.press("\r")
    console.until("No check blocks the restore")
    console.press("\r")
    console.until(lambda text: "type shop" in text and "→ 5,000 rows" in text)
    console.press("shop\r")
    text = console.until("started on")
    found = re.search(r"\(process (\d+)\)", text)
    assert found is not None
    return int(found[1])


@pytest.mark.fault("1.16")
def test_what_was_broken_is_restored_though_the_terminal_goes_away(home: Path, server: Postgres) -> None:
    before, files = server.csv(DIGEST, database="shop"), files_of(home)
    with Console(home=home, columns=110, rows=30) as console:
        name = back_up(console)
        server.csv("delete from users where id > 10; insert into orders (note) values ('later')", database="shop")
        (home / "uploads" / "3.png").unlink()
        (home / "uploads" / "4.png").write_bytes(b"broken")
        process = restore(console)
        os.kill(process, signal.SIGSTOP)  # so that it is in the middle, however fast this machine is
        try:
            console.hang_up()
            console.process.wait(60)
            with Console(home=home, columns=110, rows=30) as again:
                text = again.until(lambda text: "Plans" in text and f"restore {name}" in text)
                assert "↻ restore" in text.splitlines()[1], "the frame tells of it"
                again.press("l")
                text = again.until(f"started on {os.uname().nodename}")
                assert f"(process {process})" in text, "from its first event on"
                os.kill(process, signal.SIGCONT)
                again.until("is restored, compared and in place")
                again.press("\x1b")
                again.until(lambda text: "Plans" in text and "↻" not in text)
                again.press("q")
                assert again.ended_within() == 0
        finally:
            _let_go(process)
    assert server.csv(DIGEST, database="shop") == before
    assert files_of(home) == files
    kept = [row[0] for row in server.csv("select datname from pg_database") if "_before_" in row[0]]
    assert len(kept) == 1
    assert server.csv("select count(*) from users", database=kept[0]) == [["10"]]


def test_a_restore_is_undone_and_quitting_over_a_job_is_asked(home: Path, server: Postgres) -> None:
    with Console(home=home, columns=110, rows=30) as console:
        back_up(console)
        server.csv("delete from users where id > 10", database="shop")
        process = restore(console)
        os.kill(process, signal.SIGSTOP)
        try:
            console.press("\x1b")
            console.until("Plans")
            console.until("↻ restore")
            console.press("q")
            console.until("You have running jobs")
            console.press("\x1b")
            console.until("Plans")
            os.kill(process, signal.SIGCONT)
            console.until(lambda text: "↻" not in text)
        finally:
            _let_go(process)
        assert server.csv("select count(*) from users", database="shop") == [["5000"]]
        sessions = "select count(*) from pg_stat_activity where datname = 'shop'"
        wait_for(lambda: server.csv(sessions) == [["0"]], what="nobody uses it, nor we: it is not undone below anybody")
        console.until("u undo")
        console.press("u")
        console.until("Undo the last restore")
        console.press("undo\r")
        jobs = Listing([home / ".local/state/lilfox/jobs"])
        console.until(lambda _text: [job.state for job in jobs.look() if job.kind == "undo"] == ["ok"])
        assert server.csv("select count(*) from users", database="shop") == [["10"]]
        console.press("q")
        if "You have running jobs" in console.until(lambda text: "You have running jobs" in text or console.ended):
            console.press("\r")
        assert console.ended_within() == 0


def _let_go(process: int) -> None:
    try:
        os.kill(process, signal.SIGCONT)
    except ProcessLookupError:
        return
