"""The operations on MicroVM images: made from code artifacts, in versions, each with its builds."""

import shutil
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.emulators.lambda_box import BoxUnavailable
from tests.emulators.microvm_image import Image, ImageVersion
from tests.emulators.microvm_machine import HookFailed, Machine
from tests.emulators.microvm_program import BuildFailed, Program, built
from tests.emulators.paging import paged
from tests.emulators.service import Call, Service, ServiceError
from tests.emulators.trees import remove_tree

__all__ = ["Images"]

_REQUIRED = ("baseImageArn", "buildRoleArn", "codeArtifact")
_OPTIONAL = ("baseImageVersion", "description", "logging", "egressNetworkConnectors", "cpuConfigurations", "resources")
_FURTHER = ("additionalOsCapabilities", "hooks", "environmentVariables")
_BASE = "al2023-1"
_BEGUN = datetime(2026, 6, 22, tzinfo=UTC)


class Images(Service):
    """The operations on images.

    Attributes:
        objects: what code artifacts in S3 hold, by address (``s3://bucket/key``).
    """

    name = "lambda-microvms"

    def __init__(self) -> None:
        """No images yet."""
        self.objects: dict[str, bytes] = {}
        self._images: dict[str, Image] = {}
        self._builders: list[threading.Thread] = []
        self._lock = threading.RLock()
        self._state = Path(tempfile.mkdtemp(prefix="understudy-microvms-"))
        self._state.chmod(0o755)

    def close(self) -> None:
        """Wait for builds, and forget everything."""
        for builder in self._builders:
            builder.join()
        remove_tree(self._state)

    def add_image(
        self,
        name: str,
        command: Sequence[str],
        *,
        shown: Sequence[tuple[Path | str, str]] = (),
        environment: dict[str, str] | None = None,
        folder: str = "/",
        **configuration: Any,
    ) -> str:
        """An image without a build, around a command of this machine's; gives its ARN.

        Args:
            name: of the image.
            command: what a MicroVM of it runs, as it reads inside; `python3` is there.
            shown: folders and files of this machine and where they stand inside; copied, and readable to all there.
            environment: variables.
            folder: where it starts.
            **configuration: further members of CreateMicrovmImage's input, e.g. ``hooks``.
        """
        role = f"arn:aws:iam::{self.account.arn('', '').split(':')[4]}:role/build"
        given = {"baseImageArn": self._managed, "buildRoleArn": role, "codeArtifact": {"uri": "s3://none/none"}}
        image = Image(name, self.account.arn("lambda", f"microvm-image:{name}"), {})
        version = ImageVersion("1.0", {**given, **configuration}, state="SUCCESSFUL")
        copies = [(self._copied(Path(source)), place) for source, place in shown]
        version.program = Program(list(command), copies, dict(environment or {}), folder)
        version.built.set()
        image.versions["1.0"] = version
        with self._lock:
            self._images[image.arn] = image
        return image.arn

    # --- operations ---------------------------------------------------------------------------------------------------

    def create_microvm_image(self, call: Call) -> dict[str, Any]:
        """Begin to build an image from a code artifact."""
        name = call.input["name"]
        image = Image(name, self.account.arn("lambda", f"microvm-image:{name}"), call.input.get("tags", {}))
        with self._lock:
            if image.arn in self._images:
                message = f"A MicroVM image with the name '{name}' already exists in this account"
                raise ServiceError("ValidationException", message)
            version = self._begin(image, call)
            self._images[image.arn] = image
        return {**image.shown(), **version.configuration, "imageVersion": version.number}

    def update_microvm_image(self, call: Call) -> dict[str, Any]:
        """Begin to build a further version."""
        image = self._image(call)
        with self._lock:
            version = self._begin(image, call)
        shown = {**image.shown(), **version.configuration, "imageVersion": version.number}
        return {**shown, "updatedAt": version.made}

    def get_microvm_image(self, call: Call) -> dict[str, Any]:
        """The state of an image."""
        image = self._image(call)
        return {**image.shown(), "tags": image.tags}

    def list_microvm_images(self, call: Call) -> dict[str, Any]:
        """Images in pages. As in the service a page is cut first and filtered then, so that it may be empty."""
        with self._lock:
            images = sorted(self._images.values(), key=lambda image: image.name)
        page, more = self._page(images, call.input, "name")
        wanted = call.input.get("nameFilter", "")
        return {"items": [each.shown() for each in page if wanted in each.name], **more}

    def delete_microvm_image(self, call: Call) -> dict[str, Any]:
        """Delete an image; one that is not there, too."""
        arn = self._arn(call.input["imageIdentifier"])
        with self._lock:
            self._images.pop(arn, None)
        return {"imageIdentifier": arn, "state": "DELETED"}

    def get_microvm_image_version(self, call: Call) -> dict[str, Any]:
        """A version: its configuration, what came of its build, whether it may be run."""
        return self._shown(*self._image_version(call))

    def list_microvm_image_versions(self, call: Call) -> dict[str, Any]:
        """The versions of an image in pages."""
        image = self._image(call)
        page, more = self._page(list(image.versions.values()), call.input, "number")
        return {"items": [self._shown(image, each) for each in page], **more}

    def update_microvm_image_version(self, call: Call) -> dict[str, Any]:
        """Let a version be run, or not."""
        image, version = self._image_version(call)
        version.status = call.input["status"]
        return self._shown(image, version)

    def delete_microvm_image_version(self, call: Call) -> dict[str, Any]:
        """Delete a version that is not the only one."""
        image, version = self._image_version(call)
        with self._lock:
            if len(image.versions) == 1:
                raise ServiceError("ConflictException", "The last version of an image cannot be deleted.")
            del image.versions[version.number]
        return {"imageIdentifier": image.arn, "imageVersion": version.number, "state": "DELETED"}

    def list_microvm_image_builds(self, call: Call) -> dict[str, Any]:
        """The builds of a version: one for each processor that it was asked for."""
        image, version = self._image_version(call)
        return {"items": self._builds(image, version)}

    def get_microvm_image_build(self, call: Call) -> dict[str, Any]:
        """One build. Its summary has the reason of a failure, and this has not."""
        for build in self._builds(*self._image_version(call)):
            if build["buildId"] == call.input["buildId"]:
                return {name: value for name, value in build.items() if name != "stateReason"}
        raise self._not_found("build", call.input["buildId"])

    def list_managed_microvm_images(self, call: Call) -> dict[str, Any]:
        """The base images of the service."""
        return {"items": [{"imageArn": self._managed, "createdAt": _BEGUN}]}

    def list_managed_microvm_image_versions(self, call: Call) -> dict[str, Any]:
        """The versions of a base image."""
        if call.input["imageIdentifier"] not in {self._managed, _BASE}:
            raise self._not_found("microvm-image", call.input["imageIdentifier"])
        cpus = [{"architecture": "ARM_64"}]
        about = {"imageArn": self._managed, "createdAt": _BEGUN, "supportedCpuConfigurations": cpus}
        return {"items": [{**about, "imageVersion": number, "status": "AVAILABLE"} for number in ("0", "1")]}

    def list_tags(self, call: Call) -> dict[str, Any]:
        """The tags of an image; MicroVMs have none."""
        return {"Tags": self._image({"imageIdentifier": call.input["Resource"]}).tags}

    def tag_resource(self, call: Call) -> dict[str, Any]:
        """Add tags to an image."""
        self._image({"imageIdentifier": call.input["Resource"]}).tags.update(call.input["Tags"])
        return {}

    # --- what they share ----------------------------------------------------------------------------------------------

    @property
    def _managed(self) -> str:
        return self.account.arn("lambda", f"microvm-image:{_BASE}", owner="aws")

    def _arn(self, identifier: str) -> str:
        return (
            identifier if identifier.startswith("arn:") else self.account.arn("lambda", f"microvm-image:{identifier}")
        )

    def _image(self, call: Call | dict[str, Any]) -> Image:
        given = call if isinstance(call, dict) else call.input
        with self._lock:
            image = self._images.get(self._arn(given["imageIdentifier"]))
        if image is None:
            raise self._not_found("microvm-image", given["imageIdentifier"])
        return image

    def _image_version(self, call: Call) -> tuple[Image, ImageVersion]:
        image = self._image(call)
        version = image.versions.get(call.input["imageVersion"])
        if version is None:
            raise self._not_found("microvm-image-version", call.input["imageVersion"])
        return image, version

    @staticmethod
    def _not_found(kind: str, identifier: str) -> ServiceError:
        message = f"The {kind} {identifier} does not exist."
        return ServiceError("ResourceNotFoundException", message, resourceType=kind, resourceId=identifier)

    @staticmethod
    def _page(items: Sequence[Any], given: dict[str, Any], key: str) -> tuple[Sequence[Any], dict[str, str]]:
        try:
            return paged(items, given, lambda each: getattr(each, key))
        except ServiceError as error:
            raise ServiceError("ValidationException", error.message) from error

    def _copied(self, source: Path) -> Path:
        target = Path(tempfile.mkdtemp(dir=self._state)) / source.name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755)
        return target

    def _begin(self, image: Image, call: Call) -> ImageVersion:
        kept = {name: call.input[name] for name in (*_REQUIRED, *_OPTIONAL, *_FURTHER) if name in call.input}
        kept["baseImageVersion"] = call.input.get("baseImageVersion", "1").removesuffix(".0") + ".0"
        last = int(list(image.versions)[-1].split(".")[0]) if image.versions else 0
        version = ImageVersion(f"{last + 1}.0", kept)
        image.versions[version.number] = version
        builder = threading.Thread(target=self._build, args=(version,), name="microvm image")
        self._builders.append(builder)
        builder.start()
        return version

    def _build(self, version: ImageVersion) -> None:
        version.state = "IN_PROGRESS"
        try:
            uri = version.configuration["codeArtifact"].get("uri", "")
            if uri not in self.objects:
                raise BuildFailed("S3_NO_SUCH_KEY")
            version.program = built(self.objects[uri], Path(tempfile.mkdtemp(dir=self._state)))
            self._try_out(version)
            version.state = "SUCCESSFUL"
        except (BuildFailed, HookFailed, BoxUnavailable) as error:
            version.state, version.reason = "FAILED", str(error)
        version.built.set()

    def _try_out(self, version: ImageVersion) -> None:
        """Start it once where a hook is to say that it is ready."""
        if not version.hooks.enabled.keys() & {"ready", "validate"}:
            return
        machine = Machine(version.program, version.hooks, version.environment)
        try:
            machine.boot()
            machine.hook("ready")
            machine.hook("validate")
        finally:
            machine.terminate("built")

    def _shown(self, image: Image, version: ImageVersion) -> dict[str, Any]:
        about = {"imageArn": image.arn, "imageVersion": version.number, "state": version.state}
        about |= {"status": version.status, "createdAt": version.made, "tags": image.tags}
        return {**version.configuration, **about}

    def _builds(self, image: Image, version: ImageVersion) -> list[dict[str, Any]]:
        cpus = version.configuration.get("cpuConfigurations") or [{"architecture": "ARM_64"}]
        builds = []
        for number, cpu in enumerate(cpus):
            arm = cpu["architecture"] == "ARM_64"
            build = {"imageArn": image.arn, "imageVersion": version.number, "buildId": f"{version.build_id}-{number}"}
            build |= {"buildState": version.state, "architecture": cpu["architecture"], "createdAt": version.made}
            build |= {"chipset": "GRAVITON" if arm else "INTEL", "chipsetGeneration": "4" if arm else "7"}
            builds.append({**build, **({"stateReason": version.reason} if version.reason else {})})
        return builds
