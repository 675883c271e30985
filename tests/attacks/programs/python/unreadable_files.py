# tries: leave files that the host can neither read nor delete
import os
os.makedirs("closed/inside")
open("closed/inside/file", "w").close()
os.chmod("closed/inside/file", 0)
os.chmod("closed/inside", 0)
os.chmod("closed", 0)
os.chmod(".", 0)
print("held: left behind")
