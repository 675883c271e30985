"""A CloudFormation template of a deployment, for those who set things up that way."""

import json
from typing import Any

from adapters.aws_lambda.plan import Plan, Planned

__all__ = ["TRUST", "template"]

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
"""Who may take the functions' role: Lambda. What the role itself may do stands nowhere: nothing."""

_ROLE_SAYS = "Runs Understudy's functions. It has no permissions, on purpose: not even to write logs."


def template(plan: Plan) -> str:
    """The template, as JSON. The packages lie in a bucket that its parameters name."""
    resources: dict[str, Any] = {} if plan.role else {"RunnerRole": _role()}
    for function in plan.functions:
        resources[_logical(function)] = {"Type": "AWS::Lambda::Function", "Properties": _properties(plan, function)}
    document = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Functions in which Understudy runs programs, one for each language.",
        "Parameters": {
            "CodeBucket": {"Type": "String", "Description": "The S3 bucket that has the packages."},
            "CodePrefix": {"Type": "String", "Default": "", "Description": "What their keys begin with, as runners/."},
        },
        "Resources": resources,
        "Outputs": {
            f"{_logical(function)}Arn": {
                "Description": f"Runs {function.language}.",
                "Value": {"Fn::GetAtt": [_logical(function), "Arn"]},
            }
            for function in plan.functions
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _role() -> dict[str, Any]:
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"Description": _ROLE_SAYS, "AssumeRolePolicyDocument": TRUST},
    }


def _logical(function: Planned) -> str:
    return f"Runner{function.language.title()}"


def _properties(plan: Plan, function: Planned) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "FunctionName": function.name,
        "Role": plan.role or {"Fn::GetAtt": ["RunnerRole", "Arn"]},
        "Code": {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Fn::Sub": f"${{CodePrefix}}{function.key}"}},
        "Architectures": [function.architecture],
        **function.settings,
    }
    if plan.reserved is not None:
        properties["ReservedConcurrentExecutions"] = plan.reserved
    if plan.per_tenant:
        properties["TenancyConfig"] = {"TenantIsolationMode": "PER_TENANT"}
    return properties
