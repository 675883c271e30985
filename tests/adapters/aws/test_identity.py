"""What is said of region and credentials before anything is asked of AWS."""

import threading

from adapters.aws.identity import look


async def test_nothing_is_set(bare, make_calls):
    """Without region and credentials there are two findings, each with its remedy, and boto3 asks nobody."""
    region, credentials = await look(make_calls(region=""))
    assert (region.name, region.ok, credentials.name, credentials.ok) == ("AWS region", False, "AWS credentials", False)
    assert "AWS_DEFAULT_REGION" in region.remedy
    assert "aws configure" in credentials.remedy


async def test_all_is_set(server, make_calls, aws):
    """With both set it says which region, and where the credentials are from, but nothing of them; no call is made."""
    region, credentials = await look(make_calls())
    assert (region.ok, region.reason, credentials.ok) == (True, "eu-west-1", True)
    assert credentials.reason.startswith("found in the environment")
    assert aws.key_id not in str((region, credentials))
    assert server.seen == []


async def test_region_of_a_profile(bare, make_calls, tmp_path):
    """Region and credentials of a profile are found by its name."""
    (tmp_path / "config").write_text("[profile work]\nregion = eu-north-1\n")
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = mysecret\n")
    region, credentials = await look(make_calls(region="", profile="work"))
    assert (region.reason, credentials.ok) == ("eu-north-1", True)
    assert "credentials file" in credentials.reason


async def test_a_set_up_that_is_wrong(bare, make_calls):
    """A profile that is not there is a finding with its remedy, and no exception."""
    region, credentials = await look(make_calls(profile="absent"))
    assert region.ok
    assert not credentials.ok
    assert "absent" in credentials.reason
    assert "profile in [adapters.lambda]" in credentials.remedy


async def test_a_metadata_service_that_is_silent(server, make_calls, monkeypatch, aws):
    """A machine's metadata service that does not answer is given up in time, with a remedy."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{server.url}/")
    held = threading.Event()
    server.replies(aws.Reply(before=held))
    _, credentials = await look(make_calls(), within_s=0.3)
    assert not credentials.ok
    assert "within 0.3 s" in credentials.reason
    assert "AWS_EC2_METADATA_DISABLED=true" in credentials.remedy
    held.set()


async def test_the_role_of_a_machine(server, make_calls, monkeypatch, aws):
    """Credentials that the machine's metadata service gives are found, and said to be its role's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{server.url}/")
    given = (
        b'{"Code": "Success", "AccessKeyId": "ASIAMACHINE", "SecretAccessKey": "machinesecret", '
        b'"Token": "machinetoken", "Expiration": "2099-01-01T00:00:00Z", "LastUpdated": "2026-01-01T00:00:00Z"}'
    )
    server.answer = lambda seen: aws.Reply(given if seen.path.endswith("/runner") else b"runner")
    calls = make_calls()
    _, credentials = await look(calls)
    assert (credentials.ok, "role of this machine" in credentials.reason) == (True, True)
    assert {"ASIAMACHINE", "machinesecret", "machinetoken"} <= set(calls.clients.secrets())
