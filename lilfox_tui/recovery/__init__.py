"""Automatic restarts of unhealthy units, within limits, and windows in which nothing is restarted."""

from pathlib import Path

RULES = Path(__file__).with_name("rules.yml")
"""Of the alert that fires when a unit is given up."""
