"""What runs in a session at AWS, beside the runner and the guests: standard library only, Python 3.9 to 3.15."""
