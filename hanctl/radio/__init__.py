"""One dongle, EZSP or ZNP."""

from __future__ import annotations

from collections.abc import Callable

from hanctl.base.library_logs import keep_keys_out
from hanctl.radio.application import HubApplication, Sink
from hanctl.radio.dongle import ZigpyRadio
from hanctl.radio.frames import Radio
from hanctl.radio.settings import DongleSettings, RadioKind
from hanctl.radio.tap import FrameTap

__all__ = ["DongleSettings", "load_library", "make_application", "open_radio"]


def open_radio(settings: DongleSettings, tap: FrameTap | None = None) -> Radio:
    """Return the radio for these settings, not started; ``tap``: lets listeners follow its frames.

    Imports only the library in use.
    """
    return ZigpyRadio(settings, make_application, tap)


def make_application(settings: DongleSettings, sink: Sink) -> HubApplication:
    """Return the radio library's application for these settings, not connected."""
    keep_keys_out()
    return load_library(settings.radio)(settings, sink)


def load_library(radio: RadioKind) -> Callable[[DongleSettings, Sink], HubApplication]:
    """Import the library of one kind of radio, and return the function that makes its application."""
    if radio == "ezsp":
        from hanctl.radio.ezsp.application import application
    else:
        from hanctl.radio.znp.application import application
    return application
