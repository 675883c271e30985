# tries: break the host's parser with a deeply nested report
# expect: succeeded failed output_limit
import os
import struct
body = b'{"kind": "value", "value": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
for fd in range(3, 64):
    try:
        os.write(fd, struct.pack(">I", len(body)) + body)
    except OSError:
        pass
print("held: sent")
