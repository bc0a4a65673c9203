"""PostgreSQL 12 and newer by pg_dump: one or several databases, each with what is in it, and the cluster's globals."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.model import Seconds, SecretRef, SourceConfig
from lilfox_tui.core import plugins


class Options(SourceConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the databases are, and who may read them."""

    kind: str = "postgresql"
    url: str = ""
    """``postgresql://USER@HOST:PORT/DATABASE`` as ``host`` sees it, or the folder of the server's socket; the client
    programs' own default when not given. Never with a password."""
    databases: tuple[Annotated[str, Meta(min_length=1, max_length=63)], ...] = ()
    """The URL's own when not given."""
    password: SecretRef | None = None
    as_: str = msgspec.field(default="", name="as")
    """The account on the host that runs the client programs, through sudo where the login is another (``postgres``)."""
    globals: bool = True
    """Roles, their memberships and settings, tablespaces, beside the databases."""
    restore_role: str = ""
    """Who runs a dump at a restore, by a login of its own: a role without rights beyond the database. The role of
    ``url`` when not given."""
    restore_password: SecretRef | None = None
    run_code: bool = False
    """What dumps of this source execute is right, also by a superuser: nobody is asked."""
    lock_timeout: Seconds = Seconds(60)
    """So long pg_dump waits for a table that somebody has locked."""
    binaries: str = ""
    """Folder of pg_dump and psql on the host; found when not given."""


__getattr__ = plugins.rest_in("lilfox_tui.backup.postgresql.source")
