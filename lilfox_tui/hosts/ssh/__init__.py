"""SSH hosts. Only the modules of this package use asyncssh."""
