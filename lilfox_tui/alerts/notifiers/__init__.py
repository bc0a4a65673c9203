"""The notifiers, one file per kind; ``alerts/notifier.py`` defines their interface. They do not import each other."""
