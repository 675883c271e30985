"""Every error code that the services' models hold, and the common ones, are the kind that is meant for them."""

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError, EventStreamError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from adapters.aws.codes import CODES, kind_of_code
from adapters.aws.errors import Call, explained, kind_of
from adapters.aws.kinds import Kind, Phase

SERVICES = ("bedrock-agentcore", "bedrock-agentcore-control", "lambda", "lambda-microvms")

MODELLED: dict[Kind, str] = {
    Kind.CREDENTIALS: "UnauthorizedException",
    Kind.DENIED: "AccessDeniedException SubscriptionRequiredException",
    Kind.BUSY: """
        CodeArtifactUserPendingException ConcurrentModificationException ConflictException EC2ThrottledException
        EFSMountConnectivityException EFSMountTimeoutException ENINotReadyException InsufficientCapacityException
        ResourceConflictException ResourceInUseException ResourceNotReadyException RetryableConflictException
        S3FilesMountConnectivityException S3FilesMountTimeoutException ServiceQuotaExceededException
        SnapStartNotReadyException SnapStartTimeoutException ThrottledException ThrottlingException
        TooManyRequestsException
    """,
    Kind.FULL: """
        AliasLimitExceededException CapacityProviderLimitExceededException CodeStorageExceededException
        ENILimitReachedException FunctionVersionsPerCapacityProviderLimitExceededException
        PolicyLengthExceededException ResourceLimitExceededException SubnetIPAddressLimitReachedException
    """,
    Kind.INVALID: """
        CallbackTimeoutException DuplicateIdException DurableExecutionAlreadyStartedException InvalidInputException
        InvalidParameterValueException InvalidRequestContentException ModeNotSupportedException
        PreconditionFailedException PublicPolicyException RecursiveInvocationException UnsupportedMediaTypeException
        ValidationException
    """,
    Kind.NOT_FOUND: """
        CodeSigningConfigNotFoundException NoPublishedVersionException ProvisionedConcurrencyConfigNotFoundException
        ResourceNotFoundException
    """,
    Kind.UNUSABLE: """
        CodeArtifactUserDeletedException CodeArtifactUserFailedException CodeVerificationFailedException
        DecryptionFailure EC2AccessDeniedException EFSMountFailureException EncryptionFailure
        InvalidCodeSignatureException InvalidRuntimeException InvalidSecurityGroupIDException InvalidSubnetIDException
        InvalidZipFileException KMSAccessDeniedException KMSDisabledException KMSInvalidStateException
        KMSNotFoundException RuntimeAliasDeletedException RuntimeVersionDeletedException S3FilesMountFailureException
        SnapStartException SnapStartRegenerationFailureException
    """,
    Kind.TOO_LARGE: "RequestTooLargeException SerializedRequestEntityTooLargeException",
    Kind.SERVICE_FAULT: """
        EC2UnexpectedException EFSIOException InternalServerException RuntimeClientError ServiceException
        ServiceUnavailableException
    """,
}
COMMON: dict[Kind, str] = {
    Kind.CREDENTIALS: """
        AuthFailure ExpiredToken ExpiredTokenException IncompleteSignature InvalidAccessKeyId InvalidClientTokenId
        InvalidSignatureException InvalidToken MissingAuthenticationToken MissingAuthenticationTokenException
        RequestExpired RequestTimeTooSkewed SignatureDoesNotMatch UnrecognizedClientException
    """,
    Kind.DENIED: "AccessDenied AccessDeniedException NotAuthorized OptInRequired UnauthorizedOperation",
    Kind.BUSY: "RequestLimitExceeded SlowDown Throttling ThrottlingException TooManyRequestsException",
    Kind.INVALID: """
        InvalidParameterCombination InvalidParameterValue MalformedHttpRequestException MissingParameter
        SerializationException UnknownOperationException ValidationError
    """,
    Kind.TOO_LARGE: "RequestEntityTooLargeException",
    Kind.SERVICE_FAULT: "InternalError InternalFailure RequestTimeoutException ServiceUnavailable",
    Kind.CUT: "RequestAbortedException",
}
MEANT = {code: kind for table in (MODELLED, COMMON) for kind, codes in table.items() for code in codes.split()}
CALL = Call("lambda", "lambda", "invoke", Phase.EXECUTING)


