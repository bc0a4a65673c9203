"""Addresses of configured hosts, looked up for real by this machine's resolver and its reading of ssh_config."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig, SshConfig
from lilfox_tui.hosts.addresses import address, configured_addresses, looked_up

RESOLVED = "192.0.519"
"""No address for ipaddress, a name for LilFox: resolvers know it as 192.0.2.7 (inet_aton(3))."""
HOSTS = {
    "here": HostConfig(local=True),
    "web": HostConfig(address="192.0.2.80"),
    "2001:db8::9": HostConfig(),
    "named": HostConfig(address=RESOLVED),
    "too": HostConfig(address=RESOLVED),
    "lb": HostConfig(),
    "both": HostConfig(address="alias"),
    "gone": HostConfig(address="no-such-host.invalid"),
}


@pytest.fixture
def ssh(tmp_path: Path) -> SshConfig:
    (tmp_path / "config").write_text(f"Host lb\n  HostName 198.51.100.8\nHost alias\n  HostName {RESOLVED}\n")
    return SshConfig(config_files=(str(tmp_path / "config"),))


def test_without_asking_anybody_those_are_known_that_are_configured_by_an_address() -> None:
    assert configured_addresses(HOSTS) == (("web", address("192.0.2.80")), ("2001:db8::9", address("2001:db8::9")))


async def test_names_are_looked_up_and_of_which_nothing_is_known_is_told(ssh: SshConfig) -> None:
    found = await looked_up(HOSTS, ssh)
    assert dict(found.found) == {
        "web": address("192.0.2.80"),
        "2001:db8::9": address("2001:db8::9"),
        "named": address("192.0.2.7"),
        "too": address("192.0.2.7"),
        "lb": address("198.51.100.8"),
        "both": address("192.0.2.7"),
    }
    assert found.unknown == ("gone",)
    assert str(found.warning) == "hosts not protected from a ban, because their names cannot be resolved: gone"


async def test_a_resolver_that_does_not_answer_in_time_is_not_waited_for(ssh: SshConfig) -> None:
    found = await looked_up(HOSTS, ssh, within_s=0)
    assert "gone" in found.unknown
    assert ("web", address("192.0.2.80")) in found.found


async def test_where_all_is_known_nothing_is_told(ssh: SshConfig) -> None:
    assert (await looked_up({"web": HOSTS["web"], "lb": HOSTS["lb"]}, ssh)).warning is None
