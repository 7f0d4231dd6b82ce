#!/bin/sh
# usage: watchdog.sh LABEL DOCKER [FLAG...]
# Reads lines from standard input, which the owner process writes:
#   child PID     end this program if the owner is killed      gone PID   the program has ended
#   network NAME  remove this network if the owner is killed   done       nothing is left to remove
# If the input ends without "done", the owner was killed. Then this script removes all containers with the label, also
# those that appear within the next seconds, and the networks, and ends the programs.
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
# A limit for each call, because the engine may hang.
if command -v timeout >/dev/null 2>&1; then set -- timeout -k 1 30 "$@"; fi
quiet=0
tries=0
while [ "$quiet" -lt 10 ] && [ "$tries" -lt 60 ]; do
    tries=$((tries + 1))
    if found=$("$@" ps --all --quiet --no-trunc --filter="label=$label"); then
        quiet=$((quiet + 1))
        # shellcheck disable=SC2086  # container IDs, one per word
        if [ -n "$found" ]; then
            quiet=0
            "$@" rm --force --volumes $found
        fi
    fi
    # shellcheck disable=SC2086  # names, one per word
    [ -z "$networks" ] || "$@" network rm $networks
    sleep 0.5
    # After the removal: docker logs ends with its container and can then write the last lines.
    for child in $children; do
        kill "$child" 2>/dev/null
    done
    children=
done
