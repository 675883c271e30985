"""Lambda MicroVMs: each one a real process tree on this machine, behind an HTTPS endpoint that checks its tokens.

    microvms = MicroVms()
    with Account(microvms) as account:
        arn = microvms.add_image("runner", ["python3", "/opt/runner/serve.py"], shown=[(folder, "/opt/runner")])
        vm = account.client("lambda-microvms").run_microvm(imageIdentifier=arn)
        # https://{vm["endpoint"]}/ with X-aws-proxy-auth and X-aws-proxy-port; AWS_CA_BUNDLE: microvms.ca
        microvms.machine(vm["microvmId"]).processes()

A request to an endpoint is logged as a call of the operation ``Endpoint``, with method, path and port as its input, and
the account's faults strike it under that name: ``account.fail("Endpoint", faults.cut("after"))``.

What it takes from measurements of others: 502 until the program listens, `cold_requests` of them in any case; 403 for a
port that the token does not grant; the run hook gets its payload wrapped in an object; MicroVMs have no tags; there is
internet unless a connector of the customer's says otherwise. That last shows in `egressNetworkConnectors` only: inside
there is loopback alone. A program starts anew with each MicroVM, as no snapshot is taken, and runs as an ordinary user.
"""

import secrets
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.emulators.lambda_box import need_boxes
from tests.emulators.microvm_endpoint import VmEndpoint, authority
from tests.emulators.microvm_images import Images
from tests.emulators.microvm_machine import Machine
from tests.emulators.microvm_record import Passage, Token, Vm, ports_of
from tests.emulators.service import Call, Service, ServiceError

__all__ = ["MicroVms", "services"]

_LONGEST_S = 28_800
_INGRESS, _EGRESS = "ALL_INGRESS", "INTERNET_EGRESS"
_SUMMARY = ("microvmId", "state", "imageArn", "imageVersion", "startedAt")


