"""The IAM policies to paste: complete, least, and made of actions that exist."""

import json

import botocore.session
import pytest

from adapters.aws.remedies import POLICIES, action_of, as_text, policy

NO_OPERATION = {"lambda:PassNetworkConnector": "a permission alone: checked when a MicroVM is given a connector"}
OPERATIONS = {
    action_of(service, operation)
    for service in ("bedrock-agentcore", "bedrock-agentcore-control", "lambda", "lambda-microvms")
    for operation in botocore.session.get_session().get_service_model(service).operation_names
}


@pytest.mark.parametrize("adapter", POLICIES)
def test_actions_exist(adapter):
    """Every action of a policy is that of an operation in the services' models, by its IAM name."""
    actions = {action for statement in POLICIES[adapter] for action in statement.actions}
    assert actions <= OPERATIONS | set(NO_OPERATION)
    assert not any("*" in action for action in actions)


@pytest.mark.parametrize("adapter", POLICIES)
def test_documents(adapter):
    """A policy is a document as IAM takes it, with every blank filled in."""
    document = json.loads(as_text(policy(adapter, region="eu-west-1", account="123456789012")))
    assert document["Version"] == "2012-10-17"
    for statement in document["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Sid"].isalnum()
        assert statement["Effect"] == "Allow"
        assert all(resource == "*" or resource.startswith("arn:aws:") for resource in statement["Resource"])
        assert "{" not in json.dumps(statement["Resource"])


def test_least():
    """Only what knows no resources is allowed on all; one's own interpreter, function or image can be named."""
    everywhere = [statement.actions for each in POLICIES.values() for statement in each if "*" in statement.resources]
    assert set(everywhere) == {("lambda:ListMicrovms", "lambda:ListMicrovmImages")}
    assert policy("lambda", region="eu-west-1", account="1", name="f", partition="aws-cn")["Statement"][0] == {
        "Sid": "UnderstudyRunners",
        "Effect": "Allow",
        "Action": ["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"],
        "Resource": ["arn:aws-cn:lambda:eu-west-1:1:function:f", "arn:aws-cn:lambda:eu-west-1:1:function:f:*"],
    }
    with pytest.raises(KeyError):
        policy("sandbox")


def test_names_of_actions():
    """The IAM name of an action is that of its operation under the service's prefix, but for Lambda's Invoke."""
    assert action_of("lambda", "Invoke") == "lambda:InvokeFunction"
    assert action_of("lambda-microvms", "RunMicrovm") == "lambda:RunMicrovm"
    assert action_of("bedrock-agentcore-control", "GetCodeInterpreter") == "bedrock-agentcore:GetCodeInterpreter"
