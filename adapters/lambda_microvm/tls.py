"""Whom to trust at the other end, as boto3 does: its bundle, or the one that the operator names. Never nobody."""

import ssl

from adapters.lambda_microvm.settings import NAME, MicrovmSettings
from host.errors import AdapterError

__all__ = ["trusted"]


def trusted(settings: MicrovmSettings) -> ssl.SSLContext:
    """The context for connections to MicroVMs. Reads files: call it in a thread.

    Raises:
        AdapterError: the file of certificates cannot be used.
    """
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    from botocore.httpsession import get_cert_path  # type: ignore[import-untyped]
    from botocore.session import Session  # type: ignore[import-untyped]

    try:
        configured = Session(profile=settings.profile or None).get_config_variable("ca_bundle")
    except BotoCoreError:  # a profile that is not there is said where its credentials are looked for
        configured = None
    path = settings.ca_bundle or configured or get_cert_path(verify=True)
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise AdapterError(
            f"The certificates in {path} cannot be used: {error}.",
            remedy=f"Set ca_bundle in [adapters.{NAME}], or AWS_CA_BUNDLE, to a file of certificates.",
            may_have_started=False,
        ) from None
