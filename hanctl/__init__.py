"""hanctl: the open Communications Hub for the smart-metering bench."""

__version__ = "0.2.0"
