"""Acts on what is selected in the Metrics pane."""

from __future__ import annotations

from lilfox_tui.app.acts.doing import Act
from lilfox_tui.app.acts.host import host_acts, service_acts
from lilfox_tui.app.acts.session import backend_acts
from lilfox_tui.app.shell import Shell
from lilfox_tui.monitor.model import BackendView, HostView, View


def view_acts(app: Shell, view: View | None) -> list[Act]:
    """Those on a host, a service or a backend."""
    if view is None:
        return []
    if isinstance(view, HostView):
        return host_acts(app, view)
    return backend_acts(app, view) if isinstance(view, BackendView) else service_acts(app, view)
