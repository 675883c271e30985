"""What ``understudy deploy microvm`` is to set up: an image, its package, and the role that builds it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from adapters.guest.environments import BASE
from adapters.lambda_microvm.package import artifact, package_hash
from adapters.lambda_microvm.service import PORT

__all__ = ["ARCHITECTURES", "MEMORIES_MB", "ROLE", "TRUST", "Plan"]

ARCHITECTURES = {"arm64": "ARM_64", "x86_64": "X86_64"}
"""Processors, by what they are called here and by the service."""

MEMORIES_MB = (512, 1024, 2048, 4096, 8192)
"""What a MicroVM may have at least; it has up to four times that when it needs it."""

ROLE = "understudy-microvm-build"
"""The role that is made where none is named."""

TRUST: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    ],
}
"""Who may take on the role that builds."""

_READY_S = 300
_VALIDATE_S = 120
_RUN_S = 30


@dataclass(frozen=True)
class Plan:
    """It.

    Attributes:
        name: of the image.
        bucket: where its package goes.
        languages: what it is to run.
        memory_mb: what its MicroVMs have at least.
        architecture: their processor, a key of ``ARCHITECTURES``.
        role: the ARN of the role that builds it; "" has one made.
        base: the ARN of AWS's image beneath it; "" takes the newest.
        environment: the guest environment for Python programs.
        packages: what is in that, with versions.
    """

    name: str
    bucket: str
    languages: tuple[str, ...]
    memory_mb: int
    architecture: str
    role: str = ""
    base: str = ""
    environment: str = BASE
    packages: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def zip(self) -> bytes:
        """The package."""
        return artifact(self.languages, self.memory_mb, self.environment, self.packages)

    @cached_property
    def sha256(self) -> str:
        """Of the package: the same for the same, wherever it is made."""
        return hashlib.sha256(self.zip).hexdigest()

    @property
    def key(self) -> str:
        """Of the package in its bucket."""
        return f"understudy/microvm/{self.sha256}.zip"

    @property
    def uri(self) -> str:
        """Where the package is."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def log_group(self) -> str:
        """Where AWS writes what a build says."""
        return f"/aws/lambda-microvms/{self.name}"

    def build_policy(self) -> dict[str, Any]:
        """What the role that builds may do: read packages, write what the build says."""
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject"],
                    "Resource": [f"arn:aws:s3:::{self.bucket}/understudy/microvm/*"],
                },
                {
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": ["arn:aws:logs:*:*:log-group:/aws/lambda-microvms/*"],
                },
            ],
        }

    def configuration(self, role: str, base: str) -> dict[str, Any]:
        """What the service is told of the image, when it is made and when it is brought up to date."""
        return {
            "baseImageArn": base,
            "buildRoleArn": role,
            "codeArtifact": {"uri": self.uri},
            "description": f"Understudy {package_hash()[:16]}: {', '.join(self.languages)}",
            "cpuConfigurations": [{"architecture": ARCHITECTURES[self.architecture]}],
            "resources": [{"minimumMemoryInMiB": self.memory_mb}],
            "hooks": {
                "port": PORT,
                "microvmImageHooks": {
                    "ready": "ENABLED",
                    "readyTimeoutInSeconds": _READY_S,
                    "validate": "ENABLED",
                    "validateTimeoutInSeconds": _VALIDATE_S,
                },
                "microvmHooks": {"run": "ENABLED", "runTimeoutInSeconds": _RUN_S},
            },
        }

    def is_what(self, version: Mapping[str, Any]) -> bool:
        """Whether a version of the image, as the service describes it, is what this plan makes."""
        wanted = self.configuration(self.role, self.base)
        ours = ["codeArtifact", "resources", "cpuConfigurations"]
        ours += ["buildRoleArn"] * bool(self.role) + ["baseImageArn"] * bool(self.base)
        return all(version.get(name) == wanted[name] for name in ours)

    def as_text(self) -> str:
        """What would be done, for people."""
        role = self.role or f"{ROLE}, made with these two documents"
        base = self.base or "the newest of AWS's own"
        lines = [
            f"image {self.name}: {', '.join(self.languages)}; {self.memory_mb} MB, {self.architecture}",
            f"guest environment {self.environment}: {', '.join(sorted(self.packages)) or 'no packages'}",
            f"package {self.uri}, {len(self.zip)} bytes",
            f"role that builds it: {role}",
            f"image beneath it: {base}",
        ]
        if not self.role:
            lines += [json.dumps(TRUST, indent=2), json.dumps(self.build_policy(), indent=2)]
        return "\n".join(lines)
