#!/bin/sh
# Ignores SIGTERM, and so does its child.
trap '' TERM
touch up
while :; do sleep 1; done
