"""The plugin's route."""

from fastapi import APIRouter

router = APIRouter(tags=["echo"])


@router.get("/v1/echo/{text}", operation_id="echo", summary="Say a text back")
async def echo(text: str) -> dict[str, str]:
    """The text as it came."""
    return {"text": text}
