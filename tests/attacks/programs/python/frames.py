# tries: climb the frames and objects of the guest to the launcher's secrets
import gc
import os
import sys
frame, names = sys._getframe(), []
while frame:
    names.append(frame.f_code.co_name)
    for scope in (frame.f_locals, frame.f_globals):
        for key, value in list(scope.items()):
            if isinstance(value, (str, bytes)) and "canary-secret" in str(value)[:10_000].replace("CANARY", ""):
                print("ESCAPED: found", key)
    frame = frame.f_back
canary = [thing for thing in gc.get_objects() if isinstance(thing, dict) and "ATTACK_" + "CANARY" in thing]
print("ESCAPED: in an object" if canary else "held:", names)
