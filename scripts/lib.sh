# shellcheck shell=bash
# Shared settings and helpers of scripts/. Source it; do not run it.
# Everything listens on loopback; every port and path is an environment variable with its default here.

REPO="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
: "${CORDBOARD_STATE:=$REPO/.state}"                                    # per-instance state, git-ignored
: "${CORDBOARD_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/cordboard}"       # downloads that outlive the work tree
: "${CORDBOARD_SIP_PORT:=25060}"        # Asterisk: SIP over UDP
: "${CORDBOARD_HTTP_PORT:=28088}"       # Asterisk: ARI
: "${CORDBOARD_HTTPS_PORT:=28089}"      # Asterisk: SIP over WSS for browsers
: "${CORDBOARD_RTP_START:=30000}"
: "${CORDBOARD_RTP_END:=31999}"
: "${CORDBOARD_TRUNK_PORT:=25090}"      # the pretended carrier
: "${CORDBOARD_EMERGENCY_PORT:=25091}"  # the pretended carrier for emergency calls
: "${CORDBOARD_TRUNK_QUALIFY:=0}"      # s between OPTIONS to it; 0: it may come and go without being declared dead
: "${CORDBOARD_PG_PORT:=25432}"
: "${CORDBOARD_API_PORT:=28080}"        # the daemon
: "${CORDBOARD_ARI_PASSWORD:=cordboard-dev-only}"
: "${CORDBOARD_MIN_ASTERISK:=22.10.1}"  # older ones lack fixes the daemon relies on

# CORDBOARD_SAY goes before each line.
say() { printf '%s%s: %s\n' "${CORDBOARD_SAY:-}" "$(basename -- "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# The state directory must be absolute: Asterisk and Postgres change their working directory.
mkdir -p "$CORDBOARD_STATE" || die "cannot create the state directory $CORDBOARD_STATE"
CORDBOARD_STATE="$(cd "$CORDBOARD_STATE" && pwd)"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || die "needs root for '$*': install sudo, or run it yourself as root"
  sudo "$@"
}

# need_packages PKG...: installs the missing ones from the host's own distribution, after saying so.
need_packages() {
  local p log absent=() quiet=(-o Dpkg::Use-Pty=0 -o APT::Install-Suggests=0)
  for p in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || absent+=("$p")
  done
  [ ${#absent[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "please install: ${absent[*]} (no apt-get here)"
  say "installing with apt-get: ${absent[*]}"
  log="$(mktemp)"
  install_absent() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" -y --no-install-recommends \
      install "${absent[@]}" >>"$log" 2>&1
  }
  # The index is refreshed only when it is too old to help.
  if ! install_absent; then
    as_root apt-get "${quiet[@]}" update >>"$log" 2>&1 || true
    if ! install_absent; then
      p="$(grep -E '^(E|sudo):' "$log" | tail -n 1 || true)"
      rm -f "$log"
      die "cannot install ${absent[*]} (no network?): ${p:-apt-get failed}"
    fi
  fi
  rm -f "$log"
}

# need_postgres: a PostgreSQL server below /usr/lib/postgresql. Debian's package would also create a cluster and start
# it; nobody asked for that, so it is told not to for the time of the installation.
need_postgres() {
  local conf=/etc/postgresql-common/createcluster.conf
  if compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || [ -n "${CORDBOARD_PG_BIN:-}" ]; then return 0; fi
  need_packages postgresql-common
  as_root sed -i.cordboard 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' "$conf"
  (need_packages postgresql) || { as_root mv "$conf.cordboard" "$conf"; exit 1; }
  as_root mv "$conf.cordboard" "$conf"
}

# need_command COMMAND PKG: nothing to do when the command is there, whoever installed it.
need_command() {
  command -v "$1" >/dev/null || need_packages "$2"
  command -v "$1" >/dev/null || die "$1 is missing although the package $2 is installed"
}

# port_free udp|tcp PORT: true when nothing listens there. Reads /proc, so it needs no tool.
port_free() {
  local hex
  hex="$(printf ':%04X$' "$2")"
  # A TCP socket matters only when it listens (0A); any bound UDP socket does.
  ! awk -v p="$hex" -v proto="$1" 'FNR > 1 && $2 ~ p && (proto == "udp" || $4 == "0A") { found = 1 }
    END { exit !found }' "/proc/net/$1" "/proc/net/${1}6" 2>/dev/null
}

need_port() { port_free "$1" "$2" || die "$1 port $2 is in use ($3); set $4 to another one"; }

# alive PIDFILE WORD: the process in the file runs and its command line has WORD (pids are reused).
alive() {
  local pid
  [ -s "$1" ] || return 1
  pid="$(cat "$1")"
  [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$2"
}

# stop_pid PIDFILE WORD SECONDS: TERM, wait, then KILL, so that afterwards it is gone for sure.
stop_pid() {
  local pid i
  if alive "$1" "$2"; then
    pid="$(cat "$1")"
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < $3 * 20; i++)); do alive "$1" "$2" || break; sleep 0.05; done
    if alive "$1" "$2"; then kill -KILL "$pid" 2>/dev/null || true; fi
    for ((i = 0; i < 40; i++)); do alive "$1" "$2" || break; sleep 0.05; done
    if alive "$1" "$2"; then die "process $pid does not end"; fi
  fi
  rm -f "$1"
}

# job COMMAND...: runs it in a session of its own and waits for it, so that a signal to us is handled at once.
job_pid=''
job() {
  local code=0
  setsid -- "$@" </dev/null 9>&- &
  job_pid=$!
  wait "$job_pid" || code=$?
  job_pid=''
  return "$code"
}

# launch COMMAND...: the same for what starts something and ends by itself: finish_launch lets it come to its end, because
# stopped in the middle it could leave something that nobody knows of.
launching=''
launch() { launching=1; job "$@" || { launching=''; return 1; }; launching=''; }
finish_launch() {
  local i
  [ -n "$launching" ] && [ -n "$job_pid" ] || return 0
  for ((i = 0; i < 800; i++)); do kill -0 "$job_pid" 2>/dev/null || break; sleep 0.05; done
}

# end_session PID [SECONDS]: ends all of a session that job, or setsid, began; PID is its first process.
end_session() {
  local i
  if [ -z "${1:-}" ] || ! kill -TERM -- "-$1" 2>/dev/null; then return 0; fi
  for ((i = 0; i < ${2:-5} * 20; i++)); do kill -0 -- "-$1" 2>/dev/null || break; sleep 0.05; done
  kill -KILL -- "-$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

# marked WORD: prints the processes, other than this shell, that have WORD in their environment.
marked() {
  local dir variable
  for dir in /proc/[0-9]*; do
    case "${dir#/proc/}" in "$$" | "$BASHPID") continue ;; esac
    while IFS= read -r -d '' variable; do
      if [ "$variable" = "$1" ]; then echo "${dir#/proc/}"; break; fi
    done 2>/dev/null <"$dir/environ" || true
  done 2>/dev/null
}

# check_name NAME: instance names become parts of paths.
check_name() { [[ "$1" =~ ^[a-z0-9][a-z0-9-]*$ ]] || die "bad name '$1': lower-case letters, digits and '-' only"; }
