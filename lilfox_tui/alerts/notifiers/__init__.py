"""Notifiers of alerts, one file per kind; ``alerts/notifier.py`` is their contract. No kind knows another."""
