"""The relying party: sign-in with an OpenID provider, sessions, refresh and sign-out, over HttpRequest and Fetch."""
