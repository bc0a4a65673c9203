"""What is said of a session where the way to its server was cut while it was told to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.backends.model import BackendError, ClientSession, Ending
from lilfox_tui.core.i18n import tr
from lilfox_tui.jobs.model import Outcome
from lilfox_tui.operations import sessions

SESSION = ClientSession(
    pid=7, began="a", statement_began="b", role="shop", database="orders", application=None, address=None,
    state="active", in_state_s=1.0, blocks=0, statement=None,
)  # fmt: skip
CUT = BackendError(tr("the connection is cut"))


class Cut:
    """A backend whose way is cut by the order; afterwards it answers with ``looks``, one after the other."""

    def __init__(self, looks: Sequence[ClientSession | BackendError | None]) -> None:
        self._looks = list(looks)

    async def sessions(self, pid: int | None = None) -> tuple[ClientSession, ...]:
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, BackendError):
            raise look
        return () if look is None else (look,)

    def ending(self, session: ClientSession, how: Ending) -> str:
        return how

    async def end(self, statement: str) -> bool:
        raise CUT

    async def close(self) -> None:
        pass


class Run:
    """Keeps what was said."""

    id, folder = "job", Path()

    def __init__(self) -> None:
        self.lines: list[str] = []

    def intent(self, text: str, *, sync: bool = True) -> None:
        self.lines.append(text)

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        self.lines.append(text)

    def say(self, text: str, level: str = "note") -> None:
        self.lines.append(text)


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setattr(sessions, "_BETWEEN_S", 0.0)
    monkeypatch.setattr(sessions, "_TRIES_S", 0.0)
    config = tmp_path / "config.yaml"
    config.write_text("backends: {db: {kind: postgresql}}\n")
    config.chmod(0o600)

    async def made(how: Ending, *looks: ClientSession | BackendError | None) -> tuple[Outcome, list[str]]:
        backend, run = Cut(looks), Run()

        class Kind:
            @staticmethod
            def open_backend(*_words: object) -> Cut:
                return backend

        monkeypatch.setattr(sessions, "load", lambda _kind: Kind)
        operation = sessions.session_operation("db", None, backend, SESSION, how)
        arguments = sessions.request_of(operation, "db", SESSION, str(config)).arguments
        outcome = await sessions.run(run, arguments)  # type: ignore[arg-type]
        return outcome, run.lines

    return made


async def test_a_session_that_is_gone_afterwards_was_ended(cut: Any) -> None:
    outcome, said = await cut("terminate", CUT, SESSION, None)
    assert (outcome.state, outcome.message) == ("ok", "session 7 has ended")
    assert said.count("the connection is cut") == 2, "the order's, and that of the first look"


async def test_of_one_that_is_still_there_nobody_knows(cut: Any) -> None:
    outcome, _said = await cut("terminate", SESSION)
    assert (outcome.state, outcome.exit_code) == ("unknown", 1)
    assert outcome.message == "it is unknown whether session 7 received the request; it has not stopped"


async def test_where_nobody_can_look_any_more_nobody_knows(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_WAITS_S", 0.0)
    outcome, said = await cut("terminate", CUT)
    assert (outcome.state, outcome.message) == (
        "unknown",
        "could not check whether session 7 has ended: the connection is cut",
    )
    assert said.count("the connection is cut") >= 1


async def test_a_number_that_is_somebody_elses_now_is_not_the_one_that_was_meant(cut: Any) -> None:
    assert (await cut("terminate", replace(SESSION, began="later")))[0].message == "session 7 has ended"


async def test_a_statement_that_is_another_now_was_cancelled(cut: Any) -> None:
    outcome, _said = await cut("cancel", replace(SESSION, statement_began="c"))
    assert outcome.message == "session 7 is no longer running that statement"
    assert (await cut("cancel", SESSION))[0].state == "unknown"
