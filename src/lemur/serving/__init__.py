"""Use a model: an engine that answers many requests together, an OpenAI-compatible server, and a terminal chat."""
