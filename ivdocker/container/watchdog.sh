#!/bin/sh
# usage: watchdog.sh LABEL DOCKER [FLAG...]
# Reads until its standard input ends. The owner writes "child PID" and "gone PID" of programs that outlast it,
# "network NAME" of a network that it makes, and "done" when nothing is left to remove. An end without it means that the
# owner was killed: then whatever carries its label is removed, also what appears a little later, and those programs
# are ended.
set -u
trap '' HUP INT TERM
label=$1
shift
children=
networks=
while read -r word pid; do
    case $word in
    done) exit 0 ;;
    child) children="$children $pid" ;;
    network) networks="$networks $pid" ;;
    gone)
        kept=
        for child in $children; do
            [ "$child" = "$pid" ] || kept="$kept $child"
        done
        children=$kept
        ;;
    esac
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
    # shellcheck disable=SC2086  # names, one a word
    [ -z "$networks" ] || "$@" network rm $networks
    sleep 0.5
    # Not before: those that write down the log end with the container, and have its last lines then.
    for child in $children; do
        kill "$child" 2>/dev/null
    done
    children=
done
