"""A provider and a sample application, ready to click through: `authwright demo`."""
