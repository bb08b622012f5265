"""The shared room: every message of the protocol, built and parsed side by side. Pure, and without a role."""
