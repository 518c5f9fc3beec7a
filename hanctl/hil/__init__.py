"""The bench in one process: a simulated dongle and the hub joined by an in-memory serial line."""
