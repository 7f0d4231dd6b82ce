#!/bin/sh
# usage: watchdog.sh LABEL DOCKER [FLAG...]
# Reads until its standard input ends. The owner writes "done" when nothing is left to remove; an end without it means
# that the owner was killed: then whatever carries its label is removed, also what appears a little later.
set -u
trap '' HUP INT TERM
label=$1
shift
while read -r word; do
    if [ "$word" = "done" ]; then exit 0; fi
done
# An engine that hangs must not keep us for ever.
if command -v timeout >/dev/null 2>&1; then set -- timeout -k 1 30 "$@"; fi
quiet=0
tries=0
while [ "$quiet" -lt 10 ] && [ "$tries" -lt 60 ]; do
    tries=$((tries + 1))
    if found=$("$@" ps --all --quiet --no-trunc --filter="label=$label"); then
        quiet=$((quiet + 1))
        # shellcheck disable=SC2086  # container IDs, one a word
        if [ -n "$found" ]; then
            quiet=0
            "$@" rm --force --volumes $found
        fi
    fi
    sleep 0.5
done
