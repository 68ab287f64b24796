"""From YAML to a problem."""
