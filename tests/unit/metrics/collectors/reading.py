"""Captured answers, cut as the sampler cuts them."""

from __future__ import annotations

from pathlib import Path

from lilfox_tui.metrics.collector import MARK, Collector, HostAnswer, load_collectors, read_answer
from lilfox_tui.metrics.model import Labels, MalformedOutput, Sample, Series

CAPTURES = Path(__file__).parent / "captures"
COLLECTORS = {one.kind: one for one in load_collectors({})}
SECRET = "00ff"


def by_tail(text: str) -> HostAnswer:
    """The answer whose files are ``text``, as ``tail`` prints them."""
    answer = read_answer(f"{text}\n{MARK} {SECRET} .\n".encode(), list(COLLECTORS.values()), SECRET)
    assert answer is not None
    return answer


def capture(name: str) -> HostAnswer:
    """A file of ``captures/``."""
    return by_tail((CAPTURES / f"{name}.txt").read_text())


def text_for(one: Collector, answer: HostAnswer) -> dict[str, str]:
    """What ``one`` is given of ``answer``."""
    text = {path: answer.files[path] for path in one.files if path in answer.files}
    return {**text, "script": answer.scripts[one.kind]} if one.kind in answer.scripts else text


def parsed(kind: str, answer: HostAnswer) -> dict[Series, float]:
    """Samples of ``kind`` by series."""
    return values(COLLECTORS[kind].parse(text_for(COLLECTORS[kind], answer)))


def values(samples: list[Sample]) -> dict[Series, float]:
    """Samples by series, each of which is there once."""
    found = {sample.series: sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def partly(kind: str, text: dict[str, str]) -> tuple[dict[Series, float], str]:
    """What could be read of malformed ``text``, and what was said of the rest."""
    try:
        COLLECTORS[kind].parse(text)
    except MalformedOutput as error:
        return values(error.samples), str(error)
    raise AssertionError(f"{kind} found nothing wrong")


def labelled(name: str, **labels: str) -> Series:
    """A series by its labels."""
    pairs: Labels = tuple(sorted(labels.items()))
    return Series(name, pairs)
