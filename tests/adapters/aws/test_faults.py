"""Real faults of real libraries: what boto3 raises over HTTP or of its set-up, and what becomes of it."""

import socket

import pytest

from adapters.aws.errors import About, AwsError
from adapters.aws.kinds import Kind

INVOKE = ("lambda", "invoke", {"FunctionName": "understudy-python"})


async def failed(calls, operation=INVOKE, **given) -> AwsError:
    """The error of an executing call."""
    with pytest.raises(AwsError) as caught:
        await calls.once(*operation, read_timeout_s=5, **given)
    assert caught.value.__cause__ is None  # what was caught may hold credentials: no traceback shows it
    assert caught.value.__context__ is None
    return caught.value


async def test_nobody_listens(calls, server, monkeypatch):
    """Where nothing listens the error names the address, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
    error = await failed(calls)
    assert (error.kind, error.retryable, error.may_have_started, error.lost) == (Kind.UNREACHABLE, True, False, False)
    assert f"cannot be reached at 127.0.0.1:{port} " in error.message
    assert "region eu-west-1 does not have the service" in error.remedy


async def test_a_proxy_that_is_not_there(calls, server, monkeypatch):
    """A proxy that refuses is no connection to AWS, and its password is not shown."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://me:opensesame@127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://aws.invalid")
    error = await failed(calls)
    assert (error.kind, error.code, error.may_have_started) == (Kind.UNREACHABLE, "ProxyConnectionError", False)
    assert "opensesame" not in str(error)


async def test_no_tls_on_the_far_side(calls, server, monkeypatch):
    """A service that speaks no TLS is one that is not reached: nothing was sent."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url.replace("http:", "https:"))
    error = await failed(calls)
    assert (error.kind, error.code, error.may_have_started) == (Kind.UNREACHABLE, "SSLError", False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cut", Kind.CUT),
        ("half", Kind.CUT),
        ("no JSON", Kind.CUT),
        ("nothing", Kind.CUT),
        ("a page of a gateway", Kind.SERVICE_FAULT),
        ("no body", Kind.SERVICE_FAULT),
    ],
)
async def test_answers_that_are_none(calls, server, aws, name, kind):
    """A connection that is cut, or an answer that is none, leaves open whether the program runs."""
    gateway = aws.Reply(b"<html>bad gateway</html>", 502, {"content-type": "text/html"})
    replies = {
        "cut": aws.Reply(cut=True),
        "half": aws.Reply(b"{", promised=50),
        "no JSON": aws.Reply(b"<html>welcome to this hotel</html>"),
        "nothing": aws.Reply(b""),
        "a page of a gateway": gateway,
        "no body": aws.Reply(b"", 503),
    }
    server.replies(replies[name])
    start = ("bedrock-agentcore", "start_code_interpreter_session", {"codeInterpreterIdentifier": "a"})
    error = await failed(calls, start)
    assert (error.kind, error.may_have_started, error.lost) == (kind, True, True)
    assert len(server.seen) == 1


async def test_an_action_that_is_not_allowed(calls, server, aws):
    """A denial names the action, and what was to be used is named where it does not exist."""
    on = "lambda:InvokeFunction on resource: arn:aws:lambda:eu-west-1:1:function:x"
    text = f"User: arn:aws:iam::1:user/me is not authorized to perform: {on}"
    server.replies(
        aws.error("AccessDeniedException", 403, None, Message=text),
        aws.error("ResourceNotFoundException", 404, None, Message="Function not found", Type="User"),
    )
    error = await failed(calls)
    assert (error.kind, error.may_have_started) == (Kind.DENIED, False)
    assert "denied lambda:InvokeFunction on arn:aws:lambda:eu-west-1:1:function:x" in error.message
    error = await failed(calls, about=About("function understudy-python", "Deploy it."))
    assert (error.kind, error.remedy) == (Kind.NOT_FOUND, "Deploy it.")
    assert "has not got function understudy-python" in error.message


async def test_a_signature_that_does_not_match(calls, server, aws):
    """AWS's answer to a wrong signature quotes the whole request with its token; none of that is in the error."""
    server.answer = lambda seen: aws.error(
        "InvalidSignatureException",
        403,
        f"The Canonical String for this request should have been 'POST\n/\n\nx-amz-security-token:"
        f"{seen.headers['x-amz-security-token']}\n\n' {seen.headers['authorization']} {aws.secret}",
    )
    error = await failed(calls)
    assert error.kind is Kind.CREDENTIALS
    for secret in (aws.key_id, aws.secret, aws.token):
        assert secret not in str(error) + repr(error)


