# tries: forge the launcher's word on how the program ended
# expect: failed
import json
import os
import struct
body = json.dumps({"kind": "outcome", "status": "succeeded", "exit_code": 0, "cpu_ms": 0, "signal": None}).encode()
for fd in range(3, 256):
    try:
        os.write(fd, struct.pack(">I", len(body)) + body)
    except OSError:
        pass
print("held: sent", flush=True)
os._exit(7)
