# The guest for Bash. program.sh sources this file and then runs the caller's code from its own first line, so that messages
# count the caller's lines: "/program.sh: line 3: ...".
#
# Stdin holds the code and then each input's name and text, separated by the byte 1E, with backslash and 1E itself escaped,
# and a last field that ends the row. It is read as data: nothing of it is expanded or run but the code itself.

__understudy_read() {
  local LC_ALL=C IFS=$'\x1e' fields number
  set -f
  fields=$(cat) # reading with bash alone would take a system call for each byte
  fields=($fields)
  set +f
  printf -v __understudy_code %b "${fields[0]}"
  declare -gA inputs=()
  local name text
  for ((number = 1; number + 1 < ${#fields[@]}; number += 2)); do
    printf -v name %b "${fields[number]}"
    printf -v text %b "${fields[number + 1]}"
    inputs[$name]=$text
  done
}

# The value goes out when the program ends well, by its last line or by exit. Lists go out one member to a line.
__understudy_end() {
  __understudy_status=$1
  [[ $1 == 0 && -z ${__understudy_done-} ]] || return 0
  __understudy_done=1
  if [[ -v result ]]; then
    case ${result@a} in
    *[aA]*) ;;
    *) printf %s "$result" >&3 && return 0 ;;
    esac
  fi
  declare -p result >/dev/null 2>&1 || return 0
  local IFS=$'\n'
  ((${#result[@]})) && printf %s "${result[*]}" >&3
  return 0
}

__understudy_read
unset -f __understudy_read
trap '__understudy_end "$?" 2>/dev/null' EXIT
BASH_ARGV0=program.sh
set --
