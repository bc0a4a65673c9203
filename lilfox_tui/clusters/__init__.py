"""Kubernetes clusters: kubectl is asked on a host, and what it tells is judged."""

from pathlib import Path

RULES = Path(__file__).with_name("rules.yml")
"""Alerting rules about clusters, evaluated with those of the configuration."""
