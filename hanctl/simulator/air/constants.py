"""IEEE 802.15.4 at 2.4 GHz, in microseconds and bytes; docs/performance.md has the same table.

Source: IEEE 802.15.4-2006 §6.4 (PHY), §7.4 (MAC), §7.5.1.4 (CSMA-CA); values of the PIB are their defaults.
"""

SYMBOL_US = 16
BYTE_US = 2 * SYMBOL_US
"""250 kbit/s."""
PHY_HEADER = 6
"""Preamble, start of frame, length."""
TURNAROUND_US = 12 * SYMBOL_US
"""aTurnaroundTime: from receiving to sending, also before an acknowledgement."""
CCA_US = 8 * SYMBOL_US
"""The channel must be silent for so long."""
BACKOFF_US = 20 * SYMBOL_US
"""aUnitBackoffPeriod."""
MIN_BE, MAX_BE = 3, 5
"""A random number of backoff periods below 2 to this, one more after each busy channel."""
MAX_CSMA_BACKOFFS = 4
"""macMaxCSMABackoffs: so often a busy channel is waited out."""
MAX_FRAME_RETRIES = 3
"""macMaxFrameRetries: so often a frame that was not acknowledged is sent again."""
MAC_ACK = 5
ACK_WAIT_US = 54 * SYMBOL_US
"""macAckWaitDuration: from the end of a frame."""
LONG_IFS_US, SHORT_IFS_US = 40 * SYMBOL_US, 12 * SYMBOL_US
"""Between two frames of one sender, by the length of the first."""
LONGEST_SHORT_FRAME = 18

NETWORK_RETRIES = 2
"""So often the network layer sends again what the MAC gave up, and a broadcast that nobody heard, the latter after
PASSIVE_ACK_WAIT_US. Source: Z-Stack's defaults, NWK_MAX_DATA_RETRIES, MAX_BCAST_RETRIES and PASSIVE_ACK_TIMEOUT."""
PASSIVE_ACK_WAIT_US = 500_000

BAUD = 115_200
UART_BITS_PER_BYTE = 10
"""Start, eight, stop."""


def on_air_us(length: int) -> int:
    """Return how long a frame of ``length`` bytes (with check sequence) is on air."""
    return (PHY_HEADER + length) * BYTE_US


ACK_US = on_air_us(MAC_ACK)


def spacing_us(length: int) -> int:
    """Return the interframe spacing after a frame."""
    return SHORT_IFS_US if length <= LONGEST_SHORT_FRAME else LONG_IFS_US
