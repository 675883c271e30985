# tries: find secrets in the environment
name="ATTACK_""CANARY"
if [[ -n ${!name} || $(compgen -e) == *"$name"* ]]; then echo "ESCAPED: in the environment"; else echo "held: $(compgen -e | tr '\n' ' ')"; fi
