"""Security properties: dangerous calls found in the syntax, and shown to be reached in the sandbox."""
