"""Who may be on the HAN, and how a device and the hub come to share a key."""
