"""How an application's passwords are stored, on real servers: found, mended by the fix, and gone. No hash leaves the
server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import bcrypt
import pytest

from lilfox_tui.audit.checks.auth.passwords import HASHES
from lilfox_tui.audit.model import AuditSeverity
from lilfox_tui.audit.targets.postgresql import gather
from lilfox_tui.backends.kinds.postgresql import Options, open_session
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_audit import VERSIONS, audited, found_by, is_mended, mend, unknown

CHECK = "password-hashes"
BCRYPT = "$2b$12$" + "." * 53
ARGON2 = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$" + "A" * 43
WERKZEUG = "scrypt:32768:8:1$saltsaltsalt$" + "0" * 128
MD5, SHA1, SHA256 = (hashlib.new(name, b"hunter2").hexdigest() for name in ("md5", "sha1", "sha256"))


def table(
    server: Postgres, values: Sequence[str], *, name: str = "users", column: str = "password", more: str = ""
) -> None:
    """A table with these values, of which some users have none."""
    server.csv(f'CREATE TABLE {name} (id int GENERATED ALWAYS AS IDENTITY, "{column}" text{more})')
    rows = ", ".join("(" + "'" + each.replace("'", "''") + "')" for each in values)
    server.csv(f"INSERT INTO {name} (\"{column}\") VALUES (NULL), (''), {rows}")


def evidence(report: Any) -> dict[str, str]:
    return {subject: str(each.evidence) for subject, each in found_by(report).items()}


@pytest.mark.provokes(CHECK)
@pytest.mark.parametrize("version", VERSIONS)
async def test_passwords_in_plain_text_and_weak_hashes(version: int) -> None:
    with Postgres(version=version) as server:
        table(server, ["letmein", "qwerty", "it's me again", "correct horse battery staple", "!", "ldap", MD5, BCRYPT])
        server.csv('CREATE TABLE "Account" (id int, "passwordHash" varchar(40))')
        server.csv(f"INSERT INTO \"Account\" VALUES (1, '{SHA1}'), (2, '{SHA1}'), (3, '*{SHA1[:39].upper()}')")
        report = await audited(server, CHECK)
        assert {each.severity for each in report.found} == {AuditSeverity.HIGH}
        found = found_by(report)
        users, account = "public.users.password", 'public."Account"."passwordHash"'
        assert evidence(report) == {
            account: f"{account}: of 3 values read: 2 × 40 hex digits without a salt (SHA-1)",
            users: f"{users}: of 8 values read: 4 × plain text, 1 × 32 hex digits without a salt (MD5)",
        }
        assert not [each for each in ("letmein", MD5, SHA1, BCRYPT) if each in repr(report)]
        mend((each.fix for each in found.values()), server)
        stored = [row[0] for row in server.csv("SELECT password FROM users WHERE password <> '' ORDER BY id")]
        assert stored[4:6] == ["!", "ldap"]
        assert stored[7] == BCRYPT
        assert bcrypt.checkpw(b"letmein", stored[0].encode())
        assert bcrypt.checkpw(MD5.encode(), stored[6].encode())
        await is_mended(server, CHECK)


WEAK = {
    "MD5 crypt": "$1$saltsalt$" + "x" * 22,
    "phpass (MD5)": "$P$B" + "x" * 30,
    "MD5 or SHA without a salt, in braces": "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "MD5 or SHA with a salt, in braces": "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9hzYWx0",
    "plain text, in braces": "{noop}letmein",
    "one round of MD5 or SHA": f"sha1$salt${SHA1}",
    "64 hex digits without a salt (SHA-256)": SHA256,
    "SHA-1 without a salt (MySQL)": f"*{SHA1.upper()}",
}
CHEAP = {
    "bcrypt with cost 8": "$2a$08$" + "x" * 53,
    "bcrypt with cost 5": "$bcrypt-sha256$v=2,t=2b,r=5$" + "x" * 22,
    "PBKDF2 with 36000 rounds": "pbkdf2_sha256$36000$salt$" + "x" * 43 + "=",
    "PBKDF2 with 29000 rounds": "$pbkdf2-sha512$29000$salt$xxxx",
    "SHA-crypt with 5000 rounds": "$6$saltsalt$" + "x" * 86,
}


@pytest.mark.provokes(CHECK)
async def test_what_is_hashed_anew_at_the_next_login() -> None:
    with Postgres() as server:
        table(server, [*WEAK.values(), "4vUn5mgNgM.Ew", "xfUn5mgNgM.Ew"], column="password_digest")
        table(server, [*CHEAP.values()], name="members", column="hashed_password")
        report = await audited(server, CHECK)
        told = evidence(report)
        kinds = [*WEAK, "DES crypt or plain text (13 characters)"]
        assert not [kind for kind in kinds if f" {kind}" not in told["public.users.password_digest"]]
        assert not [kind for kind in CHEAP if f"1 × {kind}" not in told["public.members.hashed_password"]]
        severities = {each.finding.subject: each.severity for each in report.found}
        assert severities["public.members.hashed_password"] is AuditSeverity.MEDIUM
        assert found_by(report)["public.members.hashed_password"].fix.commands == ()
        server.csv("CREATE EXTENSION pgcrypto")
        server.csv("UPDATE users SET password_digest = crypt('x', gen_salt('bf', 10)) WHERE password_digest <> ''")
        server.csv("UPDATE members SET hashed_password = crypt('x', gen_salt('bf', 10)) WHERE id > 2")
        await is_mended(server, CHECK)


MADE = {
    "crypt('x', gen_salt('des'))": "DES crypt or plain text (13 characters)",
    "crypt('x', gen_salt('md5'))": "MD5 crypt",
    "crypt('x', gen_salt('bf', 4))": "bcrypt with cost 4",
    "crypt('x', gen_salt('bf', 10))": None,
    "encode(digest('x', 'md5'), 'hex')": "32 hex digits without a salt (MD5)",
    "upper(encode(digest('x', 'sha1'), 'hex'))": "40 hex digits without a salt (SHA-1)",
    "encode(digest('x', 'sha256'), 'hex')": "64 hex digits without a salt (SHA-256)",
    "'{SHA}' || encode(digest('x', 'sha1'), 'base64')": "MD5 or SHA without a salt, in braces",
}


@pytest.mark.parametrize(("made", "kind"), MADE.items())
async def test_hashes_as_pgcrypto_makes_them(pgcrypto: Postgres, made: str, kind: str | None) -> None:
    pgcrypto.csv(f"DROP TABLE IF EXISTS users; SELECT {made} AS passwd INTO users FROM generate_series(1, 3)")
    report = await audited(pgcrypto, CHECK)
    told = {} if kind is None else {"public.users.passwd": f"public.users.passwd: of 3 values read: 3 × {kind}"}
    assert evidence(report) == told


@pytest.fixture(scope="module")
def pgcrypto() -> Iterator[Postgres]:
    with Postgres() as server:
        server.csv("CREATE EXTENSION pgcrypto")
        yield server


GOOD = [
    BCRYPT, ARGON2, WERKZEUG, "!unusable", "{bcrypt}$2a$10$" + "x" * 53, "bcrypt_sha256$" + BCRYPT, "$wp" + BCRYPT,
    "argon2" + ARGON2, "pbkdf2_sha256$870000$salt$" + "x" * 43 + "=", "pbkdf2:sha256:600000$salt$" + "0" * 64,
    "$pbkdf2-sha256$120000$salt$xxxx", "scrypt$salt$16384$8$1$xxxxxxxxxxxx", "$y$j9T$saltsaltsalt$" + "x" * 43,
    "$6$rounds=656000$saltsalt$" + "x" * 86,
]  # fmt: skip


async def test_nothing_is_found_where_passwords_are_stored_well() -> None:
    with Postgres() as server:
        table(server, GOOD)
        table(server, ["hunter2", "letmein"], name="smtp_accounts")
        table(server, ["hunter2", "letmein"], name="backends")
        table(server, ["in 5 days", "tomorrow"], name="people", column="password_hint")
        server.csv("CREATE TEMP TABLE clients (password text)")
        server.csv("CREATE VIEW customers AS SELECT 'letmein' AS password UNION SELECT 'hunter2'")
        await is_mended(server, CHECK)


UNKNOWN = "{}: values in a format that LilFox does not know; check how the application hashes passwords"


@pytest.mark.parametrize(
    ("values", "more"),
    [
        (["gAAAAABl" + "x" * 92], ""),  # encrypted?
        ([SHA256, SHA1], ", salt text"),  # PBKDF2, or one round?
        ([SHA256 * 2], ""),  # SHA-512, or a salt and a hash?
        (["hunter2"], ""),  # a mark, or a password?
        (["AQAAAAIAAYagAAAAE" + "x" * 67], ""),
        (["sha1:64000:18:saltsaltsalt:" + "x" * 24], ""),
    ],
)
async def test_what_is_not_understood_is_not_known(values: list[str], more: str) -> None:
    with Postgres() as server:
        table(server, [*values, BCRYPT], more=more)
        report = await audited(server, CHECK)
        assert (report.found, unknown(report)) == ((), {CHECK: UNKNOWN.format("public.users.password")})


async def test_a_role_that_may_not_read_the_table() -> None:
    with Postgres() as server:
        table(server, ["hunter2", "letmein"])
        server.csv("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
        report = await audited(server, CHECK, user="watcher")
        grant = "GRANT SELECT (password) ON public.users TO watcher"
        assert unknown(report) == {CHECK: f"the role may not read all rows of public.users.password: {grant}"}
        assert b"ERROR" not in server.log.read_bytes()
        server.csv(grant)
        assert list(found_by(await audited(server, CHECK, user="watcher"))) == ["public.users.password"]
        server.csv("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
        told = unknown(await audited(server, CHECK, user="watcher"))[CHECK]
        assert told.endswith(": ALTER ROLE watcher BYPASSRLS")


async def test_no_hash_leaves_the_server() -> None:
    with Postgres() as server:
        table(server, ["letmein", "hunter2", MD5, BCRYPT, ARGON2])
        server.csv("CREATE TABLE clients (pwd bytea)")
        server.csv("CREATE DATABASE other")
        server.csv("CREATE DATABASE shop")
        session = open_session("db", Options(port=server.port, user=SUPERUSER), None)
        answer = repr(await gather(session, [HASHES]))
        await session.close()
        assert not [each for each in ("letmein", "hunter2", MD5, BCRYPT, ARGON2) if each in answer]
        assert "'class': 'plain'" in answer
        report = await audited(server, CHECK, database="other")
        assert str(report.not_checked[0].reason).startswith("other has no tables")
