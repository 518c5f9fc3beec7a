"""A display's debug console, recorded beside the hub's events: read, cleaned and redacted before anything is kept."""
