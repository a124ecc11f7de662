"""What `start-core` makes of a wish: pure, apart from asking whether a port is free."""
