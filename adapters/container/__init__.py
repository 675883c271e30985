"""Runs programs in containers that wait for them, on Docker or Podman."""
