"""Host words, and where nothing is changed."""

from __future__ import annotations

import asyncio

import pytest

from lilfox_tui.config.model import Config, HostConfig, refuse_change
from lilfox_tui.core.errors import NotAllowed, UsageError
from lilfox_tui.runbook.run.gate import Hosts, here, host_config, resolve, words
from lilfox_tui.runbook.run.state import EACH
from tests.unit.runbook.made import command, runbook
from tests.waiting import turn

CONFIG = Config(
    hosts={
        "web1": HostConfig(),
        "db": HostConfig(protected=True),
        "web2": HostConfig(),
        "mine": HostConfig(local=True, protected=True),
    }
)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("web1", ("web1",)),
        ("web*", ("web1", "web2")),
        ("all", ("web1", "db", "web2", "mine")),
        ("each", ("a", "b")),
        ("local", ("mine",)),
        ("web2, web*", ("web2", "web1")),
        ("[dw]*", ("web1", "db", "web2")),
    ],
)
def test_a_word_means_hosts_in_the_order_of_the_configuration(word: str, meant: tuple[str, ...]) -> None:
    assert resolve(CONFIG, word, ("a", "b")) == meant


@pytest.mark.parametrize("word", ["web3", "x*", "-oProxyCommand=x", "web1,nobody", "/etc/passwd", "WEB1"])
def test_a_word_that_means_no_host_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="matches no configured host"):
        resolve(CONFIG, word)


def test_this_machine_has_its_configured_name_and_protection() -> None:
    assert here(CONFIG) == "mine"
    with pytest.raises(NotAllowed, match="mine is protected"):
        refuse_change(CONFIG, resolve(CONFIG, "local"))
    bare = Config()
    assert resolve(bare, "local") == resolve(bare, "localhost") == ("localhost",)
    assert host_config(bare, "localhost").local
    refuse_change(bare, ["localhost"])
    with pytest.raises(UsageError, match="no host web1"):
        host_config(bare, "web1")
    with pytest.raises(UsageError):
        Hosts(bare)["web1"]


def test_words_of_a_runbook_are_resolved_and_those_of_variables_are_not() -> None:
    book = runbook(
        (command("a"), command("b", host="local"), command("c", host="each"), command("d", host="<where>")),
        hosts="web*",
    )
    assert words(CONFIG, book) == {"web*": ("web1", "web2"), "local": ("mine",), EACH: ("web1", "web2")}
    assert words(CONFIG, runbook((command("a"),), hosts=EACH)) == {EACH: ("web1", "db", "web2", "mine")}
    with pytest.raises(UsageError):
        words(CONFIG, runbook((command("a"),), hosts="nobody"))


async def test_hosts_are_opened_once_and_closed_together() -> None:
    async with Hosts(Config()) as hosts:
        mine = hosts["localhost"]
        assert hosts["localhost"] is mine
        running = asyncio.create_task(mine.run(["sleep", "1000"], timeout_s=900))
        await turn()  # it is just being started
    assert (await asyncio.wait_for(running, 60)).signal == "TERM"


def test_read_only_holds_everywhere() -> None:
    with pytest.raises(NotAllowed, match="read-only mode"):
        refuse_change(Config(read_only=True), ["localhost"])
