"""The default pages: HTML that works without JavaScript (extra `ui`)."""
