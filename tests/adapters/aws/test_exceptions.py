"""Every exception class that the libraries define lands in the kind that is meant for it.

The lists below are what is meant; the classes are taken from the libraries themselves. A class of a new version that no
line names fails here.
"""

import importlib
import inspect
import pkgutil
import socket
import ssl

import boto3
import botocore
import pytest
import tenacity
import urllib3.exceptions

from adapters.aws import clients, threads
from adapters.aws.exceptions import EXCEPTIONS, kind_of_class
from adapters.aws.kinds import Kind

MEANT: dict[Kind, str] = {
    Kind.NOT_CONFIGURED: """
        botocore.exceptions: ApiVersionNotFoundError ConfigNotFound ConfigParseError DataNotFoundError
        EndpointProviderError EndpointResolutionError EndpointVariantError InfiniteLoopConfigError
        InvalidChecksumConfigError InvalidConfigError InvalidDefaultsMode InvalidEndpointConfigurationError
        InvalidEndpointDiscoveryConfigurationError InvalidIMDSEndpointError InvalidIMDSEndpointModeError
        InvalidMaxRetryAttemptsError InvalidProxiesConfigError InvalidRegionError InvalidRetryConfigurationError
        InvalidRetryModeError InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError
        InvalidSTSRegionalEndpointsConfigError LoginInsufficientPermissions LoginTokenLoadError
        MissingDependencyException NoAuthTokenError NoCredentialsError NoRegionError PartialCredentialsError
        ProfileNotFound RefreshWithMFAUnsupportedError SSOTokenLoadError ServiceNotInRegionError
        UnknownCredentialError UnknownEndpointError UnknownEndpointResolutionBuiltInName UnknownFIPSEndpointError
        UnknownRegionError UnknownServiceError UnknownSignatureVersionError UnknownTokenProviderError
        UnsupportedSignatureVersionError
        boto3.exceptions: ResourceNotExistsError UnknownAPIVersionError
        urllib3.exceptions: LocationParseError LocationValueError ProxySchemeUnknown ProxySchemeUnsupported
        URLSchemeUnknown
    """,
    Kind.UNREACHABLE: """
        botocore.exceptions: ConnectTimeoutError ConnectionError EndpointConnectionError ProxyConnectionError
        urllib3.exceptions: ConnectTimeoutError NameResolutionError NewConnectionError ProxyError
    """,
    Kind.CREDENTIALS: """
        botocore.exceptions: CredentialRetrievalError LoginAuthorizationCodeError LoginError LoginRefreshRequired
        MetadataRetrievalError SSOError TokenRetrievalError UnauthorizedSSOTokenError
        botocore.utils: BadIMDSRequestError _RetriesExceededError
    """,
    Kind.BUSY: """
        botocore.exceptions: CapacityNotAvailableError
        urllib3.exceptions: EmptyPoolError FullPoolError
    """,
    Kind.INVALID: """
        botocore.exceptions: AliasConflictParameterError InvalidHostLabelError MissingParametersError
        ParamValidationError RangeError UnknownKeyError UnknownParameterError ValidationError
    """,
    Kind.UNUSABLE: "botocore.exceptions: WaiterError",
    Kind.CUT: """
        botocore.exceptions: ChecksumError ConnectionClosedError FlexibleChecksumError HTTPClientError
        IncompleteReadError ReadTimeoutError ResponseStreamingError SSLError
        botocore.eventstream: ChecksumMismatch DuplicateHeader InvalidHeadersLength InvalidPayloadLength
        NoInitialResponseError ParserError
        botocore.parsers: ResponseParserError
        urllib3.exceptions: BodyNotHttplibCompatible DecodeError HeaderParsingError IncompleteRead InvalidChunkLength
        InvalidHeader MaxRetryError ProtocolError ReadTimeoutError ResponseError ResponseNotChunked SSLError
        TimeoutError
    """,
    Kind.CLOSED: "urllib3.exceptions: ClosedPoolError",
    Kind.INTERNAL: """
        botocore.exceptions: AwsChunkedWrapperError InvalidDNSNameError InvalidExpressionError MD5UnavailableError
        MissingServiceIdError OperationNotPageableError PaginationError StubAssertionError StubResponseError
        UnStubbedResponseError UndefinedModelAttributeError UnknownClientMethodError UnknownServiceStyle
        UnseekableStreamError UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError
        UnsupportedS3ArnError UnsupportedS3ConfigurationError UnsupportedS3ControlArnError
        UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError WaiterConfigError
        botocore.discovery: EndpointDiscoveryException EndpointDiscoveryRefreshFailed EndpointDiscoveryRequired
        botocore.model: InvalidShapeError InvalidShapeReferenceError NoShapeFoundError OperationNotFoundError
        botocore.utils: InvalidArnException
        boto3.exceptions: DynamoDBNeedsConditionError DynamoDBNeedsKeyConditionError
        DynamoDBOperationNotSupportedError InvalidCrtTransferConfigError NoVersionFound ResourceLoadException
        RetriesExceededError S3TransferFailedError S3UploadFailedError
        tenacity: RetryError
        urllib3.exceptions: HostChangedError TimeoutStateError UnrewindableBodyError
    """,
}

