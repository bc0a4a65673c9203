"""Growth curves: what each operation costs on a ladder of sizes, and where it costs too much (``docs/scaling.md``)."""
