"""What CONTRIBUTING.md shows works as it stands there."""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from lilfox_tui.metrics.model import MalformedOutput, Sample

CONTRIBUTING = Path(__file__).parent.parent / "CONTRIBUTING.md"
FILE_NR = "/proc/sys/fs/file-nr"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    code = CONTRIBUTING.read_text(encoding="utf-8").partition("```python\n")[2].partition("```")[0]
    module = ModuleType("file_handles")
    exec(compile(textwrap.dedent(code), str(CONTRIBUTING), "exec"), vars(module))
    return module


def test_the_collector_reads_what_the_kernel_prints(example: ModuleType) -> None:
    assert example.FILES == (FILE_NR,)
    assert example.parse({FILE_NR: "1248\t0\t9223372036854775807\n"}, example.Options()) == [
        Sample("file_handles", 1248),
        Sample("file_handles_limit", float(9223372036854775807)),
    ]


@pytest.mark.parametrize("text", [{}, {FILE_NR: ""}, {FILE_NR: "12 0"}, {FILE_NR: "12 0 x"}, {FILE_NR: "-1 0 5"}])
def test_text_that_is_not_so_becomes_no_value(example: ModuleType, text: dict[str, str]) -> None:
    with pytest.raises(MalformedOutput) as caught:
        example.parse(text, example.Options())
    assert caught.value.samples == []
    assert FILE_NR in str(caught.value)
