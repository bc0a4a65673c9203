"""Hosts that answer to SSH. Only the modules of this package know asyncssh."""
