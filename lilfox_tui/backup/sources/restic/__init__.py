"""restic as source and store of a plan of ``kind: restic``: docs/adr/0036-restic.md."""
