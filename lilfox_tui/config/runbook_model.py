"""The sections of the configuration for runbooks, incidents and recovery."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from lilfox_tui.config.types import Model, Seconds


class RunbooksConfig(Model, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where runbooks are, and what none of them may do."""

    folders: tuple[str, ...] = ()
    """Markdown files and folders of them; relative ones are beside the configuration file."""
    bundled: bool = True
    """Whether the runbooks that LilFox brings are listed too."""
    never_ban: tuple[str, ...] = ()
    """Addresses and ranges that are never banned: load balancers, proxies, offices."""


class ContactConfig(Model, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody to call during an incident."""

    name: str
    call: str = ""
    """A phone number, a mail address, a channel: shown as it stands."""
    note: str = ""


class RecoveryConfig(Model, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A systemd unit that is restarted by itself when it is unhealthy. Being written here is the confirmation."""

    host: str
    unit: str
    service: str | None = None
    """One of ``services`` whose health counts besides the unit's state."""
    every: Seconds = Seconds(10)
    """Between two looks."""
    failures: Annotated[int, Meta(ge=1, le=100)] = 3
    """How many looks in a row find it unhealthy before it is restarted."""
    limit: Annotated[int, Meta(ge=1, le=100)] = 3
    """How many restarts there are ``within`` at most; then it is left alone and an alert is raised."""
    within: Seconds = Seconds(3600)
    back_off: Seconds = Seconds(30)
    """Between the first restart and the second; doubled each time."""
    settle: Seconds = Seconds(10)
    """After a restart before its health is asked."""
