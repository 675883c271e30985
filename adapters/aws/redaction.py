"""Takes credentials out of text.

What AWS and boto3 say may hold an access key, a signature, a session token or a signed address. ARNs and account
numbers are no secrets and stay.
"""

import re
from collections.abc import Iterable

__all__ = ["redacted", "shortened"]

_MASK = "********"
_NAMED = (
    r"aws[_-]?(?:access[_-]?key[_-]?id|secret[_-]?access[_-]?key|session[_-]?token|security[_-]?token)"
    r"|access[_-]?key(?:[_-]?id)?|secret[_-]?(?:access[_-]?)?key|session[_-]?token|security[_-]?token"
    r"|x-amz-(?:security-token|signature|credential)|x-aws-proxy-auth|(?:proxy-)?authorization"
    r"|auth[_-]?token|access[_-]?token|refresh[_-]?token|id[_-]?token|client[_-]?secret|signature|credential|password"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # A signed address: its whole query goes.
    (re.compile(r"\?[^\s\"'<>]*X-Amz-[^\s\"'<>]*", re.IGNORECASE), f"?{_MASK}"),
    # <SecretAccessKey>...</SecretAccessKey>
    (re.compile(rf"<({_NAMED})>[^<]*<", re.IGNORECASE), rf"<\1>{_MASK}<"),
    # Authorization: AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...
    (re.compile(r"AWS4-[A-Z0-9-]+\s+Credential=[^\r\n\"]*", re.IGNORECASE), _MASK),
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), rf"\1 {_MASK}"),
    # "SessionToken": "...", x-amz-security-token:..., aws_secret_access_key = ..., Signature=...
    (
        re.compile(rf"(?<![A-Za-z])({_NAMED})([\"']?\s*[:=]\s*[\"']?)(?!\*)[^\s\"',;&<>]+", re.IGNORECASE),
        rf"\1\2{_MASK}",
    ),
    # What is recognised by its looks alone: access key ids, session tokens, JSON web tokens.
    (re.compile(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}\b"), _MASK),
    (re.compile(r"\b(?:IQoJb3JpZ2lu|F[wQ]oGZXIvYXdz|AQoDYXdz)[A-Za-z0-9/+=_%-]*"), _MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*"), _MASK),
    # user:password@host in an address
    (re.compile(r"(://[^/@:\s]*:)[^@\s/]*@"), rf"\1{_MASK}@"),
)
_SHORTEST = 4  # of a value that is looked for in text; less would match by chance


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` without credentials.

    Args:
        text: what a service or a library said.
        secrets: values that are in use and must not appear, whatever they look like.
    """
    for secret in sorted((each for each in secrets if len(each) >= _SHORTEST), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def shortened(text: str, limit: int = 300) -> str:
    """``text`` on one line, without control characters, and no longer than a message should be."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
