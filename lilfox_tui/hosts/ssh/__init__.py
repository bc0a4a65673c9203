"""SSH hosts. Only the modules of this package know asyncssh."""
