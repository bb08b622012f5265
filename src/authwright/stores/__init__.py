"""Where a provider and a relying party keep things: the protocols, and a memory, SQLite and PostgreSQL store."""
