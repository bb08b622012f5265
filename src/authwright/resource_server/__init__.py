"""The API's side: who may call it, by an access token that is verified here or looked up at its issuer."""
