"""The built-in adapters and the commands that belong to them."""

from collections.abc import Iterator

from host.hookspecs import hookimpl
from host.specs import AdapterSpec, CommandSpec

__all__ = ["adapters", "commands"]


@hookimpl
def adapters() -> Iterator[AdapterSpec]:
    """The adapters that come with the host; those that need more than this machine are used where they are enabled."""
    yield AdapterSpec(
        "sandbox", "adapters.sandbox.adapter:SandboxAdapter", "Real languages behind a local wall of bubblewrap."
    )
    yield AdapterSpec(
        "container",
        "adapters.container.adapter:ContainerAdapter",
        "Real languages in hardened containers, kept waiting.",
    )
    yield AdapterSpec(
        "lambda", "adapters.aws_lambda.adapter:LambdaAdapter", "Real languages in functions of AWS Lambda.", opt_in=True
    )
    yield AdapterSpec(
        "lambda_microvm",
        "adapters.lambda_microvm.adapter:LambdaMicrovmAdapter",
        "Real languages in AWS Lambda MicroVMs, one for each program.",
        opt_in=True,
    )
    yield AdapterSpec(
        "bedrock",
        "adapters.bedrock.adapter:BedrockAdapter",
        "Real languages in Amazon Bedrock AgentCore Code Interpreter.",
        opt_in=True,
    )
    yield AdapterSpec("monty", "adapters.monty.adapter:MontyAdapter", "A subset of Python in an instant interpreter.")
    yield AdapterSpec("placeholder", "adapters.placeholder:PlaceholderAdapter", "Stands in while nothing can run code.")


@hookimpl
def commands() -> Iterator[CommandSpec]:
    """``understudy guests``, ``image`` and ``deploy``: what programs find inside, and where that is."""
    yield CommandSpec(
        "image", "adapters.container.cli:app", "Build, list and push the images that containers are made from."
    )
    yield CommandSpec("deploy", "adapters.deploy:app", "Set up at AWS what the adapters there run programs in.")
    yield CommandSpec("guests", "adapters.guest.cli:app", "List, build and add to what code may import.")
