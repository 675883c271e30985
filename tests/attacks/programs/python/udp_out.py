# tries: send datagrams to the host and outside
import socket
for address in (("127.0.0.1", inputs["udp_port"]), ("1.1.1.1", 53), ("255.255.255.255", 9), ("224.0.0.1", 9)):
    try:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(b"attack", address)
        print("ESCAPED: sent" if address[0] != "127.0.0.1" else "held: its own loopback, the host will say", address)
    except OSError as error:
        print("held:", error)
