"""Services that own data decide about their scopes when a token is asked for: how we ask them, and how they answer."""
