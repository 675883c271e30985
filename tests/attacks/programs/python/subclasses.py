# tries: reach modules through the classes of built-in objects
found = [kind for kind in ().__class__.__base__.__subclasses__() if kind.__name__ == "_wrap_close"]
if found:
    system = found[0].__init__.__globals__
    try:
        print("ESCAPED:", system["open"](inputs["canary"]).read() if "open" in system else system["fdopen"](system["os" if "os" in system else "open"](inputs["canary"], 0)).read())
    except (OSError, TypeError, KeyError) as error:
        print("held:", error)
else:
    print("held: no such class")
