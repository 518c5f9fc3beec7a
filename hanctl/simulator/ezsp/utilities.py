"""Small commands: echo, random numbers, counters, test radio, Green Power tables, boot loader."""

from __future__ import annotations

import bellows.types as t

from hanctl.simulator.ezsp.commands import Arguments, Values, command
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.messaging import MessagingFrames
from hanctl.simulator.ezsp.status import Outcome

NO_BOOTLOADER_VERSION = 0xFFFF
CHANNELS = range(11, 27)


class Utilities:
    """Handlers of the utility commands, and of those for features that this dongle has only in name."""

    def __init__(self, ncp: EzspFirmware, messaging: MessagingFrames) -> None:
        self._ncp = ncp
        self._messaging = messaging
        self._test_running = False
        self._test_channel = 11
        self._test_power = 0

    @command("nop", "callback", "delayTest")
    def nop(self, a: Arguments) -> Values:
        return {}

    @command("echo")
    def echo(self, a: Arguments) -> Values:
        return {"echo": a["data"]}

    @command("debugWrite", "setTimer", "setPassiveAckConfig", "setBrokenRouteErrorCode", "setRoutingShortcutThreshold")
    def accepted(self, a: Arguments) -> Values:
        return {"status": Outcome.OK}

    @command("getRandomNumber")
    def get_random_number(self, a: Arguments) -> Values:
        return {"status": Outcome.OK, "value": self._ncp.stack.medium.rng.randrange(0x10000)}

    @command("getTrueRandomEntropySource")
    def get_true_random_entropy_source(self, a: Arguments) -> Values:
        return {"entropySource": 0}

    @command("getLibraryStatus")
    def get_library_status(self, a: Arguments) -> Values:
        return {"status": 0}

    @command("getPhyInterfaceCount")
    def get_phy_interface_count(self, a: Arguments) -> Values:
        return {"interfaceCount": 1}

    @command("getXncpInfo")
    def get_xncp_info(self, a: Arguments) -> Values:
        return {"status": Outcome.INVALID_CALL, "manufacturerId": 0, "versionNumber": 0}

    @command("readCounters")
    def read_counters(self, a: Arguments) -> Values:
        return {"values": self._counters()}

    @command("readAndClearCounters")
    def read_and_clear_counters(self, a: Arguments) -> Values:
        values, counters = self._counters(), self._messaging.counters
        counters[:] = [0] * len(counters)
        self._ncp.stack.dropped.clear()
        return {"values": values}

    def _counters(self) -> list[int]:
        values = list(self._messaging.counters)
        values[t.EmberCounterType.COUNTER_APS_FRAME_COUNTER_FAILURE] = self._ncp.stack.dropped["had before"]
        return values

    @command("resetNode")
    def reset_node(self, a: Arguments) -> Values:
        self._ncp.reboot_after_reply()
        return {}

    # --- boot loader: this dongle has none

    @command("launchStandaloneBootloader")
    def launch_standalone_bootloader(self, a: Arguments) -> Values:
        return {"status": Outcome.NO_BOOTLOADER}

    @command("getStandaloneBootloaderVersionPlatMicroPhy")
    def get_bootloader_version(self, a: Arguments) -> Values:
        return {"bootloader_version": NO_BOOTLOADER_VERSION, "nodePlat": 0, "nodeMicro": 0, "nodePhy": 0}

    # --- manufacturing test: the radio can be set up, and hears nothing

    @command("mfglibStart")
    def mfglib_start(self, a: Arguments) -> Values:
        if self._test_running:
            return {"status": Outcome.INVALID_CALL}
        self._test_running = True
        return {"status": Outcome.OK}

    @command("mfglibEnd")
    def mfglib_end(self, a: Arguments) -> Values:
        was_running, self._test_running = self._test_running, False
        return {"status": Outcome.OK if was_running else Outcome.INVALID_CALL}

    @command("mfglibStartTone", "mfglibStopTone", "mfglibStartStream", "mfglibStopStream", "mfglibSendPacket")
    def mfglib_transmit(self, a: Arguments) -> Values:
        return {"status": Outcome.OK if self._test_running else Outcome.INVALID_CALL}

    @command("mfglibSetChannel")
    def mfglib_set_channel(self, a: Arguments) -> Values:
        if int(a["channel"]) not in CHANNELS:
            return {"status": Outcome.INVALID_CHANNEL}
        self._test_channel = int(a["channel"])
        return {"status": Outcome.OK if self._test_running else Outcome.INVALID_CALL}

    @command("mfglibGetChannel")
    def mfglib_get_channel(self, a: Arguments) -> Values:
        return {"channel": self._test_channel}

    @command("mfglibSetPower")
    def mfglib_set_power(self, a: Arguments) -> Values:
        self._test_power = int(a["power"])
        return {"status": Outcome.OK}

    @command("mfglibGetPower")
    def mfglib_get_power(self, a: Arguments) -> Values:
        return {"power": self._test_power}

    # --- Green Power: no tables to clear

    @command("gpSinkTableClearAll", "gpClearProxyTable", "gpSinkTableInit")
    def gp_clear(self, a: Arguments) -> Values:
        return {}
