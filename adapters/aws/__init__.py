"""What the adapters on AWS share: clients and the threads that call them, errors, prices, IAM policies."""
