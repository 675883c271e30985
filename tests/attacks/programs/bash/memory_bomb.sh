# tries: double a string without end
# expect: out_of_memory
text=xxxxxxxxxxxxxxxx
while :; do text=$text$text; done
