"""Which operation of a service a request is for: the method and the path, as the service's model has them."""

import functools
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

__all__ = ["Routes", "model_of"]

_LABEL = re.compile(r"\{(\w+)(\+?)\}")


@functools.lru_cache
def model_of(name: str) -> ServiceModel:
    """The newest model that botocore ships for a service, e.g. `bedrock-agentcore`."""
    model = ServiceModel(Loader().load_service_model(name, "service-2"), name)
    if model.metadata["protocol"] != "rest-json":
        raise ValueError(f"{name} speaks {model.metadata['protocol']}; only rest-json is emulated.")
    return model


@dataclass(frozen=True)
class _Route:
    operation: OperationModel
    path: re.Pattern[str]
    query: dict[str, str]
    labels: int


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    pattern, end = "", 0
    for label in _LABEL.finditer(path):
        kept = "(?P<{}>{})".format(label[1], ".+" if label[2] else "[^/]+")
        pattern += re.escape(path[end : label.start()]) + kept
        end = label.end()
    whole = re.compile(pattern + re.escape(path[end:].rstrip("/")) + "/?")
    return _Route(operation, whole, dict(parse_qsl(query, keep_blank_values=True)), whole.groups)


class Routes:
    """The routes of one service, those with the fewest labels first: `/things/list` before `/things/{id}`."""

    def __init__(self, model: ServiceModel) -> None:
        routes = [_route(model.operation_model(name)) for name in model.operation_names]
        routes.sort(key=lambda route: (route.labels, -len(route.query)))
        self._by_method: dict[str, list[_Route]] = {}
        for route in routes:
            self._by_method.setdefault(route.operation.http["method"], []).append(route)

    def find(self, method: str, path: str, query: str) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation and the values of its path labels."""
        asked = dict(parse_qsl(query, keep_blank_values=True))
        for route in self._by_method.get(method, ()):
            if (found := route.path.fullmatch(path)) and route.query.items() <= asked.items():
                return route.operation, {name: unquote(value) for name, value in found.groupdict().items()}
        return None
