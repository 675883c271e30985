"""AWS Lambda MicroVMs: a virtual machine of its own for every program and every session."""
