# tries: see the folders of other runs
import os
mine = os.path.realpath(".")
above = os.path.dirname(mine)
names = [name for name in os.listdir(above) if os.path.join(above, name) != mine] if above != "/" else []
found = [name for name in names if os.path.isdir(os.path.join(above, name)) and os.listdir(os.path.join(above, name))]
print("ESCAPED: beside me:" if found else "held: alone", found)
