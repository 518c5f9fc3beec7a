"""Record a display's debug console beside the hub's events: read, clean and redact it before anything is kept."""
