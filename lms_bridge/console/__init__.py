"""What all commands share: settings, the bridge, output, exit codes."""
