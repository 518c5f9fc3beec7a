"""What a sniffer beside the coordinator hears of the simulated medium: IEEE 802.15.4 frames, secured as on a real HAN.

Conventions:

- Every transmission is shown once, whether it was lost or not; the MAC acknowledgement that follows says that it was
  received. MAC retries are not modelled, so a lost frame comes again only as an APS retry, under new numbers.
- Air time is not modelled: frames of one exchange are a microsecond apart, at the moment when the medium carried them.
- A frame for a sleepy child is preceded by the child's poll. Broadcasts are not relayed.
- Sequence numbers and frame counters belong to the capture, and begin anew with it.
"""
