source "$1"; eval "$__understudy_code"; { __understudy_end "$?"; } 2>/dev/null; exit "$__understudy_status"
