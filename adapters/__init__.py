"""Execution back ends: one file or folder each, and ``guest``, what runs inside a wall."""
