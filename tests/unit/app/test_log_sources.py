"""Names of files, and which logs tell of a host or a service."""

from __future__ import annotations

import pytest

from lilfox_tui.app.panes.logs.sources import host_of, named
from lilfox_tui.config.model import Config, HostConfig, LogConfig
from lilfox_tui.monitor.model import this_machine


def test_files_are_named_by_themselves_and_by_their_path_where_two_are_alike() -> None:
    assert named(("/a/x.log", "/b/x.log", "/a/y", "/a/z.log.1")) == {
        "x": "/a/x.log",
        "/b/x.log": "/b/x.log",
        "y": "/a/y",
        "z.log.1": "/a/z.log.1",
    }


@pytest.mark.parametrize(
    ("log", "config", "name"),
    [
        (LogConfig(host="web-1"), Config(hosts={"web-1": HostConfig()}), "web-1"),
        (LogConfig(), Config(hosts={"web-1": HostConfig(), "here": HostConfig(local=True)}), "here"),
        (LogConfig(), Config(hosts={"web-1": HostConfig()}), None),
        (LogConfig(), Config(), this_machine()),
    ],
)
def test_the_host_where_a_log_is_read(log: LogConfig, config: Config, name: str | None) -> None:
    assert host_of(log, config) == name
