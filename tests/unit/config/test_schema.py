from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from lilfox_tui.config.loader import from_text
from lilfox_tui.config.model import Config
from lilfox_tui.config.schema import schema, show
from lilfox_tui.core.errors import ConfigError

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"


def accepts(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(schema())
    return validator.is_valid(yaml.safe_load(text))


def test_it_is_a_schema_and_the_example_follows_it() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert accepts(EXAMPLE.read_text())


def described(part: Any) -> list[str]:
    """The descriptions of all objects in a part of the schema."""
    if isinstance(part, list):
        return [text for each in part for text in described(each)]
    if not isinstance(part, dict):
        return []
    own = [part["description"]] if part.get("type") == "object" and "description" in part else []
    return own + [text for each in part.values() for text in described(each)]


def test_descriptions_are_whole_sentences() -> None:
    found = described(schema())
    assert len(found) > 50
    assert [text for text in found if not text.endswith(".") or "\n" in text] == []


@pytest.mark.parametrize(
    "text",
    [
        "name: 3",
        "refrsh: 2",
        "refresh: 2x",
        "language: de",
        "hosts: {a: {port: 0}}",
        "hosts: {a: {password: hunter2}}",
        "hosts: {'a b': {}}",
        "services: {s: {}}",
        "services: {s: {url: 'http://h', expect: [99]}}",
        "collectors: {mem: {}}",
        "collectors: {disk: {ignor: []}}",
        "read_only: 'yes'",
        "logs: {a: {kind: syslogd}}",
        "logs: {a: {kind: journald, unti: x}}",
        "logs: {a: {kind: command, argv: []}}",
        "logs: {a: {kind: loki, query: x}}",
        "rules: [1]",
        "alerts: {evry: 15s}",
        "notifiers: {a: {url: 'http://h'}}",
        "notifiers: {a: {kind: pager}}",
        "notifiers: {a: {kind: webhook}}",
    ],
)
def test_schema_and_loader_refuse_the_same(text: str) -> None:
    assert not accepts(text)
    with pytest.raises(ConfigError):
        from_text(text, "c.yaml")


def test_shown_values_are_read_back_as_they_were() -> None:
    config = from_text(EXAMPLE.read_text(), "c.yaml")
    shown = show(config)
    assert from_text(shown, "shown.yaml") == config
    assert from_text(show(Config()), "shown.yaml") == Config()
    assert accepts(shown)


@pytest.mark.fault("S28")
def test_of_secrets_the_reference_is_shown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2")
    shown: dict[str, Any] = yaml.safe_load(show(from_text("hosts: {a: {password: 'env:DB_PASSWORD'}}", "c.yaml")))
    assert shown["hosts"]["a"]["password"] == "env:DB_PASSWORD"
    assert "hunter2" not in str(shown)
