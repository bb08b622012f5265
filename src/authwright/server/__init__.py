"""The runnable product: configuration, the `authwright` command, and the server processes."""
