# tries: run words that came as data
# expect: succeeded
x='() { :; }; echo ESCAPED: ran'
env="$x" bash -c ':' 2>/dev/null
echo "held: $(printf '%q' "$x" | tr -d 'EP')"
