# tries: see the host's network interfaces through netlink
import socket
try:
    names = [name for _, name in socket.if_nameindex() if name != "lo"]
    print("ESCAPED: sees" if names else "held: only lo", names)
except OSError as error:
    print("held:", error)
try:
    socket.socket(16, socket.SOCK_RAW, 0).bind((0, 1))
    print("held: netlink of its own network namespace" if not names else "ESCAPED")
except (OSError, NameError) as error:
    print("held:", error)
