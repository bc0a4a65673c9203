"""Targets of the configuration and of a prometheus.yml in ``lilfox check`` and in the reports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import jsonschema

from lilfox_tui.cli.schemas import schema
from tests.services.http_servers import page, serving
from tests.services.lilfox_command import lilfox


async def test_what_is_down_is_told(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    async with serving(page(b"a 1\nb 2\n")) as port:
        jobs = f"{{job_name: good, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}"
        (tmp_path / "prometheus.yml").write_text(f"scrape_configs: [{jobs}]\n")
        config.write_text(
            "hosts: {here: {local: true}}\nprometheus_config: prometheus.yml\n"
            f"services: {{web: {{url: 'http://127.0.0.1:{port}', health: /}}, none: {{url: 'http://127.0.0.1:1'}}}}\n"
            "scrape: {node: {targets: ['127.0.0.1:1']}}\n"
        )
        plain = await asyncio.to_thread(lilfox, "--language", "en", "check", "--config", config)
        done = await asyncio.to_thread(lilfox, "check", "--json", "--config", config)
    (row,) = [line for line in plain.stdout.splitlines() if "target" in line]
    assert row.split()[1:4] == ["target", "node", "127.0.0.1:1"]
    assert "refuses the connection" in row
    document = json.loads(done.stdout)
    jsonschema.validate(document, schema("check"))
    said = {target["job"]: (target["up"], target["needed"], target["samples"]) for target in document["targets"]}
    assert said == {
        "web": (True, False, 2), "none": (False, False, None), "good": (True, True, 2), "node": (False, True, None),
    }  # fmt: skip
