"""Tasks: downstream measurements, each a YAML and a module (base), and what they share."""
