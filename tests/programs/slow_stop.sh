#!/bin/sh
# After SIGTERM it goes on until the file `go` appears in its working directory.
trap 'touch asked; while [ ! -e go ]; do sleep 0.02; done; exit 0' TERM
touch up
while :; do sleep 0.02; done
