"""Who is told of alerts, one file a kind; ``alerts/notifier.py`` is their contract. No kind knows another."""
