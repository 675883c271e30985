# tries: resolve a name, and leak data in it
import socket
for name in ("example.com", "secret-data.example.com", "metadata.google.internal", "localhost.localdomain"):
    try:
        print("ESCAPED:", socket.getaddrinfo(name, 80)[0])
    except OSError as error:
        print("held:", error)
