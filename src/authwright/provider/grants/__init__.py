"""The grants: an object each, with `parse`, `find` and `authorize`; a user's own is made the same way."""
