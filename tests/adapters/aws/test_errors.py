"""What our error says: the thing, the reason, the remedy, and the truth of what may have started."""

import ssl

import botocore.exceptions as boto
import pytest
import tenacity
import urllib3.exceptions
from botocore.exceptions import ClientError

from adapters.aws.errors import About, AwsError, Call, explained, finding, kind_of
from adapters.aws.kinds import KINDS, Kind, Phase, marks
from adapters.aws.sentences import Said, sentence

INVOKE = Call(
    "lambda",
    "lambda",
    "invoke",
    Phase.EXECUTING,
    About("function understudy-python", "Run `understudy deploy lambda --region eu-west-1`."),
)
START = Call("bedrock", "bedrock-agentcore", "start_code_interpreter_session", Phase.IDEMPOTENT)
RUN = Call("lambda_microvm", "lambda-microvms", "run_microvm", Phase.IDEMPOTENT)


def answered(code: str, status: int, message: str = "", operation: str = "Invoke") -> ClientError:
    """An error answer as botocore raises it."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)


@pytest.mark.parametrize("kind", list(Kind))
def test_marks(kind):
    """A run may have started only where its request was sent, and a call that runs no code never says so."""
    for phase in Phase:
        for sent in (True, False):
            for in_stream in (True, False):
                retryable, may_have_started, lost = marks(kind, phase, sent=sent, in_stream=in_stream)
                runs = phase is Phase.EXECUTING and sent
                assert retryable == KINDS[kind].retryable
                assert may_have_started == (runs and (KINDS[kind].may_have_started or in_stream))
                assert lost == (runs and KINDS[kind].may_have_started)


def test_which_kinds_may_have_started():
    """Exactly these ends leave open whether a program runs; what may help on another try is the rest of the table."""
    assert {kind for kind, each in KINDS.items() if each.may_have_started} == {
        Kind.SERVICE_FAULT,
        Kind.CUT,
        Kind.CLOSED,
        Kind.INTERNAL,
    }
    assert {kind for kind, each in KINDS.items() if each.retryable} == {
        Kind.UNREACHABLE,
        Kind.BUSY,
        Kind.SERVICE_FAULT,
        Kind.CUT,
    }
    assert set(KINDS) == set(Kind)


SENTENCES = [
    (
        boto.NoRegionError(),
        INVOKE,
        "No AWS region is set. Set region in [adapters.lambda], in the AWS profile, or in AWS_DEFAULT_REGION.",
    ),
    (
        boto.NoCredentialsError(),
        INVOKE,
        "No AWS credentials were found. Run `aws configure` or `aws sso login`, name a profile in [adapters.lambda], "
        "or give this machine a role.",
    ),
    (
        boto.ProfileNotFound(profile="work"),
        INVOKE,
        "There is no such AWS profile. It said: The config profile (work) could not be found. Set profile in "
        "[adapters.lambda] to one of `aws configure list-profiles`.",
    ),
    (
        boto.EndpointConnectionError(endpoint_url="https://lambda.eu-west-9.amazonaws.com/2015-03-31/functions"),
        INVOKE,
        "AWS Lambda in eu-west-1 cannot be reached at lambda.eu-west-9.amazonaws.com (EndpointConnectionError): no "
        "connection was made, so nothing was sent. Check network, proxy and certificates. If they are well, region "
        "eu-west-1 does not have the service: set region in [adapters.lambda] to one that has.",
    ),
    (
        answered("ExpiredTokenException", 403, "The security token included in the request is expired"),
        INVOKE,
        "The AWS credentials have expired (ExpiredTokenException). Renew them, as with `aws sso login`; those of a "
        "role renew themselves.",
    ),
    (
        answered("InvalidSignatureException", 403, "Signature expired: 20261121T000000Z is now earlier than ..."),
        INVOKE,
        "AWS Lambda in eu-west-1 finds the time of the request wrong (InvalidSignatureException). Set this machine's "
        "clock.",
    ),
    (
        answered("UnrecognizedClientException", 403, "The security token included in the request is invalid."),
        INVOKE,
        "AWS Lambda in eu-west-1 does not accept the AWS credentials (UnrecognizedClientException). Check them with "
        "`aws sts get-caller-identity`, or name another profile in [adapters.lambda]; a region that is not switched "
        "on for the account answers so too.",
    ),
    (
        answered("OptInRequired", 403),
        INVOKE,
        "AWS Lambda in eu-west-1 is not switched on for the AWS account (OptInRequired). Switch it on in the AWS "
        "console, or set region in [adapters.lambda] to one where it is.",
    ),
    (
        boto.UnauthorizedSSOTokenError(),
        INVOKE,
        "AWS credentials could not be had (UnauthorizedSSOTokenError). It said: The SSO session associated with this "
        "profile has expired or is otherwise invalid. To refresh this SSO session run aws sso login with the "
        "corresponding profile. Sign in again, as with `aws sso login`, or name another profile in [adapters.lambda].",
    ),
    (
        answered(
            "AccessDeniedException",
            403,
            "User: arn:aws:iam::123456789012:user/me is not authorized to perform: lambda:InvokeFunction on "
            "resource: arn:aws:lambda:eu-west-1:123456789012:function:understudy-python because no identity-based "
            "policy allows the lambda:InvokeFunction action",
        ),
        INVOKE,
        "AWS Lambda in eu-west-1 denied lambda:InvokeFunction on "
        "arn:aws:lambda:eu-west-1:123456789012:function:understudy-python: these credentials may not do that "
        "(AccessDeniedException). Allow lambda:InvokeFunction in IAM; docs/aws.md has the policy to paste.",
    ),
    (
        answered("AccessDeniedException", 403, "None", "RunMicrovm"),
        RUN,
        "Lambda MicroVMs in eu-west-1 denied lambda:RunMicrovm: these credentials may not do that "
        "(AccessDeniedException). Allow lambda:RunMicrovm in IAM; docs/aws.md has the policy to paste. If it is "
        "allowed already, the region does not have the service: set region in [adapters.lambda_microvm].",
    ),
    (
        answered(
            "AccessDenied",
            403,
            "User: arn:aws:iam::123456789012:user/me is not authorized to perform: sts:AssumeRole on resource: "
            "arn:aws:iam::123456789012:role/runner with an explicit deny in a service control policy",
            "AssumeRole",
        ),
        INVOKE,
        "AWS STS in eu-west-1 denied sts:AssumeRole on arn:aws:iam::123456789012:role/runner: these credentials may "
        "not do that (AccessDenied). An explicit deny in a service control policy forbids sts:AssumeRole; only "
        "lifting it helps.",
    ),
    (
        answered("ServiceQuotaExceededException", 402, "maxVms exceeded.", "StartCodeInterpreterSession"),
        START,
        "Bedrock AgentCore in eu-west-1 takes no more StartCodeInterpreterSession just now "
        "(ServiceQuotaExceededException). It said: maxVms exceeded. Try again later. If it happens often, ask for a "
        "higher quota in Service Quotas.",
    ),
    (
        answered(
            "ResourceNotFoundException",
            404,
            "Function not found: arn:aws:lambda:eu-west-1:1:function:understudy-python",
        ),
        INVOKE,
        "AWS Lambda in eu-west-1 has not got function understudy-python (ResourceNotFoundException). It said: "
        "Function not found: arn:aws:lambda:eu-west-1:1:function:understudy-python. Run `understudy deploy lambda "
        "--region eu-west-1`.",
    ),
    (
        answered("InvalidZipFileException", 502),
        INVOKE,
        "AWS Lambda in eu-west-1 has function understudy-python, and it cannot work (InvalidZipFileException). Run "
        "`understudy deploy lambda --region eu-west-1`.",
    ),
    (
        answered("RequestTooLargeException", 413, "6300000 byte payload is too large"),
        INVOKE,
        "The request is larger than AWS Lambda in eu-west-1 takes (RequestTooLargeException). It said: 6300000 byte "
        "payload is too large. Send less code, fewer inputs or smaller files.",
    ),
    (
        boto.ReadTimeoutError(endpoint_url="https://lambda.eu-west-1.amazonaws.com"),
        INVOKE,
        "AWS Lambda in eu-west-1 did not answer Invoke in time. Try again later.",
    ),
    (
        boto.ConnectionClosedError(endpoint_url="https://lambda.eu-west-1.amazonaws.com"),
        INVOKE,
        "The connection to AWS Lambda in eu-west-1 was lost before Invoke was answered (ConnectionClosedError). "
        "Check the network between this host and AWS.",
    ),
    (
        boto.ParamValidationError(
            report="Invalid type for parameter Payload, value: print('my own'), type: <class 'str'>, "
            "valid types: <class 'bytes'>"
        ),
        INVOKE,
        "AWS Lambda in eu-west-1 does not take this Invoke (ParamValidationError). It said: Parameter validation "
        "failed: Invalid type for parameter Payload, type: <class 'str'>, valid types: <class 'bytes'>.",
    ),
    (
        KeyError("Payload"),
        INVOKE,
        "Adapter lambda failed in Invoke (KeyError). It said: 'Payload'. Report this as a fault of the adapter.",
    ),
]


@pytest.mark.parametrize(("error", "call", "text"), SENTENCES, ids=[type(each[0]).__name__ for each in SENTENCES])
def test_sentences(error, call, text):
    """Each error names the thing, the reason and the remedy, in these words."""
    assert str(explained(error, call, region="eu-west-1")) == text


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_sentence(kind):
    """Whatever is known or not, there is a sentence that ends as one."""
    for answer in (True, False):
        said = Said("lambda", "lambda", "Invoke", "", "", "", "SomeCode", "", answered=answer)
        message, remedy = sentence(kind, said)
        assert message.endswith(".")
        assert "  " not in message
        assert not remedy or remedy.endswith(".")


def test_the_missing_action_is_derived():
    """Where the service does not name the action, it is that of the operation, by its IAM name."""
    for call, operation, action in (
        (INVOKE, "Invoke", "lambda:InvokeFunction"),
        (START, "StartCodeInterpreterSession", "bedrock-agentcore:StartCodeInterpreterSession"),
        (RUN, "RunMicrovm", "lambda:RunMicrovm"),
        (Call("bedrock", "bedrock-agentcore-control", "get_code_interpreter", Phase.PROBING), "GetCodeInterpreter",
         "bedrock-agentcore:GetCodeInterpreter"),
        (INVOKE, "AssumeRole", "sts:AssumeRole"),
    ):  # fmt: skip
        error = explained(answered("AccessDeniedException", 403, "No.", operation), call, region="eu-west-1")
        assert f"Allow {action} in IAM" in error.remedy


def test_no_connection_by_tls():
    """A wrong certificate, or no TLS on the far side, ended the call before anything was sent; a broken TLS did not."""
    bad_certificate = ssl.SSLCertVerificationError(1, "certificate verify failed")
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    broken = ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC] bad record")
    broken.reason = "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    for inner, kind in ((bad_certificate, Kind.UNREACHABLE), (plain, Kind.UNREACHABLE), (broken, Kind.CUT)):
        error = boto.SSLError(endpoint_url="https://x", error=urllib3.exceptions.SSLError(inner))
        assert kind_of(error) is kind


def test_what_has_another_error_inside():
    """Errors that only carry another are told by the one inside."""
    refused = urllib3.exceptions.NewConnectionError(None, "refused")
    assert kind_of(urllib3.exceptions.MaxRetryError(None, "/", refused)) is Kind.UNREACHABLE
    assert kind_of(urllib3.exceptions.MaxRetryError(None, "/", None)) is Kind.CUT
    closed = urllib3.exceptions.ClosedPoolError(None, "closed")
    assert kind_of(boto.HTTPClientError(error=closed)) is Kind.CLOSED
    assert kind_of(boto.HTTPClientError(error=KeyError())) is Kind.CUT
    attempt = tenacity.Future(3)
    attempt.set_exception(answered("ThrottlingException", 429))
    assert kind_of(tenacity.RetryError(attempt)) is Kind.BUSY


def test_an_exception_that_nobody_has_met(caplog):
    """What nobody has met yet is internal, may have started where it was sent, and is logged by its name alone."""

    class BrandNew(Exception):
        """Not in any table."""

    error = explained(BrandNew("AKIAIOSFODNN7EXAMPLE"), INVOKE, sent=True)
    assert (error.kind, error.retryable, error.may_have_started, error.lost) == (Kind.INTERNAL, False, True, True)
    assert not explained(BrandNew(), INVOKE, sent=False).may_have_started
    assert "BrandNew" in caplog.text
    assert "AKIA" not in caplog.text + str(error)


def test_no_message_holds_a_credential():
    """Whatever an error carries, the values in use are in no part of ours."""
    secrets = ("AKIAIOSFODNN7EXAMPLE", "sesame-open-wide-now")
    text = " ".join(secrets)
    for error in (
        answered("ValidationException", 400, text),
        answered(text, 400, text),
        answered("AccessDeniedException", 403, f"is not authorized to perform: lambda:X on resource: arn:{secrets[1]}"),
        boto.CredentialRetrievalError(provider=text, error_msg=text),
        boto.EndpointConnectionError(endpoint_url=f"https://{secrets[1]}.example"),
        RuntimeError(text),
    ):
        ours = explained(error, INVOKE, secrets=secrets)
        for shown in (str(ours), ours.message, ours.remedy, ours.code, repr(ours)):
            assert not any(secret in shown for secret in secrets)


def test_a_finding_of_an_error():
    """A check says of an error its reason and its remedy."""
    found = finding(AwsError("No.", kind=Kind.DENIED, remedy="Ask."), "IAM")
    assert (found.name, found.ok, found.reason, found.remedy) == ("IAM", False, "No.", "Ask.")
