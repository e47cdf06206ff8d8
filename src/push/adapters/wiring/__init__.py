"""What several functions build in the same way, once per execution environment."""
