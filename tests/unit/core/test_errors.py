from __future__ import annotations

import pickle

import pytest

from lilfox_tui.core import errors, i18n
from lilfox_tui.core.i18n import tr


def _all(cls: type[errors.LilFoxError]) -> set[type[errors.LilFoxError]]:
    return {cls} | {each for child in cls.__subclasses__() for each in _all(child)}


def test_exit_codes_are_those_of_the_command_line() -> None:
    codes = {cls.__name__: cls.exit_code for cls in _all(errors.LilFoxError) if cls.__module__ == errors.__name__}
    assert codes.pop("UsageError") == codes.pop("ConfigError") == 2
    assert set(codes.values()) == {1}
    assert "HostKeyChanged" in codes


def test_message_and_hint_follow_the_language() -> None:
    error = errors.LilFoxError(tr("hosts"), tr("hosts"))
    assert (str(error), str(error.hint)) == ("hosts", "hosts")
    i18n.set_language("zh_CN")
    assert (str(error), str(error.hint)) == ("主机", "主机")


def test_host_errors_name_their_host_and_carry_what_is_needed_to_act() -> None:
    unknown = errors.HostKeyUnknown("web", "m", "h", fingerprint="SHA256:x", key_type="ssh-ed25519")
    changed = errors.HostKeyChanged("web", "m", "h", fingerprint="SHA256:x", known="SHA256:y")
    lost = errors.CommandUnknown("web", "m", pid=7)
    assert {unknown.host, changed.host, lost.host} == {"web"}
    assert (unknown.key_type, changed.known, lost.pid) == ("ssh-ed25519", "SHA256:y", 7)
    assert isinstance(unknown, errors.HostError)


def test_a_config_error_holds_every_finding() -> None:
    error = errors.ConfigError("m", ("a:1: x", "a:2: y"))
    assert error.problems == ("a:1: x", "a:2: y")


@pytest.mark.parametrize("error", [errors.LilFoxError(tr("hosts")), errors.UsageError("x")])
def test_errors_can_cross_processes(error: errors.LilFoxError) -> None:
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
