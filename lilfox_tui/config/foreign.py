"""Plans of ``backup:`` whose backups another program makes: LilFox watches those of ``kind: foreign``, and drives
pgBackRest for those of ``kind: pgbackrest``, restic for those of ``kind: restic``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from lilfox_tui.config.model import BackupConfig, KeepConfig, PlanConfig
from lilfox_tui.config.values import AbsolutePath, Name, Seconds
from lilfox_tui.core.i18n import _

Word = Annotated[str, Meta(min_length=1)]


class _WatchedPlanConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the plans of other programs have in common."""

    kind: str
    host: str | None = None
    """Name of the host where the program runs, or its repository is; this machine when not given."""
    every: Seconds = Seconds(300)
    """How often the repository is read."""
    schedule: str | None = None
    """When the program is run, as cron has it, in local time: by LilFox, unless the plan is foreign."""
    late_after: Seconds | None = None
    """So long after a scheduled run without a new good set the plan is late; an hour when not given."""

    @property
    def place(self) -> str:
        """Where its sets are, for people; two plans cannot have the same."""
        raise NotImplementedError

    @property
    def store(self) -> Name:
        """What stands for the name of the store."""
        return self.place

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the keys whose values are wrong or do not fit together, each with what is wrong."""
        raise NotImplementedError


class _EnginePlanConfig(_WatchedPlanConfig, frozen=True, kw_only=True):
    """What the plans have in common whose sets another program makes for LilFox."""

    verify: bool = True
    """After each run the program reads the new set back. Without it a set counts only after ``backup verify``."""
    drill: bool = False
    """After each run the set is restored into a scratch place and checked."""
    scratch: AbsolutePath = "/var/tmp"  # noqa: S108  a directory of mode 0700 is made in it
    """Folder on the host where drills restore to; it needs room for everything."""
    window: Seconds | None = None
    """The backup window: a backup should take no longer."""


class ForeignPlanConfig(_WatchedPlanConfig, frozen=True, kw_only=True):
    """Backups that another program makes: LilFox watches when the newest was made and how large it is, and proves
    nothing of it."""

    kind: Literal["foreign"]
    tool: Literal["restic", "borg", "pgbackrest", "barman", "command"]
    """Whose repository it is; ``command``: what a command prints tells."""
    path: str | None = None
    """Folder of the repository: of Barman ``barman_home``, of pgBackRest ``repo1-path``."""
    server: Word | None = None
    """Stanza of pgBackRest, server of Barman; all when not given."""
    command: tuple[Word, ...] = ()
    """Program and arguments, run without a shell with TZ=UTC. It prints the JSON of ``restic snapshots``, ``borg
    list`` or ``pgbackrest info``, or a line for each backup: its time, its size in bytes and its name."""
    sudo: bool = False
    """Read as root."""

    @property
    def place(self) -> str:
        """Where it is read, for people; two plans cannot have the same."""
        if self.tool == "command":
            where = " ".join(self.command)
        else:
            where = f"{self.path}#{self.server}" if self.server else str(self.path)
        return f"{self.host}:{where}" if self.host else where

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the keys that do not fit together, each with what is wrong."""
        wanted, other = ("command", "path") if self.tool == "command" else ("path", "command")
        if not getattr(self, wanted):
            yield wanted, _("{tool} needs the key {name}", tool=f"tool: {self.tool}", name=wanted)
        unused = [other, *([] if self.tool in ("pgbackrest", "barman") else ["server"])]
        for key in (each for each in unused if getattr(self, each)):
            yield key, _("{tool} does not use the key {name}; remove it", tool=f"tool: {self.tool}", name=key)


DAY_S = 86400.0


