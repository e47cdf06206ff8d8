"""Applications: a folder with `pushaside.toml`, computes, and a template of its own resources."""
