"""Log files: bytes from this machine, a host or a compressed file; records in both directions; appended data."""
