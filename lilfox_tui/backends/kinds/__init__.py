"""The kinds of backends, one file each; ``backends/model.py`` defines their interface. They do not import each
other."""
