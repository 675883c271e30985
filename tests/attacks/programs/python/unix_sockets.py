# tries: reach unix sockets of the host, the container engine's among them
import socket
for path in (inputs["unix_path"], "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify", "/dev/log", "/tmp/.X11-unix/X0"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            socket.socket(socket.AF_UNIX, kind).connect(path)
            print("ESCAPED: connected", path)
        except OSError as error:
            print("held:", path, error.strerror)
