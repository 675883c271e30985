"""May it run, and within which limits: named policies, and the validation of code in every language."""
