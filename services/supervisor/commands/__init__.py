"""Commands that are not one service's start, stop or restart: one file each."""
