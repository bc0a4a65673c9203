"""Actions on containers: find one, read the logs of its project, open a shell in it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lilfox_tui.app import dialogs
from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.state import MetricsState, Subject
from lilfox_tui.app.rows.containers import (
    CONTAINER,
    ENGINE,
    KINDS,
    PROJECT,
    EngineContainer,
    all_found,
    members,
)
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, tr
from lilfox_tui.hosts.ssh.openssh import terminal_argv
from lilfox_tui.monitor.model import Overview

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Selection
    from lilfox_tui.app.panes.metrics.container.page import ContainerPages

_OPERATIONS = "lilfox_tui.operations.containers"
"""Imported when a shell is opened: the first frame needs none of it."""


class ContainerActions(ActionGroup):
    """Actions on the selected container, and lists of containers."""

    TASK = tr("Containers")

    def __init__(
        self,
        context: PaneContext[MetricsState],
        open_page: Callable[[Subject | None], None],
        chart_height: Callable[[], int],
    ) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._open_page, self._chart_height = open_page, chart_height
        self._pages: ContainerPages | None = None

    @property
    def _subject(self) -> Subject | None:
        return self._state.page or self._state.selected

    def _is_of_containers(self) -> bool:
        """Whether the selection has containers: a host with some, a project, or one of them."""
        subject = self._subject
        return subject is not None and subject[0] in ("host", *KINDS) and bool(members(self._state.overview, subject))

    def _why_no_containers(self) -> Message | None:
        if self._app.rewound is not None:
            return tr("containers are not recorded for the past")
        known = next(all_found(self._state.overview), None)
        return None if known is not None else tr("no containers are known on the monitored hosts")

    @action(
        "containers",
        "",
        tr("containers"),
        tr("list the containers of the selected host or project, or all; enter opens one"),
        why_not=_why_no_containers,
        fits=_is_of_containers,
    )
    def show_containers(self) -> None:
        subject = self._subject
        kind, name = subject or ("", "")
        found = members(self._state.overview, None if kind == CONTAINER else subject)
        host, _slash, project = name.partition("/")
        title = _("Containers")
        if kind in ("host", PROJECT, ENGINE):
            title = _("Containers of {name}", name=project if kind == PROJECT and project else host)
        self._choose(title, found or members(self._state.overview, None))

    def _choose(self, title: str, found: Sequence[EngineContainer]) -> None:
        overview = self._state.overview
        if overview is None:
            return
        choices = self._choices_of(found, overview)
        self._app.push_screen(dialogs.Chooser(title, choices, wide=True, tall=True, does=_("opens it")), self._open)

    def _open(self, chosen: str | None) -> None:
        if chosen is not None:
            kind, _slash, name = chosen.partition("/")
            self._open_page((kind, name))

    def choices(self, overview: Overview) -> list[dialogs.Choice]:
        """The containers of all hosts to choose from."""
        return self._choices_of(members(overview, None), overview) if overview.containers else []

    def _choices_of(self, found: Sequence[EngineContainer], overview: Overview) -> list[dialogs.Choice]:
        rows = importlib.import_module("lilfox_tui.app.panes.metrics.container.rows")
        choices: list[dialogs.Choice] = rows.container_choices(found, overview.at, self._app.glyphs)
        return choices

    # ---- the page of a container ---------------------------------------------------------------------------------

    def _made_pages(self) -> ContainerPages:
        if self._pages is None:
            module = importlib.import_module("lilfox_tui.app.panes.metrics.container.page")
            self._pages = module.ContainerPages(self._context, self._chart_height)
        return self._pages

    def paint_page(self, overview: Overview, lines: Lines) -> None:
        """Draws the page of the open container."""
        pages = self._made_pages()
        self._state.data_since = pages.data_since(overview.at)
        lines.show(pages.rows(overview), follow=False)

    def evidence(self) -> Selection | None:
        """The page of the selected container as evidence; None if none is selected."""
        overview, subject = self._state.overview, self._subject
        if overview is None or subject is None or subject[0] != CONTAINER:
            return None
        return self._made_pages().evidence(overview)

    def _project(self) -> str:
        """The Compose project that is selected, or that of the selected container, as ``HOST/PROJECT``; empty if there
        is none."""
        subject = self._subject
        if subject is not None and subject[0] == PROJECT:
            return subject[1] if subject[1].partition("/")[2] else ""
        found = self._state.selected_container()
        return "" if found is None or not found.view.container.project else (
            f"{found.view.host}/{found.view.container.project}"
        )  # fmt: skip

    @action(
        "project-logs",
        "",
        tr("project logs"),
        tr("show the logs of all containers of the Compose project in one list"),
        why_not=lambda self: None if self._project() else tr("select a container of a Compose project first"),
        fits=lambda self: bool(self._project()),
    )
    def show_project_logs(self) -> None:
        self._app.go_to_logs(PROJECT, self._project(), self._state.cursor or self._app.rewound)

    # ---- what other groups ask: their keys do the same for a container --------------------------------------------

    def why_no_shell(self, found: EngineContainer) -> Message | None:
        """Why no shell can be opened in a container."""
        view, config = found.view, self._app.config
        host = config.hosts.get(view.host)
        if self._app.rewound is not None:
            return tr("you are viewing the past; ` returns to now")
        if config.read_only or (host is not None and host.protected):
            return tr("{name} is read-only here; the shell is disabled because it could make changes", name=view.host)
        if found.engine.error is not None:
            return tr("{reason}", reason=found.engine.error.message)
        if view.container.state != "running":
            return tr("{name} is not running: {state}", name=view.container.name, state=view.container.state)
        return None

    def shell(self, found: EngineContainer) -> None:
        """Suspends the app for a shell in a container."""
        view, config = found.view, self._app.config
        host = self._state.overview.hosts.get(view.host) if self._state.overview is not None else None
        if host is None:
            return
        words, sudo = importlib.import_module(_OPERATIONS).shell_words(
            view, found.engine.version, sudo=host.config.sudo
        )
        try:
            argv = terminal_argv(view.host, host.config, config.ssh, words, {}, sudo=sudo)
        except LilFoxError as error:
            self._app.tell(error)
            return
        self._app.run_shell(host, argv, view.container.name)
