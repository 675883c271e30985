"""What the Lambda emulator knows of a function: its configuration as the API shows it, its packages, its versions."""

import base64
import hashlib
import re
import tempfile
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.emulators.lambda_package import MAX_ZIPPED_BYTES, BadPackage, unpack
from tests.emulators.lambda_pool import Pool
from tests.emulators.lambda_runtime import Settings
from tests.emulators.service import ServiceError

__all__ = ["Function", "Version", "named"]

LATEST = "$LATEST"
_NAME = re.compile(r"(?:arn:[^:]+:lambda:)?(?:[a-z0-9-]+:)?(?:\d{12}:)?(?:function:)?([\w-]+)(?::(\$LATEST|[\w-]+))?")
_KEPT = ("Runtime", "Role", "Handler", "Description", "Timeout", "MemorySize", "Architectures", "EphemeralStorage")
_OPTIONAL = ("TenancyConfig", "Environment", "LoggingConfig", "TracingConfig", "PackageType")
_DEFAULTS: dict[str, Any] = {
    "Description": "",
    "Timeout": 3,
    "MemorySize": 128,
    "Architectures": ["x86_64"],
    "EphemeralStorage": {"Size": 512},
    "PackageType": "Zip",
    "TracingConfig": {"Mode": "PassThrough"},
}
_TAKEN = {"FunctionName", "Code", "Publish", "Tags", "SnapStart", *_KEPT, *_OPTIONAL}


def named(text: str, qualifier: str | None = None) -> tuple[str, str]:
    """The name and the version that a name, an ARN or a part of one mean."""
    found = _NAME.fullmatch(text)
    if found is None:
        raise ServiceError("InvalidParameterValueException", f"{text} is no name of a function.")
    return found[1], qualifier or found[2] or LATEST


@dataclass
class Version:
    """One version of a function: what the API shows of it, and the environments that serve it."""

    configuration: dict[str, Any]
    pool: Pool


