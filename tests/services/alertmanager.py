"""A private Prometheus Alertmanager on loopback; nothing of it stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.waiting import wait_for

CONFIG = """
route: {{receiver: hook, group_by: [alertname], group_wait: 10ms, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: hook{webhook}}}]
"""


class AlertmanagerServer:
    """One server. Use as a context manager. ``webhook`` is an address that it tells, if any."""

    def __init__(self, folder: Path, webhook: str = "") -> None:
        self.folder = folder
        hook = f", webhook_configs: [{{url: '{webhook}', send_resolved: true}}]" if webhook else ""
        self._config = CONFIG.format(webhook=hook)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> AlertmanagerServer:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "alertmanager.yml"
        config.write_text(self._config)
        argv = [
            "prometheus-alertmanager", f"--config.file={config}", f"--storage.path={self.folder}/data",
            f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=error",
        ]  # fmt: skip
        self._process = subprocess.Popen(ending_with_us(*argv), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self._ready, what="Alertmanager is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)

    def alerts(self) -> list[dict[str, Any]]:
        """What it knows as active."""
        with urlopen(f"{self.url}/api/v2/alerts", timeout=60) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def _ready(self) -> bool:
        assert self._process.poll() is None
        try:
            with urlopen(f"{self.url}/-/ready", timeout=60) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
