"""Log files: bytes from here, a host or a packed file; records out of them in both directions; what is appended."""
