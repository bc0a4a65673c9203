from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lilfox_tui.core import plugins
from lilfox_tui.core.errors import UsageError

COLLECTORS = "lilfox_tui.metrics.collectors"


def test_the_file_name_is_the_kind() -> None:
    kinds = plugins.kinds(COLLECTORS)
    assert {"cpu", "memory", "disk"} <= set(kinds)
    assert list(kinds) == sorted(kinds)
    assert plugins.load(COLLECTORS, "cpu").__name__ == f"{COLLECTORS}.cpu"


def test_a_new_file_is_a_new_kind_and_hidden_ones_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lilfox_test_plugins"
    package.mkdir()
    for name in ("__init__", "beta", "alpha", "_shared"):
        (package / f"{name}.py").write_text(f"NAME = {name!r}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert plugins.kinds(package.name) == ("alpha", "beta")
        assert plugins.load(package.name, "beta").NAME == "beta"
        assert f"{package.name}.alpha" not in sys.modules
    finally:
        for name in [name for name in sys.modules if name.startswith(package.name)]:
            del sys.modules[name]


@pytest.mark.parametrize("kind", ["cpus", "_shared", "", "os.path", "../cpu"])
def test_an_unknown_kind_names_those_that_exist(kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        plugins.load(COLLECTORS, kind)
    assert str(caught.value) == f"{kind}: no such kind in collectors"
    assert "cpu" in str(caught.value.hint)
    assert caught.value.exit_code == 2
