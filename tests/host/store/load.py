"""Begins and finishes executions under load, and prints each acknowledged step: ``begun ID``, ``finished ID``.

Run as a program: ``load.py STATE_DIR DURABILITY AT_ONCE``. It goes on until it is killed.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from host.models import ExecutionRequest, ExecutionResult
from host.policy import Policy
from host.store import open_store
from host.store.owners import OwnerLock


def say(*words):
    os.write(1, (" ".join(words) + "\n").encode())  # unbuffered: what is said was acknowledged before


async def main():
    state_dir = Path(sys.argv[1])
    store = await open_store(state_dir=state_dir, durability=sys.argv[2])
    lock = OwnerLock.acquire(state_dir)
    await store.register(lock.info)
    say("owner", lock.id)
    policy, numbers = Policy(name="strict"), itertools.count()

    async def loop():
        while True:
            request = ExecutionRequest(code=f"{next(numbers)}")
            await store.begin(request, policy, owner=lock.id)
            say("begun", request.id)
            await store.finish(
                request, policy, ExecutionResult(id=request.id, status="succeeded", language="python", policy="strict")
            )
            say("finished", request.id)
            await asyncio.sleep(0)  # a store that is quick enough never waits, and the others want their turn

    await asyncio.gather(*(loop() for _ in range(int(sys.argv[3]))))


asyncio.run(main())
