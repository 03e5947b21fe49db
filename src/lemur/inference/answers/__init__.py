"""What a model answered, on record: asked again only if it is not there, its weights loaded only then."""
