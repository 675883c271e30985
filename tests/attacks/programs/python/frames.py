# tries: climb the frames and objects of the guest to the launcher's secrets
import gc
import re
import sys
secret = re.compile("secret-[0-9a-f]{16}|canary-[0-9a-f]{16}")
frame, names = sys._getframe(), []
while frame:
    names.append(frame.f_code.co_name)
    for scope in (frame.f_locals, frame.f_globals):
        for key, value in list(scope.items()):
            if secret.search(repr(value)):
                print("ESCAPED: found", key)
    frame = frame.f_back
owners = [kind for thing in gc.get_objects() if isinstance(thing, dict) for kind in thing if kind == "ATTACK_" + "CANARY"]
print("ESCAPED: in an object" if owners else "held:", names)
