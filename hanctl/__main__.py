"""``python -m hanctl``."""

from hanctl.cli.main import main

main()
