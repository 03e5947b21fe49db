"""Web sites for WebArena-like tasks: a shop, its admin, a forum, a wiki and a code host, fresh for each episode."""
