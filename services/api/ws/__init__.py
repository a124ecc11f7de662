"""The WebSocket side: one room per topic, fed by the bridge."""
