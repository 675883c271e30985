# tries: get the import function back by way of builtins, loaders and frames
import sys
ways = {
    "builtins": lambda: __builtins__["__import__"] if isinstance(__builtins__, dict) else __builtins__.__import__,
    "loader": lambda: sys.modules["_frozen_importlib"].BuiltinImporter.load_module,
    "modules": lambda: sys.modules["os"].system,
}
for name, way in ways.items():
    try:
        thing = way()
        print("held: has", name, "and the wall holds")
    except (KeyError, AttributeError) as error:
        print("held:", name, error)
try:
    print("ESCAPED:", eval("open(path).read()", {"path": inputs["canary"]}))
except OSError as error:
    print("held:", error)
try:
    text = __import__("os").popen("cat " + inputs["canary"] + " 2>/dev/null").read()
    print("ESCAPED: " + text if text else "held: nothing to read")
except OSError as error:
    print("held:", error)
