"""What a check of the adapter says."""

import json

import pytest

from tests.emulators import faults


def by_name(result):
    """The findings by their names."""
    return {finding.name: finding for finding in result.findings}


async def test_a_check_runs_a_program_of_each_language_once(rig):
    """The first check proves every language; later ones, also of another host, do so when that is too long ago."""
    adapter = await rig.adapter()
    result = await adapter.check()
    assert result.ok, result
    assert {f"{name} program" for name in adapter.capabilities().languages} <= set(by_name(result))
    assert rig.calls("RunMicrovm") == 6
    assert (await adapter.check()).ok
    other = await rig.adapter(owner="another")
    assert (await other.check()).ok
    assert rig.calls("RunMicrovm") == 6
    impatient = await rig.adapter(owner="a third", proof_every_s=0, languages=["python"])
    assert (await impatient.check()).ok
    assert rig.calls("RunMicrovm") == 7


async def test_languages_that_the_image_does_not_have(rig, built):
    """What the image does not run is found out once, and claimed no longer."""
    found = built.folder / "laid_out" / "found.json"
    whole = found.read_text()
    found.write_text(json.dumps({name: each for name, each in json.loads(whole).items() if name == "bash"}))
    try:
        adapter = await rig.adapter()
        assert len(adapter.capabilities().languages) == 6
        result = await adapter.check()
        assert result.ok
        assert adapter.capabilities().languages == ("bash", "python")
        assert adapter.capabilities().session_languages == ("python",)
        finding = by_name(result)["sql program"]
        assert not finding.ok
        assert "--languages" in finding.remedy
        other = await rig.adapter(owner="another")
        await other.check()
        assert other.capabilities().languages == ("bash", "python")
    finally:
        found.write_text(whole)


async def test_no_credentials_and_no_region(rig, monkeypatch):
    """Without region or credentials nothing is asked of AWS, and what is missing is named."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert "region" in result.reason
    assert result.remedy
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert "credentials" in result.reason
    assert rig.account.log.calls() == []


async def test_no_image(rig):
    """An image that is not there is named with the command that makes it."""
    result = await (await rig.adapter(image="another")).check()
    assert not result.ok
    assert "another" in result.reason
    assert "understudy deploy microvm" in result.remedy


async def test_an_image_that_cannot_be_used(rig):
    """An image without an active version is not ready."""
    client = rig.account.client("lambda-microvms")
    arn = rig.account.arn("lambda", "microvm-image:understudy")
    client.update_microvm_image_version(imageIdentifier=arn, imageVersion="1.0", status="INACTIVE")
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert "no version of it is active" in result.reason
    assert "understudy deploy microvm" in result.remedy


@pytest.mark.parametrize("operation", ["GetMicrovmImage", "RunMicrovm", "CreateMicrovmAuthToken", "ListMicrovmImages"])
async def test_what_may_not_be_done(rig, operation):
    """A missing permission is named as IAM calls it, with the policy document to paste."""
    rig.account.fail(operation, faults.denied())
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert f"lambda:{operation}" in result.reason
    document = json.loads(result.remedy[result.remedy.index("{") :])
    assert f"lambda:{operation}" in {action for statement in document["Statement"] for action in statement["Action"]}


async def test_a_quota_that_is_used_up(rig):
    """Where no MicroVM can be had the check says so."""
    rig.microvms.most = 0
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert "ServiceQuotaExceededException" in result.reason


async def test_an_image_of_another_version(rig, monkeypatch):
    """An image that another version has made is not ready, and the remedy is to deploy it anew."""
    monkeypatch.setattr("adapters.lambda_microvm.machine.package_hash", lambda: "0" * 64)
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert "another version" in result.reason
    assert "understudy deploy microvm" in result.remedy


async def test_no_network(rig, monkeypatch):
    """Where AWS cannot be reached the check says so, in bounded time."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA_MICROVMS", rig.account.nowhere)
    result = await (await rig.adapter()).check()
    assert not result.ok
    assert "cannot be reached" in result.reason


async def test_the_network_is_a_wall_only_with_a_connector(rig):
    """AWS opens the internet to a MicroVM: only a connector that lets nothing out is a wall."""
    adapter = await rig.adapter(languages=["python"])
    assert adapter.capabilities().level("network_access", "python") == "guest"
    assert "the filter inside" in by_name(await adapter.check())["network"].reason
    connector = "arn:aws:lambda:us-east-1:123456789012:network-connector:sealed"
    sealed = await rig.adapter(languages=["python"], egress_connector=connector)
    for field in ("network_access", "egress_allow"):
        assert sealed.capabilities().level(field, "python") == "wall"
    assert connector in by_name(await sealed.check())["network"].reason


async def test_before_it_is_started():
    """An adapter that was not started says so."""
    from adapters.lambda_microvm.adapter import LambdaMicrovmAdapter

    adapter = LambdaMicrovmAdapter()
    assert not (await adapter.check()).ok
    assert await adapter.reap(["anybody"]) == 0
    await adapter.aclose()
