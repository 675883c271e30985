"""Every error code of the services, and what kind of failure it is.

The codes are those of the services' models, of AWS's common errors, and of the services that hand out credentials. In
an event stream the same codes come with a small first letter.
"""

from collections.abc import Mapping
from types import MappingProxyType

from adapters.aws.kinds import Kind

__all__ = ["CODES", "kind_of_code"]

_WORDS: dict[Kind, str] = {
    Kind.NOT_CONFIGURED: """
        InvalidEndpointException InvalidIdentityToken InvalidGrantException InvalidClientException
        UnsupportedGrantTypeException InvalidIdentityTokenException
    """,
    Kind.CREDENTIALS: """
        AuthFailure ExpiredToken ExpiredTokenException ExpiredTokenIdException IDPCommunicationError IDPRejectedClaim
        IncompleteSignature IncompleteSignatureException InvalidAccessKeyId InvalidClientTokenId InvalidSignature
        InvalidSignatureException InvalidToken MissingAuthenticationToken MissingAuthenticationTokenException
        RequestExpired RequestTimeTooSkewed SignatureDoesNotMatch TokenRefreshRequired UnauthorizedException
        UnrecognizedClientException
    """,
    Kind.DENIED: """
        AccessDenied AccessDeniedException AuthorizationError AuthorizationErrorException Blocked NotAuthorized
        NotSignedUp OptInRequired SubscriptionRequiredException UnauthorizedAccess UnauthorizedOperation
    """,
    Kind.BUSY: """
        BandwidthLimitExceeded CodeArtifactUserPendingException ConcurrentModificationException ConflictException
        EC2ThrottledException EFSMountConnectivityException EFSMountTimeoutException ENINotReadyException
        InsufficientCapacityException LimitExceededException PriorRequestNotComplete
        ProvisionedThroughputExceededException RequestLimitExceeded RequestThrottled RequestThrottledException
        ResourceConflictException ResourceInUseException ResourceNotReadyException RetryableConflictException
        S3FilesMountConnectivityException S3FilesMountTimeoutException ServiceQuotaExceededException SlowDown
        SnapStartNotReadyException SnapStartTimeoutException ThrottledException Throttling ThrottlingException
        TooManyRequestsException TransactionInProgressException
    """,
    Kind.FULL: """
        AliasLimitExceededException CapacityProviderLimitExceededException CodeStorageExceededException
        ENILimitReachedException FunctionVersionsPerCapacityProviderLimitExceededException
        PolicyLengthExceededException ResourceLimitExceededException SubnetIPAddressLimitReachedException
    """,
    Kind.INVALID: """
        CallbackTimeoutException DuplicateIdException DurableExecutionAlreadyStartedException InvalidAction
        InvalidInputException InvalidParameterCombination InvalidParameterException InvalidParameterValue
        InvalidParameterValueException InvalidQueryParameter InvalidRequestContentException InvalidRequestException
        MalformedHttpRequestException MalformedPolicyDocument MalformedQueryString MissingAction MissingParameter
        ModeNotSupportedException PreconditionFailedException PublicPolicyException RecursiveInvocationException
        SerializationException UnknownOperationException UnsupportedMediaTypeException UnsupportedOperation
        ValidationError ValidationException
    """,
    Kind.NOT_FOUND: """
        CodeSigningConfigNotFoundException NoPublishedVersionException ProvisionedConcurrencyConfigNotFoundException
        ResourceNotFound ResourceNotFoundException
    """,
    Kind.UNUSABLE: """
        CodeArtifactUserDeletedException CodeArtifactUserFailedException CodeVerificationFailedException
        DecryptionFailure EC2AccessDeniedException EFSMountFailureException EncryptionFailure
        InvalidCodeSignatureException InvalidRuntimeException InvalidSecurityGroupIDException InvalidSubnetIDException
        InvalidZipFileException KMSAccessDeniedException KMSDisabledException KMSInvalidStateException
        KMSNotFoundException RuntimeAliasDeletedException RuntimeVersionDeletedException S3FilesMountFailureException
        SnapStartException SnapStartRegenerationFailureException
    """,
    Kind.TOO_LARGE: """
        EntityTooLarge PayloadTooLargeException RequestEntityTooLargeException RequestTooLargeException
        SerializedRequestEntityTooLargeException
    """,
    Kind.SERVICE_FAULT: """
        EC2UnexpectedException EFSIOException InternalError InternalFailure InternalServerError
        InternalServerErrorException InternalServerException RequestTimeout RequestTimeoutException
        RuntimeClientError ServiceException ServiceUnavailable ServiceUnavailableException
    """,
    Kind.CUT: "RequestAbortedException",
}

CODES: Mapping[str, Kind] = MappingProxyType({code: kind for kind, words in _WORDS.items() for code in words.split()})

_BY_STATUS: Mapping[int, Kind] = {
    401: Kind.CREDENTIALS,
    402: Kind.BUSY,
    403: Kind.DENIED,
    404: Kind.NOT_FOUND,
    407: Kind.NOT_CONFIGURED,
    408: Kind.SERVICE_FAULT,
    409: Kind.BUSY,
    413: Kind.TOO_LARGE,
    429: Kind.BUSY,
}


def kind_of_code(code: str, status: int | None) -> Kind:
    """What kind of failure an error answer is.

    Args:
        code: the error code; in an event stream it begins with a small letter.
        status: the HTTP status, by which codes are judged that nobody has met yet; None in an event stream.
    """
    known = CODES.get(code[:1].upper() + code[1:])
    if known is not None:
        return known
    if status is None or status >= 500:
        return Kind.SERVICE_FAULT
    return _BY_STATUS.get(status, Kind.INVALID if status >= 400 else Kind.INTERNAL)
