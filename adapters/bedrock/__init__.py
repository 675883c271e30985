"""Programs in sessions of Amazon Bedrock AgentCore Code Interpreter."""
