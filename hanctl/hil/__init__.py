"""Hardware in the loop: a bench in one process or on a rig, the pytest plugin, and the conformance suite."""
