# tries: take memory that a limit of one process does not count
# expect: out_of_memory succeeded failed killed
import mmap
kept = []
try:
    for _ in range(200):
        block = mmap.mmap(-1, 1 << 22, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
        block.write(b"x" * (1 << 22))
        kept.append(block)
    print("ESCAPED: holds", len(kept) * 4, "MiB")
except (OSError, MemoryError, ValueError) as error:
    print("held:", error, len(kept) * 4)
