"""The section ``clusters:`` of the configuration."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lilfox_tui.config.values import Seconds

ContextName = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^-\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")]
"""The name of a context: any text on one line that kubectl does not take for an option."""
NamespaceName = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$")]


class ClusterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A Kubernetes cluster that is watched with kubectl."""

    from_: str | None = msgspec.field(default=None, name="from")
    """Name of the host whose kubectl is asked, as the login user; this machine when not given."""
    kubeconfig: Annotated[str, Meta(pattern=r"^[^-\x00][^\x00]*$")] | None = None
    """Path on that host; kubectl's own choice when not given."""
    context: ContextName | None = None
    """A context of the kubeconfig; the one that is current when LilFox first asks when not given."""
    namespaces: tuple[NamespaceName, ...] = ()
    """Only these; all when not given."""
    production: bool | None = None
    """Whether people depend on it; when not given, whether the name of the context has ``prod`` in it."""
    every: Seconds = Seconds(5)
    """Between two looks; longer where a look takes more than a fifth of it."""
