"""``/docs``: the API to read and to try, in one page that loads nothing from elsewhere."""

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"


@router.get("/docs")
async def docs() -> HTMLResponse:
    """The page; it reads ``/openapi.json``."""
    page = files("host.http").joinpath("docs.html").read_text(encoding="utf-8")
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"})


@router.get("/docs.js")
async def script() -> HTMLResponse:
    """What draws the page."""
    text = files("host.http").joinpath("docs.js").read_text(encoding="utf-8")
    return HTMLResponse(text, media_type="text/javascript", headers={"X-Content-Type-Options": "nosniff"})
