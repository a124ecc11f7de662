#!/bin/sh
# Swaps what has one name between a file, a link to a secret, a hard link, and a link by another way.
# $1: the name, $2: the secret, $3: how many swaps. Runs as the service's user and never waits.
name=$1 secret=$2 left=$3 part=$1.part
while [ "$left" -gt 0 ]; do
    left=$((left - 1))
    case $((left % 4)) in
    0) echo mine >"$part" ;;
    1) ln -s "$secret" "$part" ;;
    2) ln "$secret" "$part" 2>/dev/null || continue ;;
    3) ln -s ../secret "$part" ;;
    esac
    mv -f "$part" "$name"
done
: >"${name%/*}/done"
