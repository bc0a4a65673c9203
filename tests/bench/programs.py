"""What is measured: ``lilfox`` as it is installed, and the peers that are found here."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import bare

LILFOX = (str(Path(sys.executable).with_name("lilfox")),)
BARE = (sys.executable, bare.__file__)
TREE = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Peers:
    """The commands of the peers; None where one is not installed."""

    glances: tuple[str, ...] | None
    htop: tuple[str, ...] | None
    toolong: tuple[str, ...] | None


def find_peers(glances: str | None = None, toolong: str | None = None) -> Peers:
    """Those on PATH; ``glances`` and ``toolong`` are command lines (shell quoting) that go before PATH."""
    return Peers(_given(glances) or _on_path("glances"), _on_path("htop"), _given(toolong) or _on_path("tl"))


def _given(command: str | None) -> tuple[str, ...] | None:
    return tuple(shlex.split(command)) if command else None


def _on_path(name: str) -> tuple[str, ...] | None:
    found = shutil.which(name)
    return None if found is None else (found,)


def environment(home: Path) -> dict[str, str]:
    """The same for each program: a terminal of many colours, a home without settings, compiled modules are kept."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "LANG": "C.UTF-8",
        "USER": os.environ.get("USER", "root"),
    }


def median_ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the ratios of the pairs that were measured one after the other."""
    ratios = sorted(mine / other for mine, other in zip(ours, peers, strict=True))
    middle = len(ratios) // 2
    return ratios[middle] if len(ratios) % 2 else (ratios[middle - 1] + ratios[middle]) / 2
