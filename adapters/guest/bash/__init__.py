"""The guest for Bash: inputs as an associative array, the value from the variable ``result``."""
