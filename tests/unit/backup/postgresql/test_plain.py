r"""The reader of plain dumps against psql itself: what psql runs as a command, the reader must have refused."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.backup.postgresql.plain import PlainReader
from lilfox_tui.backup.store import BrokenSet
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_looks import VERSIONS, of_version

CANARY = "@@the canary sang@@"
SONG = rf"\echo {CANARY}"
HEAD = (
    "--\n-- PostgreSQL database dump\n--\n\nSET client_min_messages = error;\nSET standard_conforming_strings = on;\n"
)
END = "\n--\n-- PostgreSQL database dump complete\n--\n\n"
HOSTILE = (
    f"SELECT 1;\n{SONG}\n",
    f"SELECT 1; {SONG}\n",
    f"SELECT 1 {SONG}\n;\n",
    f"SELECT 'a\n{SONG}\n';\n",
    f"SELECT 'a\\';\n{SONG}\n",
    f"SELECT E'a\\';\n{SONG}\n';\n",
    f"SELECT E'a''\\';\n{SONG}\n';\n",
    f"SELECT E'a'\n'\\';\n{SONG}\n';\n",
    f"SELECT E'a' -- x\n '\\';\n{SONG}\n';\n",
    f"SELECT 1e'\\';\n{SONG}\n';\n",
    f"SELECT xe'\\';\n{SONG}\n';\n",
    f"SELECT a$$ FROM x;\n{SONG}\n$$;\n",
    f"SELECT 1$$;\n{SONG}\n$$;\n",
    f"SELECT $a$ $b$ $$;\n{SONG}\n$a$;\n",
    f"SELECT $1$;\n{SONG}\n$1$;\n",
    f"SELECT $ä$;\n{SONG}\n$ä$;\n",
    f"/* /* */\n{SONG}\n*/ */\n",
    f"/* */ */\n{SONG}\n",
    f"SELECT 1 /* ' */;\n{SONG}\n--';\n",
    f"SELECT 1 -- '\n;\n{SONG}\n--';\n",
    f"SELECT 1 +/* ' */ 1;\n{SONG}\n",
    f"SELECT 1 */* ' */ 1;\n{SONG}\n",
    f"SELECT 1 --/* \n;\n{SONG}\n--*/\n",
    f'SELECT 1 AS "a;\n{SONG}\n";\n',
    f'SELECT 1 AS U&"a\\";\n{SONG}\n";\n',
    f"SELECT U&'a\\';\n{SONG}\n';\n",
    f"SELECT B'1\\';\n{SONG}\n';\n",
    f"SELECT N'1\\';\n{SONG}\n';\n",
    f"COPY t (a) FROM stdin;\n{SONG}\n\\.\n",
    f"COPY t (a) FROM stdin;\nx\n\\.\n{SONG}\n",
    f"COPY t (a) FROM stdin;\nx\n\\.\r\n{SONG}\n",
    f"COPY t (a) FROM stdin;\nx\\.\n\\.x\n\\. \n{SONG}\n\\.\n",
    f"COPY t (a) FROM stdin;\n\\.\n{SONG}\n\\.\n",
    f"COPY t (a) FROM stdin; SELECT 1;\n{SONG}\n\\.\n",
    f"COPY t (a) FROM stdin;SELECT '\n\\.\n{SONG}\n';\n",
    f"SELECT 1; COPY t (a) FROM stdin;\n{SONG}\n\\.\n",
    f"copy t (a) from stdin;\n{SONG}\n\\.\n",
    f"COPY (SELECT 'FROM stdin') TO stdout;\n{SONG}\n\\.\n",
    f"COPY t (a) FROM '/nowhere';\n{SONG}\n\\.\n",
    f"SELECT (;\nCOPY t (a) FROM stdin;\n{SONG}\n\\.\n);\n",
    f"CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1;\nCOPY t (a) FROM stdin;\n{SONG}\n\\.\nEND;\n",
    f"CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC SELECT CASE a END;\nCOPY t (a) FROM stdin;\n{SONG}\n\\.\n",
    f"CREATE TABLE begin (a int);\nCOPY t (a) FROM stdin;\n{SONG}\n\\.\n",
    f"SET standard_conforming_strings = off;\nSELECT 'a\\';\n{SONG}\n';\n",
    f"SET standard_conforming_strings = off;\nSELECT '\\'' ;\n{SONG}\n--';\n",
    f"SET client_encoding = 'GBK';\nSELECT '\udcbf'' ;\n{SONG}\n--';\n",
    f"SET client_encoding = 'SJIS';\nSELECT '\udc95\\';\n{SONG}\n--';\n",
    f"COPY t (a) FROM stdin;\nx\0\n\\.\n/*\n\\.\n{SONG}\n*/\n",
    f"CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT 'x'\n\\.\n{SONG}\n$_$;\n",
    f"SELECT 1;\n\\unrestrict abc\n{SONG}\n",
    f"\\restrict abc\nSELECT 1;\n\\unrestrict abc\n{SONG}\n\\restrict abc\n\\unrestrict abc\n",
    f"SELECT 1 \\; SELECT 2;\n{SONG}\n",
    f"\\if true\n{SONG}\n\\endif\n",
    "\\set x `echo " + CANARY + "`\n\\echo :x\n",
    "\\connect `echo " + CANARY + " >&2`\n",
    "\\unrestrict `echo " + CANARY + " >&2`\n",
    f"SELECT 'a' AS x \\gset\n{SONG}\n",
    "SELECT $$\\echo " + CANARY + "$$ \\g |cat\n",
)  # fmt: skip
AROUND = (
    "'%s'", "E'%s'", "$a$%s$a$", "$$%s$$", "/*%s*/", '"%s"', "(%s)", "--%s\n", "COPY t (a) FROM stdin;\n%s\n\\.\n",
    "SELECT %s;\n", "SELECT '%s';\n", "U&'%s'", "%s %s", "%s%s", "%s\n%s", "CREATE FUNCTION f() BEGIN %s END;\n",
    "%s;\n",
)  # fmt: skip
LEAVES = (
    "'", "''", "\\'", "\\\\'", '"', "$$", "$a$", "--", "/*", "*/", "(", ")", ";", "\n", "1", "a", "\n\\.\n", "BEGIN",
    "CASE", "END", f"\n{SONG}\n", f"\n{SONG}\n", f"\n{SONG}\n", "\r\n", "\x0b", "e", "U&",
)  # fmt: skip


def random_script(picked: random.Random, depth: int = 4) -> str:
    """Quotes around quotes, closed for the most part: what a reader may take for harmless."""
    if depth == 0 or picked.random() < 0.2:
        return picked.choice(LEAVES)
    around = picked.choice(AROUND)
    return around % tuple(random_script(picked, depth - 1) for _ in range(around.count("%s")))


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with of_version(request.param) as running:
        running.csv("CREATE TABLE t (a text)")
        yield running


def sings(server: Postgres, script: bytes, folder: Path) -> bool:
    """Whether psql runs the canary of ``script``."""
    file = folder / "script.sql"
    file.write_bytes(script)
    argv = [str(server._bin / "psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(server.port), "-U", SUPERUSER]
    with file.open("rb") as stdin:
        done = subprocess.run(
            [*argv, "-d", "postgres"], stdin=stdin, capture_output=True, cwd="/", timeout=60, check=False
        )
    output = done.stdout + done.stderr
    return any(line.strip() == CANARY.encode() for line in output.split(b"\n"))


def refuses(script: bytes, size: int = 1 << 20) -> bool:
    reader = PlainReader()
    try:
        for at in range(0, len(script), size):
            reader.feed(script[at : at + size])
        reader.finish()
    except BrokenSet:
        return True
    return False


def script_of(text: str) -> bytes:
    return (HEAD + text + END).encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_what_psql_runs_the_reader_refuses(server: Postgres, tmp_path: Path, place: int) -> None:
    script = script_of(HOSTILE[place])
    refused = [refuses(script, size) for size in (1 << 20, 1, 3)]

    assert len(set(refused)) == 1, "the size of blocks must not matter"
    if sings(server, script, tmp_path):
        assert refused[0], HOSTILE[place]


def test_the_canary_can_sing_and_is_silent_inside_of_quotes(server: Postgres, tmp_path: Path) -> None:
    assert sings(server, script_of(HOSTILE[0]), tmp_path)
    assert not sings(server, script_of(f"SELECT $$\n{SONG}\n$$;\n"), tmp_path)
    assert not refuses(script_of(f"SELECT $$\n{SONG}\n$$;\n"))


def test_random_scripts_never_sing_past_the_reader(server: Postgres, tmp_path: Path) -> None:
    picked = random.Random(20260130)
    tried = 0
    for _ in range(3000):
        script = script_of("SELECT 1;\n" + random_script(picked))
        if CANARY.encode() in script:
            refused = refuses(script)
            assert refused == refuses(script, 1), script
            if not refused:
                tried += 1
                assert not sings(server, script, tmp_path), script
    assert tried > 30
