"""A real VictoriaMetrics on loopback that scrapes, and vmalert beside it where there are rules; nothing stays."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.lifetime import ending_with_us
from tests.waiting import wait_for

_STARTED = re.compile(r"started server at (http://127\.0\.0\.1:\d+)/")


@contextmanager
def victoria(folder: Path, settings: str, *arguments: str) -> Iterator[str]:
    """The address of a VictoriaMetrics whose ``-promscrape.config`` is ``settings``; samples that are told twice count
    once, and the newest are found at once."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "scrape.yml"
    config.write_text(settings)
    argv = [
        "victoria-metrics", f"-storageDataPath={folder / 'data'}", f"-promscrape.config={config}",
        "-httpListenAddr=127.0.0.1:0", "-search.latencyOffset=0s", "-dedup.minScrapeInterval=1ms",
        "-search.disableCache", *arguments,
    ]  # fmt: skip
    with _running(argv, folder / "victoria.log") as url:
        yield url


@contextmanager
def vmalert(folder: Path, rules: Path, victoria_url: str) -> Iterator[str]:
    """The address of a vmalert that evaluates ``rules`` on the series of a VictoriaMetrics, four times a second."""
    argv = [
        "vmalert", f"-rule={rules}", f"-datasource.url={victoria_url}", "-notifier.blackhole",
        "-httpListenAddr=127.0.0.1:0", "-evaluationInterval=250ms", "-rule.evalDelay=0s",
        f"-remoteWrite.url={victoria_url}", "-disableAlertgroupLabel",
    ]  # fmt: skip
    with _running(argv, folder / "vmalert.log") as url:
        yield url


@contextmanager
def _running(argv: list[str], log: Path) -> Iterator[str]:
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        process = stack.enter_context(subprocess.Popen(ending_with_us(*argv), stdout=output, stderr=output))
        stack.callback(process.kill)
        wait_for(lambda: _STARTED.search(log.read_text()) or process.poll() is not None, what=f"{argv[0]} runs")
        found = _STARTED.search(log.read_text())
        assert found, log.read_text()
        yield found[1]
