"""Install the hub as a systemd service, and uninstall it."""
