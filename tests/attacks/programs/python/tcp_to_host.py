# tries: connect to a server on the host's loopback
import socket
for address in (("127.0.0.1", inputs["tcp_port"]), ("0.0.0.0", inputs["tcp_port"]), ("::1", inputs["tcp_port"])):
    try:
        socket.create_connection(address, timeout=1).sendall(b"attack")
        print("ESCAPED: connected", address)
    except OSError as error:
        print("held:", error)
