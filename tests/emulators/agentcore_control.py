"""AgentCore Code Interpreter, the control plane: the system's interpreter and the account's own ones."""

import secrets
import string
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.emulators.paging import paged
from tests.emulators.service import Call, Service, ServiceError

__all__ = ["SYSTEM", "AgentCoreControl"]

SYSTEM = "aws.codeinterpreter.v1"
_LETTERS = string.ascii_letters + string.digits
_KEPT = ("description", "executionRoleArn", "networkConfiguration", "certificates", "filesystemConfigurations")


class AgentCoreControl(Service):
    """The code interpreters of an account. A new one is CREATING when it is made and READY when it is looked at.

    ``busy`` says whether an interpreter has sessions; the data plane sets it.
    """

    name = "bedrock-agentcore-control"

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self.busy: Callable[[str], bool] = lambda _: False
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._interpreters: dict[str, dict[str, Any]] = {
            SYSTEM: {
                "codeInterpreterId": SYSTEM,
                "name": "aws_codeinterpreter_v1",
                "description": "AWS built-in code interpreter",
                "networkConfiguration": {"networkMode": "SANDBOX"},
                "status": "READY",
                "createdAt": now,
                "lastUpdatedAt": now,
            }
        }

    def arn(self, interpreter: str) -> str:
        """The ARN of an interpreter: one of the system's belongs to AWS."""
        if interpreter == SYSTEM:
            return self.account.arn("bedrock-agentcore", f"code-interpreter/{SYSTEM}", owner="aws")
        return self.account.arn("bedrock-agentcore", f"code-interpreter-custom/{interpreter}")

    def resource(self, call: Call) -> str:
        """The interpreter, or all of them."""
        return self.arn((call.input or {}).get("codeInterpreterId", "*"))

    def known(self, interpreter: str) -> dict[str, Any]:
        """An interpreter by its id.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        found = self._interpreters.get(interpreter)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"Code interpreter {interpreter} not found.")
        return found

    def get_code_interpreter(self, call: Call) -> dict[str, Any]:
        """All that is known of one."""
        found = self.known(call.input["codeInterpreterId"])
        return {**found, "codeInterpreterArn": self.arn(found["codeInterpreterId"])}

    def list_code_interpreters(self, call: Call) -> dict[str, Any]:
        """Those of the system, the account's own, or both."""
        kind = call.input.get("type")
        found = [
            each
            for key, each in sorted(self._interpreters.items())
            if kind in {None, "SYSTEM" if key == SYSTEM else "CUSTOM"}
        ]
        page, token = paged(found, call.input, lambda each: each["codeInterpreterId"])
        shown = ("codeInterpreterId", "name", "description", "status", "createdAt", "lastUpdatedAt")
        summaries = [
            {key: each[key] for key in shown if key in each}
            | {"codeInterpreterArn": self.arn(each["codeInterpreterId"])}
            for each in page
        ]
        return {"codeInterpreterSummaries": summaries, **token}

    def create_code_interpreter(self, call: Call) -> dict[str, Any]:
        """A new one; its name must be free."""
        with self._lock:
            token = call.input.get("clientToken", "")
            given, answer = self._tokens.get(token, (None, None))
            if answer is None:
                answer = self._created(call.input)
                self._tokens[token] = (call.input, answer)
            elif given != call.input:
                raise ServiceError(
                    "ValidationException",
                    "The clientToken was used with other parameters.",
                    reason="IdempotentParameterMismatchException",
                )
            return answer

    def _created(self, given: dict[str, Any]) -> dict[str, Any]:
        network = given["networkConfiguration"]
        if (network["networkMode"] == "VPC") != ("vpcConfig" in network):
            message = "vpcConfig goes with networkMode VPC, and only with it."
            raise ServiceError("ValidationException", message, reason="FieldValidationFailed")
        if any(each["name"] == given["name"] for each in self._interpreters.values()):
            raise ServiceError("ConflictException", f"A code interpreter named {given['name']} already exists.")
        interpreter = f"{given['name']}-{''.join(secrets.choice(_LETTERS) for _ in range(10))}"
        now = datetime.now(UTC)
        self._interpreters[interpreter] = {
            "codeInterpreterId": interpreter,
            "name": given["name"],
            **{key: given[key] for key in _KEPT if key in given},
            "status": "READY",
            "createdAt": now,
            "lastUpdatedAt": now,
        }
        return {
            "codeInterpreterId": interpreter,
            "codeInterpreterArn": self.arn(interpreter),
            "createdAt": now,
            "status": "CREATING",
        }

    def delete_code_interpreter(self, call: Call) -> dict[str, Any]:
        """Remove one of the account's own that has no sessions."""
        interpreter = call.input["codeInterpreterId"]
        if interpreter == SYSTEM:
            message = "The system's code interpreter can't be deleted."
            raise ServiceError("ValidationException", message, reason="FieldValidationFailed")
        with self._lock:
            self.known(interpreter)
            if self.busy(interpreter):
                raise ServiceError("ConflictException", f"Code interpreter {interpreter} has active sessions.")
            del self._interpreters[interpreter]
        return {"codeInterpreterId": interpreter, "status": "DELETING", "lastUpdatedAt": datetime.now(UTC)}
