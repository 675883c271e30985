# tries: make the host read a file of a terabyte
# expect: succeeded failed killed output_limit
with open("sparse", "wb") as file:
    try:
        file.truncate(1 << 40)
    except OSError as error:
        print("held:", error)
print("held: made")
