"""Operations on what is selected in the Metrics pane: hosts, services, and sessions of a database."""

from __future__ import annotations

from functools import partial

from lilfox_tui.app.acts.doing import HERE, Act, Chosen, choice_of, one_of, why_unchanged
from lilfox_tui.app.acts.host import host_acts, service_acts
from lilfox_tui.app.console import Console
from lilfox_tui.backends.backend import EndsSessions
from lilfox_tui.backends.model import ClientSession, Ending
from lilfox_tui.i18n import Message, _, ngettext, tr
from lilfox_tui.monitor.model import BackendView, HostView, View
from lilfox_tui.operations.sessions import request_of, session_operation
from lilfox_tui.text import clean, human_duration

_NAME = 30


def backend_acts(app: Console, view: BackendView) -> list[Act]:
    """On its sessions, where it is of a kind that has some."""
    if view.config.kind != "postgresql":
        return []
    why = why_unchanged(app, view.config.host or HERE)
    if why is None and view.outage is not None:
        why = tr("{name} does not answer now", name=view.name)
    title = _("cancel or end a session of {name}", name=view.name)
    return [Act("session", title, _("its statement, or all of it"), partial(_choose, name=view.name), why)]


async def _choose(app: Console, name: str) -> Chosen | None:
    backend, sessions = await app.monitor.backends.sessions(name)
    if not sessions:
        app.tell(tr("{name} has no sessions of clients now", name=name))
        return None
    by_key = {f"{each.pid} {each.began}": each for each in sessions}
    choices = [choice_of(key, _who(each), _told(each), width=_NAME) for key, each in by_key.items()]
    chosen = await one_of(app, _("Which session of {name}?", name=name), choices)
    if chosen is None:
        return None
    return await _how(app, name, backend, by_key[chosen])


async def _how(app: Console, name: str, backend: EndsSessions, session: ClientSession) -> Chosen | None:
    config = app.config.backends[name]
    idle: Message | None = None if session.state == "active" else tr("it runs no statement now")
    titles: dict[Ending, str] = {"cancel": _("cancel its statement"), "terminate": _("end the session")}
    offered = {how: session_operation(name, config.host, backend, session, how) for how in titles}
    choices = [
        choice_of(how, titles[how], operation.changes[0], width=_NAME, why_not=idle if how == "cancel" else None)
        for how, operation in offered.items()
    ]
    if idle is not None:
        choices.reverse()
    chosen = await one_of(app, _who(session), choices)
    found = next((each for how, each in offered.items() if how == chosen), None)
    if found is None:
        return None
    return Chosen(found, request_of(found, name, session, app.monitor.backups.config_path))


def _who(session: ClientSession) -> str:
    return clean(f"{session.pid:>7} {session.role or '-'}@{session.database or '-'}")


def _told(session: ClientSession) -> str:
    """What it does, for how long, whom it blocks, and its statement on one line."""
    blocks = ngettext("blocks {count}", "blocks {count}", session.blocks) if session.blocks else ""
    state = clean(session.state or "-")
    statement = clean(" ".join((session.statement or "").split()))
    return "  ".join(part for part in (blocks, state, human_duration(session.in_state_s), statement) if part)


def view_acts(app: Console, view: View | None) -> list[Act]:
    """Those on a host, a service or a backend."""
    if view is None:
        return []
    if isinstance(view, HostView):
        return host_acts(app, view)
    return backend_acts(app, view) if isinstance(view, BackendView) else service_acts(app, view)
