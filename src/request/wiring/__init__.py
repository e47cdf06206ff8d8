"""The parts of the request functions, made from their settings once per execution environment."""
