"""Many services as one: order, restarts, boot and shutdown."""
