"""Records of every kind of format, as programs write them: ``examples/KIND.txt``, parted by lines of ``%%``."""

from __future__ import annotations

from pathlib import Path

EXAMPLES: dict[str, list[bytes]] = {
    path.stem: path.read_bytes().removesuffix(b"\n").split(b"\n%%\n")
    for path in sorted(Path(__file__).with_suffix("").glob("*.txt"))
}