def model(service: str):
    """The service's model as botocore ships it."""
    return botocore.session.get_session().get_service_model(service)


def modelled(service: str) -> set[str]:
    """The error codes in it."""
    return {shape.error_code or shape.name for shape in model(service).error_shapes}


@pytest.mark.parametrize("service", SERVICES)
def test_every_code_of_a_service(service):
    """Each error shape of a service's model is of the kind that is meant for it; one that is new fails here."""
    codes = modelled(service)
    assert codes <= set(MEANT)
    assert {code: CODES.get(code) for code in codes} == {code: MEANT[code] for code in codes}


def test_no_code_is_made_up():
    """The list of modelled codes names none that no model has."""
    assert set().union(*map(modelled, SERVICES)) == {code for codes in MODELLED.values() for code in codes.split()}


@pytest.mark.parametrize("service", SERVICES)
def test_every_class_of_a_client(service):
    """The exceptions that a client makes of its model are told by their code."""
    client = boto3.Session().client(service, region_name="eu-west-1")
    exceptions = client.exceptions
    classes = [getattr(exceptions, shape.name) for shape in model(service).error_shapes]
    assert classes
    for of in classes:
        raised = of({"Error": {"Code": of.__name__, "Message": ""}}, "Invoke")
        assert isinstance(raised, ClientError)
        assert kind_of(raised) is MEANT[of.__name__]
    client.close()


def test_every_exception_of_an_event_stream():
    """Each exception that can come inside a stream, under its lowerCamel name, is the kind of its code."""
    stream = model("bedrock-agentcore").shape_for("CodeInterpreterStreamOutput")
    names = {name: shape for name, shape in stream.members.items() if shape.metadata.get("exception")}
    assert len(names) >= 7
    for name, shape in names.items():
        raised = EventStreamError({"Error": {"Code": name, "Message": ""}}, "InvokeCodeInterpreter")
        assert kind_of(raised) is MEANT[shape.name]


@pytest.mark.parametrize("code", sorted(MEANT))
def test_common_codes(code):
    """Each code, common ones too, is the kind that is meant for it."""
    assert kind_of_code(code, 400) is MEANT[code]


def test_what_botocore_calls_a_throttle():
    """Whatever botocore itself would wait and repeat is retryable with us too."""
    throttles = ThrottledRetryableChecker._THROTTLED_ERROR_CODES
    assert {code: kind_of_code(code, 400) for code in throttles} == dict.fromkeys(throttles, Kind.BUSY)
    for code in TransientRetryableChecker._TRANSIENT_ERROR_CODES:
        raised = ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": 400}}, "Invoke")
        assert explained(raised, CALL).retryable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.INVALID),
        (401, Kind.CREDENTIALS),
        (402, Kind.BUSY),
        (403, Kind.DENIED),
        (404, Kind.NOT_FOUND),
        (407, Kind.NOT_CONFIGURED),
        (408, Kind.SERVICE_FAULT),
        (409, Kind.BUSY),
        (413, Kind.TOO_LARGE),
        (418, Kind.INVALID),
        (429, Kind.BUSY),
        (500, Kind.SERVICE_FAULT),
        (502, Kind.SERVICE_FAULT),
        (504, Kind.SERVICE_FAULT),
        (302, Kind.INTERNAL),
        (None, Kind.SERVICE_FAULT),
    ],
)
def test_a_code_that_nobody_has_met(status, kind):
    """An answer with a code that is new, or with none, is judged by its status."""
    assert kind_of_code("SomethingNewException", status) is kind
    assert kind_of_code(str(status), status) is kind
