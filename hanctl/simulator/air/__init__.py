"""Model the times of a real radio and a real serial line; the constants and a worked exchange are in
docs/performance.md.

Every node hears every other, and no frame survives a collision. Not modelled, so at no time at all: what software takes
(dongle, device), joining, relaying, and interference by others; ``Link.loss`` stands for the last.
"""
