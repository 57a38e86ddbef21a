#!/usr/bin/env bash
# Makes an archive (or takes ARCHIVE=path), loads it, serves it, and asks three questions.
#
# ARCHIVE=PATH   load this archive, or folder of archives, instead of a made-up one
# DEMO_DATA=DIR  folder of the store (default: a new one under ./demo)
# DEMO_LISTEN=A  address to serve on (default 127.0.0.1:8700)
# DEMO_ONCE=1    stop after the questions; also without a terminal
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
cargo build --locked --release -p postlode -p pstgen
postlode=$target/release/postlode
pstgen=$target/release/pstgen

mkdir -p demo
data=${DEMO_DATA:-$(mktemp -d -p demo --suffix=.store)}
listen=${DEMO_LISTEN:-127.0.0.1:8700}
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

archive=${ARCHIVE:-demo/demo.pst}
if [ -z "${ARCHIVE:-}" ]; then
    say "An archive of 3,000 made-up mails"
    "$pstgen" "$archive" --messages 3000 --seed 7 --force
fi

say "postlode load $archive"
code=0
"$postlode" --data "$data" load "$archive" || code=$?
# 1: something in the archive could not be read and is named above; the rest is there to be searched.
[ "$code" -le 1 ] || exit "$code"

say "postlode serve"
"$postlode" --data "$data" serve --listen "$listen" >demo/serve.log &
server=$!
stop() {
    trap - INT TERM EXIT
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    [ -n "${DEMO_DATA:-}" ] || rm -rf "$data"
}
trap stop EXIT
trap 'exit 0' INT TERM

for _ in $(seq 100); do
    grep -q 'http://' demo/serve.log && break
    kill -0 "$server" 2>/dev/null || { wait "$server"; exit $?; }
    sleep 0.1
done
address=$(grep -o 'http://[^ ]*' demo/serve.log)

# Questions about what is in this archive: a word of a subject, a sender, all mail with attachments.
word=$("$postlode" --data "$data" search '' --limit 1 --sort date --json |
    grep -o '"subject":"[^"]*"' | head -n 1 | grep -oE '[[:alpha:]]{5,}' | grep -v subject | head -n 1 || true)
sender=$("$postlode" --data "$data" search '' --limit 1 --sort date --json |
    grep -o '"from":{[^}]*}' | head -n 1 | grep -oE '[[:alnum:]._%+-]+@[[:alnum:].-]+' | head -n 1 || true)
ask() {
    say "GET /v1/search?q=$1"
    local answer
    answer=$(curl -sS -G "$address/v1/search" --data-urlencode "q=$1" --data-urlencode "limit=3")
    printf '%.1000s…\n' "$answer"
    "$postlode" --data "$data" search "$1" --limit 3
}
ask "${word:-meeting}"
ask "from:${sender:-nobody}"
ask "has:attachment"

say "Serving on $address"
if [ "${DEMO_ONCE:-0}" = 1 ] || [ ! -t 0 ]; then
    exit 0
fi
echo "Ctrl-C stops it."
wait "$server"
