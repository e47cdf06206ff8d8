"""TypeScript declarations for the computes of an application, made from their JSON Schemas."""
