"""From the facts about a run to its status and the sentence that says why. The host's own view decides; the guest only
explains.
"""

import signal

from adapters.guest.reports import GuestReport
from adapters.runner.ended import Cause, Ended
from host.models import Status
from host.policy import Policy

__all__ = ["decide", "signal_name"]

_TOO_LARGE = ("TooLargeError", "TooLarge")  # what a guest says of a value that is over max_output_bytes
_LISTED = 5
_ABORTS = (signal.SIGABRT, signal.SIGILL, signal.SIGTRAP)  # by which V8 and the BEAM end when they get no more memory


def decide(ended: Ended, policy: Policy) -> tuple[Status, str]:
    """How the run ended, and why, for people."""
    status, reason = _by_host(ended, policy) or _by_signal(ended, policy) or _by_program(ended, ended.report, policy)
    if ended.skipped:
        listed = "; ".join(ended.skipped[:_LISTED]) + ("; and more" if len(ended.skipped) > _LISTED else "")
        reason = f"{reason} Not taken from the work folder: {listed}.".strip()
    return status, reason


def signal_name(number: int) -> str:
    """As SIGKILL; real-time signals by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIG{number}"


def _by_host(ended: Ended, policy: Policy) -> tuple[Status, str] | None:
    memory = (Status.OUT_OF_MEMORY, f"It used more than {policy.max_memory_mb} MiB of memory (max_memory_mb).")
    match ended.cause:
        case Cause.DEADLINE:
            return Status.TIMED_OUT, f"It was stopped after {policy.max_execution_time} ms (max_execution_time)."
        case Cause.CPU:
            return Status.TIMED_OUT, f"It used more than {policy.max_cpu_time} ms of CPU time (max_cpu_time)."
        case Cause.OUTPUT:
            return Status.OUTPUT_LIMIT, f"It wrote more than {policy.max_output_bytes} bytes (max_output_bytes)."
        case Cause.PROCESSES:
            return Status.KILLED, f"It had more than {policy.max_processes} processes and threads (max_processes)."
        case Cause.FILES:
            return Status.KILLED, f"It wrote more than {policy.max_file_bytes} bytes of files (max_file_bytes)."
        case Cause.CANCELLED:
            return Status.CANCELLED, "It was cancelled."
        case Cause.MEMORY:
            return memory
    return memory if ended.ran_out_of_memory else None


def _by_signal(ended: Ended, policy: Policy) -> tuple[Status, str] | None:
    number = ended.signal
    if number is None:
        return None
    used_up = ended.cpu_ms is not None and ended.cpu_ms >= policy.max_cpu_time
    if number == signal.SIGXCPU or (number == signal.SIGKILL and used_up):
        return Status.TIMED_OUT, f"It used more than {policy.max_cpu_time} ms of CPU time (max_cpu_time)."
    if number in _ABORTS and (ended.peak_memory_bytes or 0) >= policy.max_memory_mb << 20:
        return Status.OUT_OF_MEMORY, (
            f"It used more than {policy.max_memory_mb} MiB of memory (max_memory_mb), and its runtime gave up "
            f"({signal_name(number)})."
        )
    if number == signal.SIGSYS:
        return Status.KILLED, "It made a system call of another architecture, which ends it (SIGSYS)."
    return Status.KILLED, f"It was ended by {signal_name(number)}."


def _by_program(ended: Ended, report: GuestReport, policy: Policy) -> tuple[Status, str]:
    if ended.exit_code == 0:
        return (Status.FAILED, _sentence(report.malformed)) if report.malformed else (Status.SUCCEEDED, "")
    if report.error is None:
        return Status.FAILED, f"It ended with exit code {ended.exit_code}."
    if report.error.type == "MemoryError":
        return Status.OUT_OF_MEMORY, f"It needed more than {policy.max_memory_mb} MiB of memory (max_memory_mb)."
    if report.error.type in _TOO_LARGE:
        return Status.OUTPUT_LIMIT, _sentence(report.error.message)
    return Status.FAILED, str(report.error)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
