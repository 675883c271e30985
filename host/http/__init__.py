"""The HTTP service: a thin door in front of the host. ``app.py`` builds the application, ``server.py`` runs it."""
