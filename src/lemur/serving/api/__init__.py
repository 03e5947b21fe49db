"""OpenAI's HTTP API over the engine, and the chat page."""
