#!/bin/sh
# as_user.sh CLOSED KEPT COMMAND ...: run a command as user 1000 with the directory KEPT in reach,
# which lies in a directory CLOSED that this user may not enter. In a mount namespace of its own.
set -e
mount --bind "$2" /mnt
mount -t tmpfs -o mode=755 none "$1"
mkdir -p "$2"
mount --bind /mnt "$2"
shift 2
exec setpriv --reuid=1000 --regid=1000 --clear-groups -- "$@"
