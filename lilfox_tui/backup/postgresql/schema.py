r"""A database's schema as text: what ``pg_dump --schema-only`` writes, without what differs from one run or program to
the next (versions in comments, the key of \restrict) and without tablespaces, which restoring may leave out.

It is the same for two databases only where the same major of pg_dump wrote it of the same major of server.
"""

from __future__ import annotations

from contextlib import aclosing
from hashlib import sha256

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.clients import Programs

_DIFFERS = (b"\\restrict ", b"\\unrestrict ", b"-- Dumped from database version ", b"-- Dumped by pg_dump version ")
_WORDS = ("--schema-only", "--no-tablespaces", "--no-password", "--lock-wait-timeout", "10000")


async def schema_digest(access: Access, programs: Programs, database: str, *, snapshot: str = "") -> str:
    """SHA-256 of the schema's text, of the snapshot of that name where one is given. Raises HostError (CommandFailed)
    where pg_dump fails."""
    words = [*_WORDS, "--snapshot", snapshot] if snapshot else list(_WORDS)
    settings = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    argv = access.argv(programs.path("pg_dump"), *words, "-d", access.conninfo(database, settings))
    digest, line = sha256(), b""
    async with aclosing(access.host.stream(argv, sudo=access.sudo)) as blocks:
        async for block in blocks:
            *lines, line = (line + block).split(b"\n")
            digest.update(b"".join(each + b"\n" for each in lines if not each.startswith(_DIFFERS)))
    digest.update(b"" if line.startswith(_DIFFERS) else line)
    return digest.hexdigest()
