"""No credential leaves in a message, whatever a service or a library says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.aws.redaction import redacted, shortened

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEHkaCXVzLWVhc3QtMSJIMEYCIQDx+/Zz=="
SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

TEXTS = {
    "an access key id": f"The key {KEY_ID} is not active",
    "a temporary one": f"({KEY_ID.replace('AKIA', 'ASIA')})",
    "a canonical request": f"should have been 'GET\n/\n\nhost:x\nx-amz-security-token:{TOKEN}\n\nhost'",
    "one on a line": f"should have been 'GET\\n/\\n\\nx-amz-security-token:{TOKEN}\\n\\nhost'",
    "an authorization header": f"Authorization: AWS4-HMAC-SHA256 Credential={KEY_ID}/20261121/eu-west-1/lambda/"
    f"aws4_request, SignedHeaders=host, Signature={SIGNATURE}",
    "a signature": f"'Signature={SIGNATURE}' is wrong",
    "a signed address": f"https://x.amazonaws.com/a?X-Amz-Credential={KEY_ID}%2F&X-Amz-Signature={SIGNATURE}"
    f"&X-Amz-Security-Token={TOKEN}",
    "JSON": f'{{"AccessKeyId": "{KEY_ID}", "SecretAccessKey": "{SECRET}", "SessionToken": "{TOKEN}"}}',
    "XML": f"<SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{TOKEN}</SessionToken>",
    "a configuration file": f"aws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    f"aws_session_token={TOKEN}",
    "environment variables": f"AWS_SECRET_ACCESS_KEY={SECRET} AWS_SESSION_TOKEN={TOKEN}",
    "a lone session token": f"token {TOKEN} is expired",
    "a bearer token": f"Authorization: Bearer {JWT}",
    "a lone JSON web token": f"got {JWT}",
    "a MicroVM's token": f"X-aws-proxy-auth: {JWT}",
    "a proxy": f'Failed to connect to proxy URL: "http://user:{SECRET.replace("/", "")}@proxy:3128"',
    "Python": f"{{'secret_key': '{SECRET}', 'token': None}}",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_credentials_are_taken_out(text):
    """What looks like a credential, or stands where one stands, is gone."""
    shown = redacted(text)
    for secret in (
        KEY_ID,
        KEY_ID[4:],
        SECRET,
        SECRET.replace("/", ""),
        TOKEN,
        TOKEN[12:],
        SIGNATURE,
        JWT,
        JWT.split(".")[1],
    ):
        assert secret not in shown
    assert "********" in shown


@pytest.mark.parametrize(
    "text",
    [
        "User: arn:aws:sts::123456789012:assumed-role/understudy/i-0abc is not authorized to perform: "
        "lambda:InvokeFunction "
        "on resource: arn:aws:lambda:eu-west-1:123456789012:function:understudy-python",
        "The security token included in the request is expired",
        "The request signature we calculated does not match the signature you provided.",
        'Could not connect to the endpoint URL: "https://lambda.eu-west-1.amazonaws.com/2015-03-31/functions"',
        "Partial credentials found in env, missing: AWS_SECRET_ACCESS_KEY",
        "AROAIOSFODNN7EXAMPLE is the id of a role",
    ],
)
def test_the_rest_stays(text):
    """ARNs, account numbers, addresses and plain words stay as they are."""
    assert redacted(text) == text


def test_values_in_use():
    """The credentials in use are gone wherever they stand, the longer first; what is too short to be one stays."""
    assert redacted("say hunter2hunter2 or hunter2, now", ("hunter2", "hunter2hunter2", "no", "")) == (
        "say ******** or ********, now"
    )


@given(
    secret=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", min_size=16, max_size=60),
    before=st.text(max_size=40),
    after=st.text(max_size=40),
)
def test_a_value_in_use_is_never_shown(secret, before, after):
    """Whatever stands around it, a value that is in use does not come through, nor does it make redaction fail."""
    assert secret not in redacted(f"{before}{secret}{after}", (secret,))


def test_shortened():
    """A message is one printable line of bounded length."""
    assert shortened(" a\n\tb\x1b[31m c\u202e ") == "a b [31m c"
    assert len(shortened("x" * 1000)) == 300
    assert shortened("x" * 1000).endswith("…")
