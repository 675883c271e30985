"""What is ready, and which adapter serves."""
