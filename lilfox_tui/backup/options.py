"""Options of the backup sources and stores, one class for each kind.

A configuration is read before the first frame, which needs no more of ``backup/`` than these.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lilfox_tui.config.model import SourceConfig, StoreConfig
from lilfox_tui.config.values import AbsolutePath, Seconds, SecretRef
from lilfox_tui.core.i18n import tr


class FileTreeOptions(SourceConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options shared by files and config."""

    exclude: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    """Globs as tar's ``--exclude`` has them: one without ``/`` fits a name at any depth, ``*`` also passes ``/``."""
    sudo: bool = False
    """Read and restored as root."""
    skip_unreadable: bool = False
    """What may not be read is named and left out; else the backup fails and names it."""
    links_out: bool = False
    """Symbolic links that lead out of the folder are right; else a restore refuses an archive that has them."""
    setuid: bool = False
    """A restore keeps set-user-ID and set-group-ID bits and capabilities of files; else it drops them."""


class ConfigOptions(FileTreeOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a config source. The file and the folder are swapped by rename, so ``root`` must be writable."""

    kind: str = "config"
    root: AbsolutePath
    """The application's folder, in which both are."""
    env: str = ".env"
    """Name of the file with the environment; the empty string when there is none."""
    folder: str = "config"
    """Name of the folder; the empty string when there is none."""


class FilesOptions(FileTreeOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a files source. The folder is restored beside itself as a whole and swapped by rename, so its parent
    must be writable."""

    kind: str = "files"
    path: AbsolutePath
    root: AbsolutePath | None = None
    """The archive's names begin below this folder (``public/uploads/…`` of ``/srv/lilfox``), as the manual's do; below
    the folder's own parent when not given."""


class PostgresqlOptions(SourceConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a PostgreSQL source: where the databases are, and how to log in."""

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
    sessions: Annotated[int, Meta(ge=1, le=16)] = 2
    """So many sessions copy the rows of large tables at the same time, page by page through the server's shared
    buffers. With 1, pg_dump reads each table as a whole: slower, but rows that others use stay in these buffers."""
    binaries: str = ""
    """Folder of pg_dump and psql on the host; found when not given."""


class LocalOptions(StoreConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a store in a folder on this machine."""

    kind: str = "local"
    path: str
    require_mount: bool | str = False
    """The folder must lie on a mounted filesystem of its own: ``true`` when it is the mount point itself, else the
    mount point above it (``/mnt/usb``). Nothing is written while it is not mounted."""


class SftpOptions(StoreConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a store in a folder on another host, over SFTP."""

    kind: str = "sftp"
    host: str
    """Of the configuration."""
    path: str
    """Absolute, as the account sees it."""
    require_mount: bool | str = False
    """The folder must lie on a mounted filesystem of its own: ``true`` when it is the mount point itself, else the
    mount point above it. Nothing is written while it is not mounted."""


class S3Options(StoreConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Options of a store in a bucket of an S3-compatible server. The bucket must exist."""

    kind: str = "s3"
    bucket: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description=tr("the name of a bucket").text)
    ]
    prefix: Annotated[
        str,
        Meta(
            pattern=r"^([\w.-]*[\w-][\w.-]*(/[\w.-]*[\w-][\w.-]*)*)?$",
            max_length=512,
            description=tr("names with / between them, without one at the ends").text,
        ),
    ] = ""
    """Below which the sets lie; the bucket's root when not given."""
    endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/@?#\s]+(/[^@?#\s]*)?)?$",
            description=tr("an address: https://HOST or https://HOST:PORT").text,
        ),
    ] = ""
    """The server; that of AWS for the region when not given."""
    region: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$", description=tr("the name of a region").text)] = (
        "us-east-1"
    )
    access_key: SecretRef = SecretRef("env:AWS_ACCESS_KEY_ID")
    secret_key: SecretRef = SecretRef("env:AWS_SECRET_ACCESS_KEY")
    session_token: SecretRef | None = None
    """Of temporary credentials."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """``https://HOST/BUCKET`` or ``https://BUCKET.HOST``; ``auto``: the first with ``endpoint``, else the second."""
    ca_file: str = ""
    verify_tls: bool = True
    timeout: Seconds = Seconds(30)
    """How long the server may be silent, in each of three attempts."""
    part_mb: Annotated[int, Meta(ge=5, le=512)] = 32
    """MiB in one part of a large upload, three times as much in memory. A file has at most 10,000 parts."""

    @property
    def part_bytes(self) -> int:
        """``part_mb`` in bytes."""
        return self.part_mb * 1024 * 1024


SOURCES: dict[str, type[SourceConfig]] = {
    "config": ConfigOptions,
    "files": FilesOptions,
    "postgresql": PostgresqlOptions,
}
STORES: dict[str, type[StoreConfig]] = {"local": LocalOptions, "s3": S3Options, "sftp": SftpOptions}