class MicroVms(Images):
    """The service.

    Attributes:
        ca: the certificate that clients of the endpoints must trust, as a file.
        cold_requests: how many first requests to an endpoint are answered 502 in any case.
        as_url: whether `endpoint` begins with ``https://``. AWS's model calls it a URL, its guide shows a bare name.
        most: how many MicroVMs may live at once.
    """

    def __init__(self, *, cold_requests: int = 0, as_url: bool = False, most: int = 1000) -> None:
        """No MicroVMs yet. Ends the test on a machine where none can be made."""
        need_boxes()
        super().__init__()
        self.ca = Path(authority().path)
        self.cold_requests, self.as_url, self.most = cold_requests, as_url, most
        self._vms: dict[str, Vm] = {}
        self._tokens: dict[str, Token] = {}
        self._by_client_token: dict[str, tuple[dict[str, Any], str]] = {}
        self._ahead = 0.0
        self._changed = threading.Condition(self._lock)
        self._closed = False

    def start(self) -> None:
        """Begin to look after the time that MicroVMs may take."""
        self._clock = threading.Thread(target=self._watch, name="microvm clock", daemon=True)
        self._clock.start()

    def close(self) -> None:
        """Kill every MicroVM."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            left = list(self._vms.values())
        self._clock.join()
        for vm in left:
            self._end(vm, "the emulator was closed")
            vm.machine.join()
        super().close()

    def machine(self, microvm_id: str) -> Machine:
        """The processes of a MicroVM."""
        return self._vms[microvm_id].machine

    def living(self) -> list[str]:
        """The ids of those that are not over."""
        with self._lock:
            return [each.id for each in self._vms.values() if each.machine.live]

    def advance(self, seconds: float) -> None:
        """Let time pass: tokens expire, MicroVMs are suspended for idleness and terminated for age."""
        with self._changed:
            self._ahead += seconds
        self._expire()

    # --- operations ---------------------------------------------------------------------------------------------------

    def run_microvm(self, call: Call) -> dict[str, Any]:
        """Start a MicroVM. The same client token gives the same one."""
        given = {name: value for name, value in call.input.items() if name != "clientToken"}
        with self._lock:
            known = self._by_client_token.get(call.input.get("clientToken", ""))
            if known and known[0] != given:
                raise ServiceError("ConflictException", "The client token was used with other parameters.")
            if known:
                return self._shown_vm(self._vms[known[1]])
            vm = self._made(given)
            self._vms[vm.id] = vm
            if "clientToken" in call.input:
                self._by_client_token[call.input["clientToken"]] = (given, vm.id)
            shown = self._shown_vm(vm)
            vm.machine.start(given.get("runHookPayload"))
            self._changed.notify_all()
        return shown

    def get_microvm(self, call: Call) -> dict[str, Any]:
        """The state of a MicroVM."""
        return self._shown_vm(self._vm(call))

    def list_microvms(self, call: Call) -> dict[str, Any]:
        """MicroVMs in pages, those that are over too."""
        wanted = call.input.get("imageIdentifier")
        with self._lock:
            vms = [
                each
                for each in self._vms.values()
                if (wanted is None or each.image.arn == self._arn(wanted))
                and call.input.get("imageVersion") in {None, each.version.number}
            ]
        page, more = self._page(vms, call.input, "id")
        shown = [self._shown_vm(each) for each in page]
        return {"items": [{name: each[name] for name in _SUMMARY} for each in shown], **more}

    def terminate_microvm(self, call: Call) -> dict[str, Any]:
        """Kill a MicroVM with all that runs in it; one that is over, too."""
        self._end(self._vm(call), "The MicroVM was terminated by a request.")
        return {}

    def suspend_microvm(self, call: Call) -> dict[str, Any]:
        """Stop a running MicroVM where it stands."""
        vm = self._in_state(call, "RUNNING")
        vm.machine.suspend()
        vm.used = self._now()
        return {}

    def resume_microvm(self, call: Call) -> dict[str, Any]:
        """Let a suspended MicroVM go on."""
        vm = self._in_state(call, "SUSPENDED")
        vm.machine.resume()
        vm.used = self._now()
        return {}

    def create_microvm_auth_token(self, call: Call) -> dict[str, Any]:
        """A token for the endpoint of a MicroVM, for some ports and at most an hour."""
        vm = self._vm(call)
        if call.input["expirationInMinutes"] > 60:
            raise ServiceError("ValidationException", "expirationInMinutes must be less than or equal to 60")
        if not vm.machine.live:
            raise ServiceError("ConflictException", f"The MicroVM is {vm.machine.state}.", resourceId=vm.id)
        ports = tuple(ports_of(each) for each in call.input["allowedPorts"])
        token = secrets.token_urlsafe(600)
        with self._lock:
            self._tokens[token] = Token(vm.id, ports, self._now() + 60 * call.input["expirationInMinutes"])
        return {"authToken": {"X-aws-proxy-auth": token}}

    # --- the endpoint -------------------------------------------------------------------------------------------------

    def _admit(self, vm: Vm, token: str, port: int, asked: dict[str, Any]) -> Passage:
        """Let a request in, or raise what it is answered."""
        call = Call(self.name, "Endpoint", input=asked)
        self.account.log.begin(call)
        passage = Passage(self, call, vm.machine, port)
        try:
            self._check(vm, token, port)
            with self._lock:
                vm.requests += 1
                vm.used = self._now()
            if vm.requests <= self.cold_requests:
                raise ServiceError("BadGateway", "Bad Gateway", status=502)
            idle = vm.given.get("idlePolicy", {})
            if vm.machine.state == "SUSPENDED" and idle.get("autoResumeEnabled"):
                vm.machine.resume()
            passage.begin()
        except BaseException:
            passage.close()
            raise
        return passage

    def _check(self, vm: Vm, token: str, port: int) -> None:
        with self._lock:
            known = self._tokens.get(token)
        if known is None or known.vm != vm.id or known.ends <= self._now():
            raise ServiceError("Forbidden", "Invalid or expired token", status=403)
        if not any(port in each for each in known.ports):
            raise ServiceError("Forbidden", "Access to port denied", status=403)

    # --- what they share ----------------------------------------------------------------------------------------------

    def _made(self, given: dict[str, Any]) -> Vm:
        for name in ("ingressNetworkConnectors", "egressNetworkConnectors"):
            if not all(":network-connector:" in each for each in given.get(name, ())):
                raise ServiceError("ValidationException", "Malformed network connector ARN")
        if not given["imageIdentifier"].startswith("arn:"):
            raise ServiceError("ValidationException", "Malformed ARN - doesn't start with 'arn:'")
        image = self._image(given)
        wanted = given.get("imageVersion")
        version = image.versions.get(wanted) if wanted else image.active()
        if version is None or version.status != "ACTIVE" or version.state != "SUCCESSFUL":
            raise ServiceError("ResourceNotFoundException", "No active version found")
        if len(self.living()) >= self.most:
            message = "You have reached the number of MicroVMs that this account may run."
            raise ServiceError("ServiceQuotaExceededException", message, serviceCode="lambda", quotaCode="L-EMULATED")
        machine = Machine(version.program, version.hooks, version.environment)
        now = self._now()
        vm = Vm(given, image, version, machine, now + given.get("maximumDurationInSeconds", _LONGEST_S), now)
        vm.endpoint = VmEndpoint(lambda token, port, asked: self._admit(vm, token, port, asked))
        vm.address = f"https://{vm.endpoint.address}" if self.as_url else vm.endpoint.address
        return vm

    def _shown_vm(self, vm: Vm) -> dict[str, Any]:
        kept = {name: vm.given[name] for name in ("executionRoleArn", "idlePolicy") if name in vm.given}
        connector = self.account.arn("lambda", "network-connector:aws-network-connector:", owner="aws")
        return {
            "microvmId": vm.id,
            "state": vm.machine.state,
            "stateReason": vm.machine.reason or None,
            "endpoint": vm.address,
            "imageArn": vm.image.arn,
            "imageVersion": vm.version.number,
            "maximumDurationInSeconds": vm.given.get("maximumDurationInSeconds", _LONGEST_S),
            "startedAt": vm.begun,
            "terminatedAt": vm.over,
            "ingressNetworkConnectors": vm.given.get("ingressNetworkConnectors") or [connector + _INGRESS],
            "egressNetworkConnectors": vm.given.get("egressNetworkConnectors") or [connector + _EGRESS],
            **kept,
        }

    def _vm(self, call: Call) -> Vm:
        identifier = call.input["microvmIdentifier"]
        with self._lock:
            vm = self._vms.get(identifier)
        if vm is None:
            raise self._not_found("microvm", identifier)
        return vm

    def _in_state(self, call: Call, state: str) -> Vm:
        vm = self._vm(call)
        if vm.machine.state != state:
            message = f"The MicroVM is {vm.machine.state} and must be {state}."
            raise ServiceError("ConflictException", message, resourceId=vm.id, resourceType="microvm")
        return vm

    def _end(self, vm: Vm, reason: str) -> None:
        vm.machine.terminate(reason)
        vm.endpoint.close()
        vm.over = vm.over or datetime.now(UTC)

    def _now(self) -> float:
        return time.time() + self._ahead

    def _watch(self) -> None:
        """End what has lived for as long as it may."""
        while True:
            with self._changed:
                if self._closed:
                    return
                ends = [each.ends for each in self._vms.values() if each.machine.live]
                self._changed.wait(max(min(ends) - self._now(), 0) if ends else None)
            self._expire()

    def _expire(self) -> None:
        now = self._now()
        with self._lock:
            live = [each for each in self._vms.values() if each.machine.live]
        for vm in live:
            idle = vm.given.get("idlePolicy")
            if vm.ends <= now:
                self._end(vm, "The MicroVM reached its maximum duration.")
            elif idle and vm.machine.state == "RUNNING" and now >= vm.used + idle["maxIdleDurationSeconds"]:
                vm.used += idle["maxIdleDurationSeconds"]
                vm.machine.suspend()
            if idle and vm.machine.state == "SUSPENDED" and now >= vm.used + idle["suspendedDurationSeconds"]:
                self._end(vm, "The MicroVM was suspended for as long as it may be.")


def services() -> list[Service]:
    """The service, for `serve.py`."""
    return [MicroVms()]
