# tries: connect to the internet, the cloud's metadata service and neighbours
import socket
for address in (("1.1.1.1", 443), ("169.254.169.254", 80), ("10.0.0.1", 22), ("172.17.0.1", 2375), ("192.168.0.1", 80), ("2606:4700:4700::1111", 443), ("fd00:ec2::254", 80)):
    try:
        socket.create_connection(address, timeout=0.3)
        print("ESCAPED: connected", address)
    except TimeoutError:
        print("ESCAPED: packets left for", address)
    except OSError as error:
        print("held:", error)
