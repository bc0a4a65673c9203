"""pgBackRest as source and store of a plan of ``kind: pgbackrest``: docs/adr/0035-pgbackrest.md."""
