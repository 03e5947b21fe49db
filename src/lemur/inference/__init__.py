"""One small interface to a language model, and the back ends behind it (docs/evaluation.md)."""