BASES_ALONE = {
    "boto3.exceptions.Boto3Error": "raised by its subclasses alone",
    "botocore.exceptions.BaseEndpointResolverError": "raised by its subclasses alone",
    "botocore.exceptions.BotoCoreError": "raised by its subclasses alone",
    "botocore.exceptions.ClientError": "told by its error code: test_codes.py",
    "botocore.exceptions.EventStreamError": "told by its error code: test_codes.py",
    "urllib3.exceptions.HTTPError": "raised by its subclasses alone",
    "urllib3.exceptions.PoolError": "raised by its subclasses alone",
    "urllib3.exceptions.RequestError": "raised by its subclasses alone",
}
"""Naming these in the table would catch all that is new."""


def meant() -> dict[str, Kind]:
    """The lists above, by full name."""
    found = {}
    for kind, text in MEANT.items():
        module = ""
        for word in text.split():
            if word.endswith(":"):
                module = word[:-1]
            else:
                found[f"{module}.{word}"] = kind
    return found


def defined_in(package) -> dict[str, type[BaseException]]:
    """Every exception class that a package defines; warnings are none that a call ends with."""
    found = {}
    for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if any(part in each.name for part in (".vendored", ".docs", ".crt", "tornadoweb")):
            continue
        module = importlib.import_module(each.name)
        for value in vars(module).values():
            ours = inspect.isclass(value) and value.__module__.startswith(package.__name__)
            if ours and issubclass(value, BaseException) and not issubclass(value, Warning):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


def libraries() -> dict[str, type[BaseException]]:
    """Every exception class of what we call."""
    leaked = {
        f"urllib3.exceptions.{value.__name__}": value
        for value in vars(urllib3.exceptions).values()
        if inspect.isclass(value) and value.__module__ == "urllib3.exceptions" and not issubclass(value, Warning)
    }
    return {**defined_in(botocore), **defined_in(boto3), **leaked, "tenacity.RetryError": tenacity.RetryError}


LIBRARIES = libraries()


def test_every_class_is_meant():
    """The lists name every exception class of botocore, boto3, urllib3 and tenacity, and none that is not there."""
    assert len(LIBRARIES) > 150
    assert set(meant()) | set(BASES_ALONE) == set(LIBRARIES)


@pytest.mark.parametrize("name", sorted(set(LIBRARIES) - set(BASES_ALONE)))
def test_each_class_lands_where_it_is_meant(name):
    """A class is of the kind that is meant for it."""
    assert kind_of_class(LIBRARIES[name]) is meant()[name]


def test_there_is_no_catch_all():
    """No base of everything is in the table, so a class that is new is of no kind until somebody gives it one."""
    assert not set(BASES_ALONE) & set(EXCEPTIONS)
    assert not {f"builtins.{name}" for name in ("BaseException", "Exception", "OSError", "ValueError")} & set(
        EXCEPTIONS
    )
    for base in ("botocore.exceptions.BotoCoreError", "boto3.exceptions.Boto3Error", "urllib3.exceptions.HTTPError"):
        assert kind_of_class(type("BrandNew", (LIBRARIES[base],), {})) is None


def test_every_name_in_the_table_exists():
    """The table names no class that the libraries no longer have."""
    for name in EXCEPTIONS:
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
        assert issubclass(found, BaseException), name
        assert (found.__module__, found.__qualname__) == (module, attribute)


@pytest.mark.parametrize(
    ("of", "kind"),
    [
        (socket.gaierror, Kind.UNREACHABLE),
        (ConnectionRefusedError, Kind.UNREACHABLE),
        (ssl.SSLCertVerificationError, Kind.UNREACHABLE),
        (ssl.SSLError, Kind.CUT),
        (ssl.SSLEOFError, Kind.CUT),
        (ConnectionResetError, Kind.CUT),
        (BrokenPipeError, Kind.CUT),
        (TimeoutError, Kind.CUT),
        (importlib.import_module("http.client").RemoteDisconnected, Kind.CUT),
        (importlib.import_module("http.client").IncompleteRead, Kind.CUT),
        (threads.ClosedThreads, Kind.CLOSED),
        (threads.NotSent, Kind.INTERNAL),
        (clients.SetUpError, Kind.NOT_CONFIGURED),
        (clients.BrokenAnswer, Kind.CUT),
        (KeyError, None),
        (OSError, None),
    ],
)
def test_what_leaks_from_below(of, kind):
    """What the standard library raises under the libraries has its kind too; what nobody thought of has none."""
    assert kind_of_class(of) is kind
