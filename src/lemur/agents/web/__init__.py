"""WebArena: a browser and web sites in a sandbox, actions on pages, and how success is decided."""
