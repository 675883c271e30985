"""Monty: a subset of Python in an interpreter that is itself the wall."""
