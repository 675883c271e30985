"""Every exception class of the libraries, and what kind of failure it is.

Classes are named by text, so that nothing is imported to look one up: whoever has an exception has its library. A class
that is not named counts as the nearest of its bases that is. No base of everything is named, so what nobody has thought
of is found by the tests, which walk through the libraries.
"""

from collections.abc import Mapping
from types import MappingProxyType

from adapters.aws.kinds import Kind

__all__ = ["EXCEPTIONS", "kind_of_class"]

_BOTOCORE: dict[Kind, str] = {
    Kind.NOT_CONFIGURED: """
        ApiVersionNotFoundError ConfigNotFound ConfigParseError DataNotFoundError EndpointProviderError
        EndpointVariantError InvalidChecksumConfigError InvalidConfigError InvalidDefaultsMode
        InvalidEndpointConfigurationError InvalidEndpointDiscoveryConfigurationError InvalidIMDSEndpointError
        InvalidIMDSEndpointModeError InvalidProxiesConfigError InvalidRegionError InvalidRetryConfigurationError
        InvalidS3AddressingStyleError InvalidS3UsEast1RegionalEndpointConfigError
        InvalidSTSRegionalEndpointsConfigError LoginInsufficientPermissions LoginTokenLoadError
        MissingDependencyException NoAuthTokenError NoCredentialsError NoRegionError PartialCredentialsError
        ProfileNotFound RefreshWithMFAUnsupportedError SSOTokenLoadError ServiceNotInRegionError
        UnknownCredentialError UnknownEndpointError UnknownFIPSEndpointError UnknownRegionError
        UnknownSignatureVersionError UnknownTokenProviderError UnsupportedSignatureVersionError
    """,
    Kind.UNREACHABLE: "ConnectTimeoutError ConnectionError EndpointConnectionError ProxyConnectionError",
    Kind.CREDENTIALS: "CredentialRetrievalError LoginError MetadataRetrievalError SSOError TokenRetrievalError",
    Kind.BUSY: "CapacityNotAvailableError",
    Kind.INVALID: "InvalidHostLabelError MissingParametersError ParamValidationError ValidationError",
    Kind.UNUSABLE: "WaiterError",
    Kind.CUT: """
        ChecksumError ConnectionClosedError FlexibleChecksumError HTTPClientError IncompleteReadError ReadTimeoutError
        ResponseStreamingError SSLError
    """,
    Kind.INTERNAL: """
        AwsChunkedWrapperError InvalidDNSNameError InvalidExpressionError MD5UnavailableError OperationNotPageableError
        PaginationError StubResponseError UndefinedModelAttributeError UnknownClientMethodError UnknownServiceStyle
        UnseekableStreamError UnsupportedOutpostResourceError UnsupportedS3AccesspointConfigurationError
        UnsupportedS3ArnError UnsupportedS3ConfigurationError UnsupportedS3ControlArnError
        UnsupportedS3ControlConfigurationError UnsupportedServiceProtocolsError WaiterConfigError
    """,
}

_ELSEWHERE: dict[Kind, str] = {
    Kind.NOT_CONFIGURED: """
        adapters.aws.clients.SetUpError boto3.exceptions.ResourceNotExistsError boto3.exceptions.UnknownAPIVersionError
        urllib3.exceptions.LocationValueError urllib3.exceptions.ProxySchemeUnknown
        urllib3.exceptions.ProxySchemeUnsupported
    """,
    Kind.UNREACHABLE: """
        builtins.ConnectionRefusedError socket.gaierror ssl.SSLCertVerificationError
        urllib3.exceptions.ConnectTimeoutError urllib3.exceptions.NewConnectionError urllib3.exceptions.ProxyError
        urllib3.util.ssl_match_hostname.CertificateError
    """,
    Kind.CREDENTIALS: "botocore.utils.BadIMDSRequestError botocore.utils._RetriesExceededError",
    Kind.BUSY: "urllib3.exceptions.EmptyPoolError urllib3.exceptions.FullPoolError",
    Kind.CUT: """
        adapters.aws.clients.BrokenAnswer botocore.eventstream.ParserError botocore.parsers.ResponseParserError
        builtins.BrokenPipeError builtins.ConnectionAbortedError builtins.ConnectionResetError builtins.TimeoutError
        http.client.HTTPException ssl.SSLError urllib3.exceptions.BodyNotHttplibCompatible
        urllib3.exceptions.DecodeError urllib3.exceptions.HeaderParsingError urllib3.exceptions.IncompleteRead
        urllib3.exceptions.InvalidChunkLength urllib3.exceptions.InvalidHeader urllib3.exceptions.MaxRetryError
        urllib3.exceptions.ProtocolError urllib3.exceptions.ReadTimeoutError urllib3.exceptions.ResponseError
        urllib3.exceptions.SSLError urllib3.exceptions.TimeoutError
    """,
    Kind.CLOSED: "adapters.aws.threads.ClosedThreads urllib3.exceptions.ClosedPoolError",
    Kind.INTERNAL: """
        adapters.aws.threads.NotSent boto3.exceptions.DynamoDBNeedsConditionError
        boto3.exceptions.DynamoDBNeedsKeyConditionError boto3.exceptions.DynamoDBOperationNotSupportedError
        boto3.exceptions.InvalidCrtTransferConfigError boto3.exceptions.NoVersionFound
        boto3.exceptions.ResourceLoadException boto3.exceptions.RetriesExceededError
        boto3.exceptions.S3TransferFailedError boto3.exceptions.S3UploadFailedError
        botocore.discovery.EndpointDiscoveryException botocore.model.InvalidShapeError
        botocore.model.InvalidShapeReferenceError botocore.model.NoShapeFoundError
        botocore.model.OperationNotFoundError botocore.utils.InvalidArnException tenacity.RetryError
        urllib3.exceptions.HostChangedError urllib3.exceptions.TimeoutStateError
        urllib3.exceptions.UnrewindableBodyError
    """,
}

EXCEPTIONS: Mapping[str, Kind] = MappingProxyType(
    {
        **{f"botocore.exceptions.{name}": kind for kind, names in _BOTOCORE.items() for name in names.split()},
        **{name: kind for kind, names in _ELSEWHERE.items() for name in names.split()},
    }
)


def kind_of_class(of: type[BaseException]) -> Kind | None:
    """What kind of failure exceptions of that class are; None where nobody has named it."""
    for base in of.__mro__:
        kind = EXCEPTIONS.get(f"{base.__module__}.{base.__qualname__}")
        if kind is not None:
            return kind
    return None
