# tries: open sockets of families that reach past the network namespace
import socket
families = {"INET raw": (2, 3, 1), "PACKET": (17, 3, 0x300), "NETLINK audit": (16, 3, 9), "VSOCK": (40, 1, 0), "ALG": (38, 5, 0), "BLUETOOTH": (31, 3, 1), "CAN": (29, 3, 1), "TIPC": (30, 1, 0), "XDP": (44, 3, 0), "KCM": (41, 2, 0), "RDS": (21, 5, 0), "NFC": (39, 3, 0), "QIPCRTR": (42, 2, 0), "SMC": (43, 1, 0), "KEY": (15, 3, 2), "X25": (9, 5, 0)}
for name, (family, kind, protocol) in families.items():
    try:
        socket.socket(family, kind, protocol)
        print("ESCAPED: opened", name)
    except OSError as error:
        print("held:", name, error.strerror)
