"""Zigbee frames as they are on the air, secured, and the files in which Wireshark reads them.

Encoding alone, and pure: published frames and tshark check it. The simulator's sniffer and ``hanctl capture`` use it.
"""
