"""A host that answers by the program that is called, whatever it is asked."""

from __future__ import annotations

from lilfox_tui.hosts.fake import Answer, FakeHost


class _Programs(dict[str, Answer]):
    def get(self, words: str, default: object = None) -> Answer | None:  # type: ignore[override]
        return super().get(words.split()[0])


def by_program(**answers: Answer) -> FakeHost:
    """``nft=b"…"`` is what ``nft`` prints; a program that is not named is not there."""
    host = FakeHost()
    host.answers = _Programs(answers)
    return host


def unit_shown(active: str, sub: str, result: str = "success", load: str = "loaded", pid: int = 0) -> bytes:
    """What ``systemctl show`` says of app.service."""
    return (
        f"Id=app.service\nLoadState={load}\nActiveState={active}\nSubState={sub}\nResult={result}\n"
        f"UnitFileState=enabled\nMainPID={pid}\nNRestarts=2\n"
    ).encode()
