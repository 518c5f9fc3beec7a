"""What a sniffer beside the coordinator hears of the simulated medium: IEEE 802.15.4 frames, secured as on a real HAN.

Conventions:

- Every transmission is shown, whether it was lost or not; the MAC acknowledgement that follows says that it was
  received.
- On real air each frame is shown when it begins. MAC and network retries are the same frame again; an APS retry is a
  new one. Joining takes no air: its frames are a microsecond apart.
- On ideal air there are no retries but those of APS, all frames of one exchange are a microsecond apart, at the moment
  when the medium carried them, and a frame for a sleepy child is preceded by the child's poll.
- Broadcasts are not relayed.
- Sequence numbers and frame counters belong to the capture, and begin anew with it.
"""
