"""Containers of a host: their engine (Docker, Podman), asked through its socket or its program, and what it tells."""

from pathlib import Path

RULES = Path(__file__).with_name("rules.yml")
"""Alerting rules about containers, evaluated with those of the configuration."""
