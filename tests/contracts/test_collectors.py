"""Every collector keeps the contract of ``metrics/collectors/__init__.py``."""

from __future__ import annotations

import re
import subprocess

import msgspec
import pytest

from lilfox_tui.core import plugins
from lilfox_tui.metrics.collector import PACKAGE, load_collectors
from lilfox_tui.metrics.model import MalformedOutput

KINDS = plugins.kinds(PACKAGE)
COLLECTORS = {one.kind: one for one in load_collectors({})}


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_frozen_defaulted_and_know_their_fields(kind: str) -> None:
    options = plugins.load(PACKAGE, kind).Options
    assert issubclass(options, msgspec.Struct)
    assert options.__struct_config__.frozen
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_option": 1}, options)
    assert msgspec.convert({}, options) == options()


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_something_of_the_kernel(kind: str) -> None:
    one = COLLECTORS[kind]
    assert one.files or one.script
    assert re.fullmatch(r"[a-z_]+", kind), "the kind is a word of the question and a function of sh"
    for path in one.files:
        assert re.fullmatch(r"/(proc|sys)/[A-Za-z0-9/_.-]+", path), "paths stand unquoted in the script"


@pytest.mark.parametrize("kind", KINDS)
def test_its_script_is_posix_sh_and_needs_no_stdin(kind: str) -> None:
    script = COLLECTORS[kind].script
    checked = subprocess.run(["sh", "-n", "-c", script], capture_output=True, timeout=60, check=False)
    assert checked.returncode == 0, checked.stderr
    limited = f'lilfox_limit() {{ shift; "$@"; }}\n{script}'
    ran = subprocess.run(["sh", "-c", limited], stdin=subprocess.PIPE, capture_output=True, timeout=60, check=False)
    assert b"lilfox" not in ran.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_read_is_nothing_known(kind: str) -> None:
    try:
        samples = COLLECTORS[kind].parse({})
    except MalformedOutput as error:
        samples, said = error.samples, str(error)
    else:
        said = "nothing is wrong"
    assert samples == []
    assert said


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_sorted_and_names_are_those_of_prometheus(kind: str) -> None:
    one = COLLECTORS[kind]
    text = {}
    for path in one.files:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                text[path] = file.read()
        except OSError:
            continue
    if (printed := one.read_here()) is not None:
        text["script"] = printed
    for sample in one.parse(text):
        assert re.fullmatch(r"[a-z][a-z0-9_]*", sample.name)
        assert list(sample.labels) == sorted(sample.labels)
