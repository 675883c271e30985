"""What the service has: adapters, policies, languages, plugins; and validation, which runs nothing."""

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from host.host import Host
from host.http import body
from host.http.problems import responses
from host.http.views import (
    AdapterView,
    BrokenPluginView,
    LanguageView,
    PluginsView,
    PluginView,
    PolicyView,
    TheHost,
    ValidationRequest,
)
from host.interface import Capabilities
from host.models import Verdict

__all__ = ["router"]

router = APIRouter(tags=["catalogue"])


@router.post(
    "/v1/validate",
    operation_id="validate",
    summary="Judge a program without running it",
    response_model=Verdict,
    responses=responses(400, 413, 415, 422, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ValidationRequest"}}},
        }
    },
)
async def validate(request: Request, host: TheHost) -> Response:
    """What validation says of a program under a policy. Nothing is run or recorded."""
    asked = await body.read(request, ValidationRequest)
    verdict = await host.validate(asked.code, asked.language, asked.policy)
    return Response(verdict.model_dump_json(), media_type="application/json")


@router.get("/v1/adapters", operation_id="adapters", summary="List the adapters", responses=responses())
async def adapters(host: TheHost) -> list[AdapterView]:
    """Every known adapter: those that serve first, in their order."""
    order = {name: place for place, name in enumerate(host.switchboard.current)}
    summaries = {spec.name: spec.summary for spec in host.plugins.adapters()}
    names = sorted(host.registry.names(), key=lambda name: order.get(name, len(order)))
    return [_adapter(host, name, summaries.get(name, "")) for name in names]


def _adapter(host: Host, name: str, summary: str) -> AdapterView:
    absent = host.registry.absent.get(name)
    if absent is not None:
        return AdapterView(
            name=name, summary=summary, ready=False, serving=False, reason=absent.reason, remedy=absent.remedy
        )
    check = host.checks.get(name)
    found = host.registry.get(name).capabilities()
    return AdapterView(
        name=name,
        summary=summary,
        ready=check is None or check.ok,
        serving=name in host.switchboard.current,
        reason=check.reason if check else "it was not checked yet.",
        remedy=check.remedy if check else "",
        findings=check.findings if check else (),
        **{field: getattr(found, field) for field in Capabilities.model_fields},
    )


@router.get("/v1/policies", operation_id="policies", summary="List the policies", responses=responses())
async def policies(host: TheHost) -> list[PolicyView]:
    """Every named policy with all its limits, the default first. A request may tighten them."""
    default = host.settings.policies.default
    ordered = sorted(host.policies.values(), key=lambda policy: (policy.name != default, policy.name))
    return [
        PolicyView(**policy.model_dump(), default=policy.name == default, policy_sha256=policy.sha256)
        for policy in ordered
    ]


@router.get("/v1/languages", operation_id="languages", summary="List the languages", responses=responses())
async def languages(host: TheHost) -> list[LanguageView]:
    """Every language that a request may name, and which adapters speak it now."""
    speaks = {name: host.registry.get(name).capabilities().languages for name in host.switchboard.current}
    return [
        LanguageView(
            name=spec.name,
            extensions=spec.extensions,
            aliases=spec.aliases,
            adapters=tuple(name for name, spoken in speaks.items() if spec.name in spoken),
        )
        for spec in host.languages()
    ]


@router.get("/v1/plugins", operation_id="plugins", summary="List the plugins", responses=responses())
async def plugins(host: TheHost) -> PluginsView:
    """The plugins in use, and the broken ones with the reason."""
    return PluginsView(
        loaded=tuple(PluginView(**asdict(each)) for each in host.plugins.loaded),
        broken=tuple(BrokenPluginView(**asdict(each)) for each in host.plugins.broken),
    )
