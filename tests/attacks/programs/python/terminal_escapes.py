# tries: steer a reader's terminal (kept as data here; whoever prints it strips it)
print("held: \x1b]52;c;cm0gLXJm\x07 \x1b[2J")
