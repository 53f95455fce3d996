"""``python -m lms_bridge`` is ``lms-bridge``."""

from lms_bridge.cli import main

if __name__ == "__main__":
    main(prog_name="lms-bridge")
