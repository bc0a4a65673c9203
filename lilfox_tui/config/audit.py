"""The section ``audit:`` of the configuration."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.values import Name, Seconds, SecretRef


class AcceptConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Findings of an audit that are accepted until a day. Those of every target and subject where none is given."""

    id: str
    """Of the check, as ``lilfox audit list`` shows it."""
    target: str | None = None
    """The name of the host, service or backend."""
    subject: str | None = None
    """What the finding is about, as ``lilfox audit`` shows it."""
    why: Annotated[str, Meta(min_length=1)]
    until: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    """The last day (UTC) on which it is accepted: ``"2027-01-31"``."""


class AuditLoginConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A login that ``lilfox audit --active`` tries six times with wrong passwords."""

    path: str
    user: str
    """A test account: it may be locked for a while."""
    user_field: str = "username"
    password_field: str = "password"  # noqa: S105  # the name of a field
    fields: dict[str, str] = {}
    """Sent besides."""
    form: bool = False
    """Sent as a form instead of JSON."""


class AuditSignUpConfig(AuditLoginConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sign-up that ``lilfox audit --active`` tries with a good password, which makes a test account, then with weak
    ones until one is accepted. ``{random}`` in ``user`` and ``fields`` makes each another account."""

    user: Annotated[str, Meta(pattern=r"\{random\}")] = "lilfox-audit-{random}"


class AuditServiceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an audit may use of a service: a test account's, never a person's. Tokens and the secret are judged here;
    only with ``--active`` are tokens sent."""

    token: SecretRef | None = None
    """A JWT with which ``route`` is allowed."""
    refresh_token: SecretRef | None = None
    """A JWT that gets new ones."""
    secret: SecretRef | None = None
    """The secret that signs the tokens (HS256, HS384, HS512); never sent."""
    route: str | None = None
    """A path that GET answers only with the token."""
    keys: str = "/.well-known/jwks.json"
    """The path of the public keys (RFC 7517) of tokens that are signed with a private key."""
    limit: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """So many requests a minute the service allows a client."""
    login: AuditLoginConfig | None = None
    sign_up: AuditSignUpConfig | None = None


class AuditClusterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Kubernetes cluster: where kubectl runs as the login user (this machine when not given), the context of its
    kubeconfig (the current one), and the namespaces (all but those of the system)."""

    host: str | None = None
    context: Annotated[str, Meta(pattern=r"^[^-]")] | None = None
    namespaces: tuple[Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")], ...] = ()


class AuditConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of ``lilfox audit``."""

    every: Seconds | None = None
    """How often the console and ``lilfox monitor`` run it, at least a minute; never by themselves when not given."""
    accept: tuple[AcceptConfig, ...] = ()
    rpo: Seconds | None = None
    """So old the newest intact set of each plan may be; when not given, as old as its schedule allows."""
    rto: Seconds | None = None
    """How long a restore may take; not judged when not given."""
    drill_every: Seconds = Seconds(30 * 86400)
    """How long ago the last restore test of each plan may be."""
    source: str | None = None
    """Folder of the application's Python code on this machine; a relative one is beside the configuration file."""
    manifests: str | None = None
    """Folder on this machine with manifests of Kubernetes and Compose files; a relative one is as ``source``."""
    clusters: dict[Name, AuditClusterConfig] = {}
    """Name → Kubernetes cluster."""
    services: dict[Name, AuditServiceConfig] = {}
    """Name of a service → what an audit may use of it."""
    folders: tuple[Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*:)?/")], ...] = ()
    """Folders that a backup plan must have: ``HOST:PATH``, or ``PATH`` on this machine."""
    repositories: tuple[Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*:)?/")], ...] = ()
    """Repositories of restic, Borg and pgBackRest that are not at a usual place, as ``folders``."""
