"""Find faults of a hub's machine, dongle and files, each with what to do about it.

Each module judges one thing. Facts are gathered by functions that read, and judged by functions that are pure.
"""