async def test_parameters_that_are_wrong(calls, server):
    """A request that botocore itself refuses is our fault, was not sent, and shows no value."""
    error = await failed(calls, ("lambda", "invoke", {"FunctionName": 5, "Payload": b"x", "Nonsense": 1}))
    assert (error.kind, error.may_have_started, server.seen) == (Kind.INVALID, False, [])
    assert "Nonsense" in error.message
    assert "value: 5" not in error.message


async def test_no_such_method(calls, server):
    """A method that the client does not have is a fault of the adapter; nothing was sent."""
    error = await failed(calls, ("lambda", "invoke_twice", {}))
    assert (error.kind, error.may_have_started) == (Kind.INTERNAL, False)


async def test_no_such_service(calls, server):
    """A boto3 that is too old for a service says so."""
    error = await failed(calls, ("lambda-macrovms", "run_macrovm", {}))
    assert (error.kind, error.code) == (Kind.NOT_CONFIGURED, "UnknownServiceError")
    assert "pip install --upgrade boto3" in error.remedy


@pytest.mark.parametrize(
    ("settings", "environment", "config", "code"),
    [
        ({"region": ""}, {}, "", "NoRegionError"),
        ({"region": "not a region"}, {}, "", "InvalidRegionError"),
        ({"profile": "absent"}, {}, "", "ProfileNotFound"),
        ({}, {"AWS_SECRET_ACCESS_KEY": None}, "", "PartialCredentialsError"),
        ({}, {"AWS_ACCESS_KEY_ID": None}, "", "NoCredentialsError"),
        ({}, {"AWS_ENDPOINT_URL": "not an address"}, "", "SetUpError"),
        ({}, {}, "this is no configuration file", "ConfigParseError"),
        (
            {"profile": "round"},
            {},
            "[profile round]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = trip\n"
            "[profile trip]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = round\n",
            "InfiniteLoopConfigError",
        ),
        (
            {"profile": "sso"},
            {},
            "[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n"
            "[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start\n",
            "SSOTokenLoadError",
        ),
        ({"profile": "p"}, {}, "[profile p]\ncredential_process = false\n", "CredentialRetrievalError"),
    ],
)
async def test_set_up(make_calls, server, monkeypatch, tmp_path, settings, environment, config, code):
    """Whatever is missing or wrong in the set-up is named with its remedy; nothing was sent anywhere."""
    for name, value in environment.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    (tmp_path / "config").write_text(config)
    if settings.get("profile"):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = await failed(make_calls(**settings))
    wanted = Kind.CREDENTIALS if code == "CredentialRetrievalError" else Kind.NOT_CONFIGURED
    assert (error.kind, error.code, error.retryable, error.may_have_started) == (wanted, code, False, False)
    assert error.remedy
    assert server.seen == []


async def test_a_role_that_may_not_be_assumed(make_calls, server, monkeypatch, tmp_path, aws):
    """Where boto3's own call for credentials is denied, that action is named and the run was not sent."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    role = "arn:aws:iam::123456789012:role/runner"
    (tmp_path / "config").write_text(f"[profile runner]\nrole_arn = {role}\nsource_profile = me\n")
    (tmp_path / "credentials").write_text("[me]\naws_access_key_id = AKIAME\naws_secret_access_key = mysecret\n")
    text = f"User: arn:aws:iam::123456789012:user/me is not authorized to perform: sts:AssumeRole on resource: {role}"
    answer = f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{text}</Message></Error>"
    server.replies(aws.Reply(f"<ErrorResponse>{answer}</ErrorResponse>".encode(), 403, {"content-type": "text/xml"}))
    error = await failed(make_calls(profile="runner"))
    assert (error.kind, error.may_have_started) == (Kind.DENIED, False)
    assert f"AWS STS in eu-west-1 denied sts:AssumeRole on {role}" in error.message
    assert server.seen
    assert all(b"AssumeRole" in seen.body for seen in server.seen)
