"""The hub as a data server: household data, the class of each item, and the servers that displays read."""
