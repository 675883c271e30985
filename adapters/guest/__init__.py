"""What runs inside the wall, one folder per language, and the host side that starts it and reads its answer."""
