"""The Smart Energy clusters, declared in zigpy's style: every attribute and command with its types."""
