"""The stores themselves: folders of this machine and of SSH hosts, and their locks."""
