"""What other servers publish and answer, over a Fetch: metadata, keys, JSON documents, authenticated forms."""
