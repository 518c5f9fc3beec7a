"""Simulated dongles and the devices behind them, as seen from the far side of a serial line.

Nothing here knows the hub: the two meet only as bytes. Everything runs on asyncio loop time, so the same code serves
real time and virtual time.
"""