@dataclass
class Function:
    """A function: its versions, of which ``$LATEST`` is the one that changes.

    Attributes:
        under_way: what shows the last change as still under way; empty once it is through.
    """

    name: str
    arn: str
    region: str
    state: Path
    tags: dict[str, str] = field(default_factory=dict)
    package: bytes = b""
    under_way: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    versions: dict[str, Version] = field(default_factory=dict)

    @property
    def latest(self) -> Version:
        """The version that changes."""
        return self.versions[LATEST]

    def create(self, given: dict[str, Any], package: bytes) -> None:
        """Begin with what CreateFunction was given."""
        if unknown := sorted(given.keys() - _TAKEN):
            raise NotImplementedError(f"the emulator of Lambda takes no {', '.join(unknown)}")
        for name in ("Runtime", "Handler"):
            if name not in given:
                raise ServiceError(
                    "InvalidParameterValueException", f"{name} is mandatory for functions created with Zip"
                )
        self.tags = given.get("Tags", {})
        configuration = {"FunctionName": self.name, "FunctionArn": self.arn, "Version": LATEST}
        configuration |= {name: given[name] for name in (*_KEPT, *_OPTIONAL) if name in given}
        configuration = {**_DEFAULTS, **configuration, "State": "Active", "LastUpdateStatus": "Successful"}
        configuration["SnapStart"] = {"ApplyOn": given.get("SnapStart", {}).get("ApplyOn", "None")}
        configuration["SnapStart"]["OptimizationStatus"] = "Off"
        _check(configuration)
        pool = Pool(self._settings(configuration, self._unpacked(package)), per_tenant="TenancyConfig" in given)
        self.versions[LATEST] = Version(configuration, pool)
        self._took(package)

    def change_code(self, package: bytes) -> None:
        """Take a new package."""
        self.latest.pool.change(code=self._unpacked(package))
        self._took(package)

    def change_configuration(self, given: dict[str, Any]) -> None:
        """Take new settings."""
        changed = {name: given[name] for name in (*_KEPT, *_OPTIONAL) if name in given}
        if unknown := sorted(given.keys() - changed.keys() - {"FunctionName", "RevisionId"}):
            raise NotImplementedError(f"the emulator of Lambda changes no {', '.join(unknown)}")
        configuration = {**self.latest.configuration, **changed}
        _check(configuration)
        self.latest.configuration = configuration
        settings = self._settings(configuration, self.latest.pool.settings.code)
        self.latest.pool.change(**{name: getattr(settings, name) for name in _CHANGEABLE})
        self._touch()

    def publish(self, description: str | None) -> Version:
        """A version that stays as `$LATEST` is now; the newest one if nothing has changed since."""
        numbers = [int(name) for name in self.versions if name != LATEST]
        newest = self.versions[str(max(numbers))] if numbers else None
        sha = self.latest.configuration["CodeSha256"]
        if (
            newest
            and newest.configuration["CodeSha256"] == sha
            and newest.configuration["RevisionId"] == self._revision
        ):
            return newest
        number = str(max(numbers, default=0) + 1)
        configuration = {**self.latest.configuration, "Version": number, "FunctionArn": f"{self.arn}:{number}"}
        if description is not None:
            configuration["Description"] = description
        settings = self._settings(configuration, self.latest.pool.settings.code)
        self.versions[number] = Version(configuration, Pool(settings, per_tenant=self.latest.pool.per_tenant))
        return self.versions[number]

    def begin(self, shown: dict[str, str], looks: int) -> None:
        """A change has begun, and shows as under way at so many looks."""
        self.under_way, self.looks = (shown if looks else {}), looks

    def looked_at(self, version: Version) -> dict[str, Any]:
        """The configuration of a version as somebody sees it who asks now."""
        shown = {**version.configuration, **(self.under_way if version is self.latest else {})}
        self.looks -= 1
        if self.looks <= 0:
            self.under_way = {}
        return shown

    def close(self) -> None:
        """Kill all that runs of it."""
        for version in self.versions.values():
            version.pool.close()

    @property
    def _revision(self) -> str:
        return self.latest.configuration["RevisionId"]

    def _took(self, package: bytes) -> None:
        self.package = package
        self.latest.configuration["CodeSha256"] = base64.b64encode(hashlib.sha256(package).digest()).decode()
        self.latest.configuration["CodeSize"] = len(package)
        self._touch()

    def _touch(self) -> None:
        now = datetime.now(UTC)
        self.latest.configuration["LastModified"] = now.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
        self.latest.configuration["RevisionId"] = str(uuid.uuid4())

    def _unpacked(self, package: bytes) -> Path:
        if len(package) > MAX_ZIPPED_BYTES:
            limit = "Request must be smaller than 70167211 bytes for the CreateFunction operation"
            raise ServiceError("RequestEntityTooLargeException", limit, status=413)
        folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.state))
        folder.chmod(0o755)
        try:
            unpack(package, folder)
        except BadPackage as error:
            raise ServiceError("InvalidParameterValueException", str(error)) from error
        return folder

    def _settings(self, configuration: dict[str, Any], code: Path) -> Settings:
        return Settings(
            name=self.name,
            handler=configuration["Handler"],
            code=code,
            runtime=configuration["Runtime"],
            timeout_s=configuration["Timeout"],
            memory_mb=configuration["MemorySize"],
            environment=configuration.get("Environment", {}).get("Variables", {}),
            region=self.region,
            arn=configuration["FunctionArn"],
            version=configuration["Version"],
        )


_CHANGEABLE = ("handler", "runtime", "timeout_s", "memory_mb", "environment")


def _check(configuration: dict[str, Any]) -> None:
    if not configuration["Runtime"].startswith(("python3.", "provided.")):
        raise NotImplementedError(
            f"the emulator of Lambda runs python3.* and provided.*, not {configuration['Runtime']}"
        )
    if configuration["PackageType"] != "Zip":
        raise NotImplementedError("the emulator of Lambda takes zip packages only")
    for name, most in (("Timeout", 900), ("MemorySize", 10_240)):
        if configuration[name] > most:
            message = (
                f"'{name}' value failed to satisfy constraint: Member must have value less than or equal to {most}"
            )
            raise ServiceError("InvalidParameterValueException", message)
    reserved = [name for name in configuration.get("Environment", {}).get("Variables", {}) if name in _RESERVED]
    if reserved:
        message = (
            "Lambda was unable to configure your environment variables because the environment variables you have"
            " provided contains reserved keys that are currently not supported for modification. Reserved keys used in"
            " this request"
        )
        raise ServiceError("InvalidParameterValueException", f"{message}: {', '.join(reserved)}")


_RESERVED = {
    *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
    *("AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
    *("AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
}
