"""A run of a runbook: its job, the protocol between job and clients, and its state."""