class PgbackrestPlanConfig(_EnginePlanConfig, frozen=True, kw_only=True):
    """Backups of a whole PostgreSQL cluster and its WAL that LilFox has pgBackRest make, verify and restore. Where the
    repository is, what is encrypted and what is kept stands in pgBackRest's own configuration."""

    kind: Literal["pgbackrest"]
    stanza: Name
    as_: str = msgspec.field(default="", name="as")
    """The account on the host that runs pgbackrest and the scratch servers, by sudo where the login is another."""
    config: AbsolutePath | None = None
    """pgBackRest's configuration file on the host; the program's own default when not given."""
    repo: Annotated[int, Meta(ge=1, le=256)] | None = None
    """Only this repository; all of the configuration when not given."""
    full_every: Seconds = Seconds(7 * DAY_S)
    """A run makes a full backup when the newest one is older."""
    diff_every: Seconds | None = None
    """Else a differential one when the newest full or differential one is older; never when not given. All other runs
    make incremental ones."""
    role: Annotated[str, Meta(min_length=1, max_length=63)] = "postgres"
    """A superuser of the cluster, whom a drill logs in as on its scratch server."""
    binaries: AbsolutePath | None = None
    """Folder of postgres and pg_amcheck on the host; /usr/lib/postgresql/VERSION/bin when not given."""
    wal_segment_mb: Annotated[int, Meta(ge=1, le=1024)] = 16
    """Size of a WAL segment in MiB, as initdb --wal-segsize made it."""

    @property
    def place(self) -> str:
        """Where its sets are, for people; two plans cannot have the same."""
        where = f"pgbackrest:{self.stanza}" if self.config is None else f"{self.config}#{self.stanza}"
        where = where if self.repo is None else f"{where}#repo{self.repo}"
        return f"{self.host}:{where}" if self.host else where

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the keys whose values are wrong, each with what is wrong."""
        if self.wal_segment_mb & (self.wal_segment_mb - 1):
            yield "wal_segment_mb", _("a WAL segment has a power of two of MiB, for example 16")
        if self.diff_every is not None and self.diff_every >= self.full_every:
            yield "diff_every", _("diff_every must be shorter than full_every")


class ResticPlanConfig(_EnginePlanConfig, frozen=True, kw_only=True):
    """Backups of folders that LilFox has restic make, verify and restore: each holds all files, and stores only the
    parts of them that the repository does not hold yet. Its snapshots have the tag ``lilfox:PLAN``."""

    kind: Literal["restic"]
    repository: Word | None = None
    """Where the repository is, as ``restic -r`` takes it; without a password."""
    repository_file: AbsolutePath | None = None
    """File on the host that holds the place of the repository, instead of ``repository``."""
    password_file: AbsolutePath
    """File on the host that holds the password of the repository."""
    paths: Annotated[tuple[AbsolutePath, ...], Meta(min_length=1, max_length=100)]
    """Folders and files to back up."""
    exclude: tuple[Word, ...] = ()
    """Patterns of what is left out, as ``restic backup --exclude`` takes them."""
    one_file_system: bool = False
    """Other file systems below the paths are left out."""
    sudo: bool = False
    """restic runs as root."""
    keep: KeepConfig | None = None
    """Which sets are kept; all when not given."""

    @property
    def place(self) -> str:
        """Where its sets are, for people; two plans cannot have the same."""
        where = f"{self.repository or self.repository_file}#{','.join(self.paths)}"
        return f"{self.host}:{where}" if self.host else where

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield the keys whose values are wrong, each with what is wrong."""
        if (self.repository is None) == (self.repository_file is None):
            yield "repository", _("give one of repository and repository_file")
        if self.repository is not None and _holds_password(self.repository):
            yield "repository", _("it holds a password; write it into a file and set repository_file")
        if self.keep is not None and self.keep.tagged is not None:
            yield "keep", _("sets of restic have no tags of LilFox; remove tagged")
        if self.keep is not None and not any(msgspec.structs.astuple(self.keep)):
            yield "keep", _("keep sets no retention; write last: 7, or remove keep to keep all")


def _holds_password(repository: str) -> bool:
    """Whether the URL of a repository, such as ``rest:https://user:secret@host/``, holds a password."""
    try:
        return urlsplit(repository.partition(":")[2]).password is not None
    except ValueError:
        return True


EnginePlan = PgbackrestPlanConfig | ResticPlanConfig
"""A plan whose sets another program makes, verifies and restores for LilFox."""
WatchedPlan = ForeignPlanConfig | EnginePlan
"""A plan whose sets lie in another program's repository."""
PLANS_BY_KIND: dict[str, type[WatchedPlan]] = {
    "foreign": ForeignPlanConfig, "pgbackrest": PgbackrestPlanConfig, "restic": ResticPlanConfig,
}  # fmt: skip
"""Those of ``WatchedPlan``, by their key ``kind``; a plan of LilFox's own has none."""


def own_plans(backup: BackupConfig) -> dict[str, PlanConfig]:
    """The plans whose sets LilFox makes itself."""
    return {name: plan for name, plan in backup.plans.items() if isinstance(plan, PlanConfig)}


def run_plans(backup: BackupConfig) -> dict[str, PlanConfig | EnginePlan]:
    """The plans that LilFox runs, itself or by another program."""
    return {name: plan for name, plan in backup.plans.items() if not isinstance(plan, ForeignPlanConfig)}


class ForeignPlace(msgspec.Struct, frozen=True):
    """Where the backups of another program are, as Options of a store are for one of LilFox's own."""

    plan: str
    config: WatchedPlan

    @property
    def host(self) -> str | None:
        """The host where they are read."""
        return self.config.host

    @property
    def every(self) -> float:
        """Seconds between two looks."""
        return self.config.every


def foreign_places(backup: BackupConfig) -> dict[str, ForeignPlace]:
    """The places of all plans of other programs, by what stands for the name of their store."""
    found = ((name, plan) for name, plan in backup.plans.items() if isinstance(plan, WatchedPlan))
    return {plan.store: ForeignPlace(name, plan) for name, plan in found}
