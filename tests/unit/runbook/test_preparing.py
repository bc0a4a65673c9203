"""What is asked right before a command runs, whatever was known of it before."""

from __future__ import annotations

from typing import cast

import pytest

from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import Completed
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.runbook.model import Variable
from lilfox_tui.runbook.preparing import Preparing
from lilfox_tui.runbook.session import Folding
from lilfox_tui.runbook.targets import Hosts
from lilfox_tui.runbook.turns import Turn
from tests.unit.runbook.made import command, opened, runbook

BAN = Variable(name="ip", type="ip", deny=("self", "private"))


async def test_a_link_that_came_back_from_elsewhere_is_asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator changes networks in the middle of a run: what was somebody else's address is theirs now."""
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    at = ["203.0.113.7"]

    def told(*_asked: object) -> Completed:
        return Completed(("printenv",), 0, None, f"{at[0]} 51234 198.51.100.2 22\n".encode(), b"", 0.0)

    folding = Folding(runbook((command("echo <ip>", "change"),), variables=(BAN,)))
    folding.take([opened({"": ("web1",)})])
    values = {"ip": "203.0.113.9"}
    folding.values |= values
    hosts = cast("Hosts", {"web1": FakeHost("web1", answers={"printenv SSH_CONNECTION": told})})
    preparing = Preparing(Config(hosts={"web1": HostConfig(address="web1.example")}), hosts, folding, values)
    turn = Turn(0, 0, ("web1",))
    assert (await preparing.ready(turn)).filled.env == {"LF_ip": "203.0.113.9"}
    at[0] = "203.0.113.9"
    with pytest.raises(LilFoxError, match="your own address"):
        await preparing.ready(turn)
