"""What an identity must be allowed: least IAM policies, as data and as text to paste.

The IAM name of an action is that of the operation, but for a few. All of Lambda MicroVMs is under the prefix
``lambda``, and all of AgentCore, its control plane too, under ``bedrock-agentcore``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["POLICIES", "Statement", "action_of", "as_text", "policy"]

_PREFIXES = {
    "bedrock-agentcore": "bedrock-agentcore",
    "bedrock-agentcore-control": "bedrock-agentcore",
    "lambda": "lambda",
    "lambda-microvms": "lambda",
}
_OTHER_NAMES = {"lambda:Invoke": "lambda:InvokeFunction", "lambda:InvokeWithResponseStream": "lambda:InvokeFunction"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    Attributes:
        sid: its name.
        actions: what is allowed.
        resources: on what; ``{partition}``, ``{region}``, ``{account}`` and ``{name}`` are filled in.
        why: what the adapter does with it.
    """

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str


_SESSIONS = (
    "bedrock-agentcore:StartCodeInterpreterSession",
    "bedrock-agentcore:InvokeCodeInterpreter",
    "bedrock-agentcore:StopCodeInterpreterSession",
    "bedrock-agentcore:GetCodeInterpreterSession",
    "bedrock-agentcore:ListCodeInterpreterSessions",
    "bedrock-agentcore:GetCodeInterpreter",
)

_MICROVMS = (
    Statement(
        "UnderstudyMicrovms",
        (
            "lambda:RunMicrovm",
            "lambda:GetMicrovm",
            "lambda:TerminateMicrovm",
            "lambda:CreateMicrovmAuthToken",
            "lambda:GetMicrovmImage",
        ),
        (
            "arn:{partition}:lambda:{region}:{account}:microvm-image:{name}",
            "arn:{partition}:lambda:{region}:{account}:microvm-image:{name}:*",
        ),
        "starts a MicroVM of the image for each program, talks to it, and ends it",
    ),
    Statement(
        "UnderstudyMicrovmList",
        ("lambda:ListMicrovms", "lambda:ListMicrovmImages"),
        ("*",),
        "finds what a host that died left behind, and the image by its name; the actions know no resources",
    ),
    Statement(
        "UnderstudyMicrovmDoor",
        ("lambda:PassNetworkConnector",),
        ("arn:{partition}:lambda:{region}:aws:network-connector:aws-network-connector:*",),
        "lets AWS put its HTTPS door in front of a MicroVM, which it does for each",
    ),
)

POLICIES: Mapping[str, tuple[Statement, ...]] = {
    "bedrock": (
        Statement(
            "UnderstudySystemInterpreter",
            _SESSIONS,
            ("arn:{partition}:bedrock-agentcore:{region}:aws:code-interpreter/aws.codeinterpreter.v1",),
            "runs programs in sessions of AWS's own interpreter, and stops them",
        ),
    ),
    "bedrock-own": (
        Statement(
            "UnderstudyOwnInterpreter",
            _SESSIONS,
            (
                "arn:{partition}:bedrock-agentcore:{region}:{account}:code-interpreter/{name}",
                "arn:{partition}:bedrock-agentcore:{region}:{account}:code-interpreter-custom/{name}",
            ),
            "runs programs in sessions of an interpreter of your own, and stops them",
        ),
    ),
    "lambda": (
        Statement(
            "UnderstudyRunners",
            ("lambda:InvokeFunction", "lambda:GetFunctionConfiguration"),
            (
                "arn:{partition}:lambda:{region}:{account}:function:{name}",
                "arn:{partition}:lambda:{region}:{account}:function:{name}:*",
            ),
            "runs programs in the runner functions, and looks whether they are there",
        ),
    ),
    "lambda_microvm": _MICROVMS,
    "lambda_microvm-own": (
        *_MICROVMS,
        Statement(
            "UnderstudyMicrovmConnector",
            ("lambda:PassNetworkConnector",),
            ("arn:{partition}:lambda:{region}:{account}:network-connector:*",),
            "gives each MicroVM a way out of your own in place of AWS's way to the internet",
        ),
    ),
}
"""What each adapter needs; with ``-own`` where the interpreter, or the connector to the network, is one's own."""

_NAMES = {
    "bedrock": "",
    "bedrock-own": "*",
    "lambda": "understudy-*",
    "lambda_microvm": "understudy-*",
    "lambda_microvm-own": "understudy-*",
}


def policy(
    adapter: str, *, region: str = "*", account: str = "*", name: str = "", partition: str = "aws"
) -> dict[str, Any]:
    """The policy document for an adapter.

    Args:
        adapter: a key of ``POLICIES``.
        region: where it may work; ``*`` is everywhere.
        account: the account's number; ``*`` is the identity's own and any that lets it in.
        name: of function, image or interpreter, with ``*`` for any; "" is what Understudy's commands make.
        partition: ``aws``, ``aws-cn`` or ``aws-us-gov``.

    Raises:
        KeyError: there is no policy of that name.
    """
    blanks = {"partition": partition, "region": region, "account": account, "name": name or _NAMES[adapter]}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": statement.sid,
                "Effect": "Allow",
                "Action": list(statement.actions),
                "Resource": [resource.format_map(blanks) for resource in statement.resources],
            }
            for statement in POLICIES[adapter]
        ],
    }


def as_text(document: Mapping[str, Any]) -> str:
    """A policy document as text to paste into the IAM console."""
    return json.dumps(document, indent=2)


def action_of(service: str, operation: str) -> str:
    """The IAM action that an operation needs, as ``lambda:InvokeFunction``."""
    action = f"{_PREFIXES.get(service, service)}:{operation}"
    return _OTHER_NAMES.get(action, action)
