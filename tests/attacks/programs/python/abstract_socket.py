# tries: reach an abstract unix socket of the host
import socket
try:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(1)
    link.connect("\0" + inputs["abstract"])
    link.sendall(b"attack")
    print("ESCAPED: connected")
except OSError as error:
    print("held:", error)
