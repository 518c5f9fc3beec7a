"""The conformance suite: scenarios for pytest, and the report that is made of what became of them."""
