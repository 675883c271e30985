"""The machine that figures were measured on."""

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["facts", "program", "sentence"]


def facts() -> dict[str, Any]:
    """What figures depend on, as plain data."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
        "kernel": platform.release(),
        "virtualised": _virtualised(),
        "control_groups": _control_groups(),
        "python": platform.python_version(),
        "bubblewrap": _said("bwrap", "--version").rpartition(" ")[2],
        "deno": _said("deno", "--version").partition("\n")[0].removeprefix("deno ").partition(" ")[0],
        "root": os.geteuid() == 0,
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def sentence(machine: dict[str, Any]) -> str:
    """The facts in one line, for people."""
    parts = [
        f"{machine['cores']} cores of {machine['cpu'] or 'an unknown processor'}",
        f"{machine['memory_gib']} GiB",
        f"virtualised ({machine['virtualised']})" if machine["virtualised"] else "not virtualised",
        f"Linux {machine['kernel']}" if "Linux" in machine["system"] else machine["system"],
        f"control groups version {machine['control_groups']}" if machine["control_groups"] else "no control groups",
        f"Python {machine['python']}",
        f"bubblewrap {machine['bubblewrap'] or 'absent'}",
        "as root" if machine["root"] else "as an ordinary user",
        f"load {machine['load'][0]} at the start",
        machine["date"],
    ]
    return ", ".join(parts)


def _field(file: str, name: str) -> str:
    try:
        text = Path(file).read_text()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(name)), "")


def _memory_gib() -> float:
    kib = _field("/proc/meminfo", "MemTotal").removesuffix(" kB")
    return round(int(kib) / (1 << 20), 1) if kib.isdigit() else 0.0


def _virtualised() -> str:
    """What kind of machine this is not; "" for a real one."""
    told = _said("systemd-detect-virt", "--vm")
    if told:
        return "" if told == "none" else told
    return "unknown hypervisor" if " hypervisor" in _field("/proc/cpuinfo", "flags") else ""


def _control_groups() -> str:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return "2"
    return "1" if (root / "memory").is_dir() else ""


def program(name: str) -> str | None:
    """Where a program is: beside this interpreter, or on PATH."""
    return shutil.which(name, path=os.pathsep.join((os.path.dirname(sys.executable), os.environ.get("PATH", ""))))


def _said(*command: str) -> str:
    path = program(command[0])
    if path is None:
        return ""
    try:
        said = subprocess.run([path, *command[1:]], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip()
