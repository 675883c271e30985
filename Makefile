# Thin names for real commands. `make run` and `make test` are all a newcomer needs.
