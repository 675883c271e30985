"""What a process that was cloned from a warm one does to be a fresh one.

The clone is a bare system call, so nothing that modules register with ``os.register_at_fork`` has run. In a process
that had one thread and held no lock, little of it matters: random numbers are drawn anew, the main thread has another
number in the kernel, and logging counts its time from now.
"""

import sys

__all__ = ["reseed"]


def reseed():
    """Draw anew what modules drew when they were imported; only those that are imported already."""
    random = sys.modules.get("random")
    if random is not None:
        shared = random._inst  # what the functions of the module draw from; nobody has drawn from it
        super(random.Random, shared).seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    threading = sys.modules.get("threading")
    if threading is not None:
        threading.main_thread()._set_native_id()
    logging = sys.modules.get("logging")
    if logging is not None:
        import time

        logging._startTime = time.time_ns() if isinstance(logging._startTime, int) else time.time()  # since Python 3.13
