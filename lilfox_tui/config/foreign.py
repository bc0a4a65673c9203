"""A plan of ``backup:`` whose backups another program makes: ``kind: foreign``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from lilfox_tui.config.model import BackupConfig, PlanConfig
from lilfox_tui.config.values import Name, Seconds

Word = Annotated[str, Meta(min_length=1)]


class ForeignPlanConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Backups that another program makes: LilFox watches when the newest was made and how large it is, and proves
    nothing of it."""

    kind: Literal["foreign"]
    tool: Literal["restic", "borg", "pgbackrest", "barman", "command"]
    """Whose repository it is; ``command``: what a command prints tells."""
    host: str | None = None
    """Name of the host where the repository is, or the command runs; this machine when not given."""
    path: str | None = None
    """Folder of the repository: of Barman ``barman_home``, of pgBackRest ``repo1-path``."""
    server: Word | None = None
    """Stanza of pgBackRest, server of Barman; all when not given."""
    command: tuple[Word, ...] = ()
    """Program and arguments, run without a shell with TZ=UTC. It prints the JSON of ``restic snapshots``, ``borg
    list`` or ``pgbackrest info``, or a line for each backup: its time, its size in bytes and its name."""
    sudo: bool = False
    """Read as root."""
    every: Seconds = Seconds(300)
    """How often it is read."""
    schedule: str | None = None
    """When the other program starts, as cron has it, in local time."""
    late_after: Seconds | None = None
    """So long after a scheduled run without a new backup the plan is late; an hour when not given."""

    @property
    def place(self) -> str:
        """Where it is read, for people; two plans cannot have the same."""
        if self.tool == "command":
            where = " ".join(self.command)
        else:
            where = f"{self.path}#{self.server}" if self.server else str(self.path)
        return f"{self.host}:{where}" if self.host else where

    @property
    def store(self) -> Name:
        """What stands for the name of the store."""
        return self.place


def own_plans(backup: BackupConfig) -> dict[str, PlanConfig]:
    """The plans that LilFox runs itself."""
    return {name: plan for name, plan in backup.plans.items() if isinstance(plan, PlanConfig)}


class ForeignPlace(msgspec.Struct, frozen=True):
    """Where the backups of a foreign plan are, as Options of a store are for one of LilFox's own."""

    plan: str
    config: ForeignPlanConfig

    @property
    def host(self) -> str | None:
        """The host where they are read."""
        return self.config.host

    @property
    def every(self) -> float:
        """Seconds between two looks."""
        return self.config.every


def foreign_places(backup: BackupConfig) -> dict[str, ForeignPlace]:
    """The places of all foreign plans, by what stands for the name of their store."""
    found = ((name, plan) for name, plan in backup.plans.items() if isinstance(plan, ForeignPlanConfig))
    return {plan.store: ForeignPlace(name, plan) for name, plan in found}
