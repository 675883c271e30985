# tries: start programs of the host
import shutil
import subprocess
for command in ("sh", "bash", "su", "sudo", "mount", "nsenter", "docker", "curl", "ssh", "ping", "gdb", "python3", "perl"):
    path = shutil.which(command) or "/bin/" + command
    try:
        done = subprocess.run([path, "-c", "cat " + inputs["canary"]], capture_output=True, timeout=2)
        print("ESCAPED: read by" if b"canary-" in done.stdout else "held: ran", command, done.returncode)
    except (OSError, subprocess.TimeoutExpired) as error:
        print("held:", command, type(error).__name__)
