#!/bin/sh
# A leader with a child in its group and one that left for a session of its own.
# Their pids go into files of the working directory.
sleep 1000 &
echo $! > member.pid
setsid sleep 1000 &
echo $! > stranger.pid
touch up
wait
