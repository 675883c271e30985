"""What goes into a function beside the runner and the guests. Runs there: standard library only, Python 3.9 to 3.15."""
