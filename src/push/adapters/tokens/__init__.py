"""Verification of JWTs by PyJWT, with keys from a JWKS document or from Secrets Manager.

Keys are cached in the execution environment and refreshed.
"""
