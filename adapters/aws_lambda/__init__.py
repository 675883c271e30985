"""Programs in functions of AWS Lambda: the adapter ``lambda``, and the command that sets its functions up."""
