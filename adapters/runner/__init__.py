"""What every wall shares that runs guests, and the runner, which does it where the host cannot reach."""
