"""Lambda: functions that really run, in environments with the real runtime client (`lambda_runtime.py`).

    functions = Lambda()
    with Account(functions) as account:
        account.client("lambda").create_function(...)       # or
        functions.add("runner", package, "handler.handle", Timeout=30)
        account.client("lambda").invoke(FunctionName="runner", Payload=b"{}")
        functions.pool("runner").environments[0].strays()   # what the last invocation left behind

Not emulated: aliases, layers, images, asynchronous invocation, SnapStart, VPCs; a call that needs them fails the test.
"""

import base64
import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from tests.emulators.lambda_box import need_boxes
from tests.emulators.lambda_functions import LATEST, Function, Version, named
from tests.emulators.lambda_pool import Pool, Throttled
from tests.emulators.service import Call, Service, ServiceError
from tests.emulators.trees import remove_tree

__all__ = ["Lambda", "services"]

MAX_PAYLOAD_BYTES = 6_291_456
_LOG_BYTES = 4096
_PENDING = {"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating"}
_CHANGING = {"LastUpdateStatus": "InProgress", "LastUpdateStatusReason": "The function is being updated."}


class Lambda(Service):
    """The service.

    Attributes:
        settling: how many looks at a function still show a change as under way. Until then it takes no further change,
            and a new one no invocation.
        objects: what packages in S3 hold, by address (``s3://bucket/key``).
    """

    name = "lambda"

    def __init__(self, *, settling: int = 0) -> None:
        """No functions yet. Ends the test on a machine where no environment can be made."""
        need_boxes()
        self.settling = settling
        self.objects: dict[str, bytes] = {}
        self._functions: dict[str, Function] = {}
        self._lock = threading.RLock()
        self._state = Path(tempfile.mkdtemp(prefix="understudy-lambda-"))
        self._state.chmod(0o755)

    def close(self) -> None:
        """Kill all that runs."""
        with self._lock:
            left = list(self._functions.values())
        for function in left:
            function.close()
        remove_tree(self._state)

    def resource(self, call: Call) -> str:
        """The function that a call is about."""
        given = (call.input or {}).get("FunctionName")
        return self.account.arn("lambda", f"function:{named(given)[0]}") if given else "*"

    def add(self, name: str, package: bytes, handler: str, **settings: Any) -> Pool:
        """Create a function without a call; ``settings`` are further members of CreateFunction's input."""
        runtime = "python{}.{}".format(*sys.version_info)
        role = self.account.arn("iam", "role/none").replace(f":{self.account.region}:", "::")
        given = {"Runtime": runtime, "Role": role, "Handler": handler, **settings}
        self._create(name, given, package)
        return self.pool(name)

    def pool(self, name: str, qualifier: str = LATEST) -> Pool:
        """The environments of a function: which live, what runs in them, how many were started."""
        return self._version({"FunctionName": name, "Qualifier": qualifier})[1].pool

    # --- operations ---------------------------------------------------------------------------------------------------

    def create_function(self, call: Call) -> dict[str, Any]:
        """Create a function from a zip file, or from one in S3."""
        name, _ = named(call.input["FunctionName"])
        function = self._create(name, call.input, self._package(call.input["Code"]))
        if call.input.get("Publish"):
            function.publish(None)
        return {**function.latest.configuration, **_PENDING}

    def get_function(self, call: Call) -> dict[str, Any]:
        """Configuration, tags, reserved concurrency; the address of the code leads nowhere."""
        function, version = self._version(call.input)
        pool = function.latest.pool
        return {
            "Configuration": function.looked_at(version),
            "Code": {"RepositoryType": "S3", "Location": f"https://code.invalid/{function.name}"},
            "Tags": function.tags,
            **({} if pool.reserved is None else {"Concurrency": {"ReservedConcurrentExecutions": pool.reserved}}),
        }

    def get_function_configuration(self, call: Call) -> dict[str, Any]:
        """The configuration of a version."""
        function, version = self._version(call.input)
        return function.looked_at(version)

    def list_functions(self, call: Call) -> dict[str, Any]:
        """All functions, in pages of at most 50."""
        with self._lock:
            names = sorted(self._functions)
        start = int(call.input.get("Marker") or 0)
        end = start + min(call.input.get("MaxItems", 50), 50)
        page = [self._functions[name].latest.configuration for name in names[start:end]]
        return {"Functions": page, **({"NextMarker": str(end)} if end < len(names) else {})}

    def update_function_code(self, call: Call) -> dict[str, Any]:
        """Take a new package."""
        function = self._changeable(call)
        function.change_code(self._package(call.input))
        if call.input.get("Publish"):
            return function.publish(None).configuration
        return self._changed(function)

    def update_function_configuration(self, call: Call) -> dict[str, Any]:
        """Take new settings."""
        function = self._changeable(call)
        function.change_configuration(call.input)
        return self._changed(function)

    def publish_version(self, call: Call) -> dict[str, Any]:
        """Keep a version."""
        return self._changeable(call).publish(call.input.get("Description")).configuration

    def delete_function(self, call: Call) -> dict[str, Any]:
        """Delete a function, or one version of it."""
        function, version = self._version(call.input)
        with self._lock:
            if version.configuration["Version"] != LATEST:
                del function.versions[version.configuration["Version"]]
                version.pool.close()
            else:
                del self._functions[function.name]
                function.close()
        return {"StatusCode": 204}

    def put_function_concurrency(self, call: Call) -> dict[str, Any]:
        """Reserve concurrency; 0 lets nothing through."""
        pool = self._version(call.input)[0].latest.pool
        pool.reserved = call.input["ReservedConcurrentExecutions"]
        return {"ReservedConcurrentExecutions": pool.reserved}

    def get_function_concurrency(self, call: Call) -> dict[str, Any]:
        """The reserved concurrency."""
        reserved = self._version(call.input)[0].latest.pool.reserved
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    def delete_function_concurrency(self, call: Call) -> dict[str, Any]:
        """Reserve none."""
        self._version(call.input)[0].latest.pool.reserved = None
        return {}

    def list_tags(self, call: Call) -> dict[str, Any]:
        """The tags of a function."""
        return {"Tags": self._version({"FunctionName": call.input["Resource"]})[0].tags}

    def tag_resource(self, call: Call) -> dict[str, Any]:
        """Add tags to a function."""
        self._version({"FunctionName": call.input["Resource"]})[0].tags.update(call.input["Tags"])
        return {}

    def invoke(self, call: Call) -> dict[str, Any]:
        """Invoke a function and wait for its answer. The caller going away ends nothing."""
        function, version = self._version(call.input)
        payload = self._payload(call, version)
        kind = call.input.get("InvocationType", "RequestResponse")
        if kind == "DryRun":
            return {"StatusCode": 204}
        if kind == "Event":
            raise NotImplementedError("the emulator of Lambda invokes synchronously only")
        if function.under_way is _PENDING:
            message = (
                "The operation cannot be performed at this time. The function is currently in the following state: "
            )
            raise ServiceError("ResourceConflictException", f"{message}Pending")
        context = call.input.get("ClientContext")
        try:
            answer = version.pool.invoke(
                payload,
                tenant=call.input.get("TenantId"),
                client_context=base64.b64decode(context).decode() if context else None,
            )
        except Throttled as error:
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            raise ServiceError("TooManyRequestsException", "Rate Exceeded.", Reason=reason) from error
        return {
            "StatusCode": 200,
            "Payload": answer.payload,
            "ExecutedVersion": version.configuration["Version"],
            **({"FunctionError": answer.error} if answer.error else {}),
            **({"LogResult": _tail(answer.log)} if call.input.get("LogType") == "Tail" else {}),
        }

    # --- what they share ----------------------------------------------------------------------------------------------

    def _create(self, name: str, given: dict[str, Any], package: bytes) -> Function:
        arn = self.account.arn("lambda", f"function:{name}")
        function = Function(name, arn, self.account.region, self._state)
        with self._lock:
            if name in self._functions:
                raise ServiceError("ResourceConflictException", f"Function already exist: {name}")
            function.create(given, package)
            self._functions[name] = function
        function.begin(_PENDING, self.settling)
        return function

    def _package(self, code: dict[str, Any]) -> bytes:
        if "S3Bucket" not in code:
            return code.get("ZipFile", b"")
        address = f"s3://{code['S3Bucket']}/{code['S3Key']}"
        if address not in self.objects:
            message = (
                "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does"
            )
            raise ServiceError("InvalidParameterValueException", f"{message} not exist.")
        return self.objects[address]

    def _version(self, given: dict[str, Any]) -> tuple[Function, Version]:
        name, qualifier = named(given["FunctionName"], given.get("Qualifier"))
        with self._lock:
            function = self._functions.get(name)
            version = function.versions.get(qualifier) if function else None
        if version is None:
            arn = self.account.arn("lambda", f"function:{name}") + ("" if qualifier == LATEST else f":{qualifier}")
            raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}")
        return function, version

    def _changeable(self, call: Call) -> Function:
        function, _ = self._version({"FunctionName": call.input["FunctionName"]})
        wanted = call.input.get("RevisionId")
        if wanted and wanted != function.latest.configuration["RevisionId"]:
            message = "The RevisionId provided does not match the latest RevisionId."
            raise ServiceError("PreconditionFailedException", f"{message} Call the GetFunction API to retrieve it.")
        if function.under_way:
            message = "The operation cannot be performed at this time. An update is in progress for resource: "
            raise ServiceError("ResourceConflictException", message + function.arn)
        return function

    def _changed(self, function: Function) -> dict[str, Any]:
        function.begin(_CHANGING, self.settling)
        return {**function.latest.configuration, **_CHANGING}

    def _payload(self, call: Call, version: Version) -> bytes:
        payload = call.input.get("Payload") or b"{}"
        if len(payload) > MAX_PAYLOAD_BYTES:
            message = f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
            raise ServiceError("RequestTooLargeException", message)
        try:
            json.loads(payload)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            raise ServiceError("InvalidRequestContentException", message) from error
        if version.pool.per_tenant and "TenantId" not in call.input:
            message = (
                "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request"
            )
            raise ServiceError("InvalidParameterValueException", f"{message} and try again.")
        if not version.pool.per_tenant and "TenantId" in call.input:
            message = "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your"
            raise ServiceError("InvalidParameterValueException", f"{message} request and try again.")
        return payload


def _tail(log: bytes) -> str:
    return base64.b64encode(log[-_LOG_BYTES:]).decode()


def services() -> list[Service]:
    """The service, for `serve.py`."""
    return [Lambda()]
