"""Keys, JWTs, sealed values, opaque handles and passwords: the only package that touches cryptography."""
