# tries: start threads without end
import threading
stop = threading.Event()
started = 0
try:
    while started < 2000:
        threading.Thread(target=stop.wait, daemon=True).start()
        started += 1
except (RuntimeError, MemoryError) as error:
    print("held:", error)
print("ESCAPED: started" if started > 64 else "held: started", started)
stop.set()
