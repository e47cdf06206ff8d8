"""Composition roots that several functions share: they build adapters from settings, once per execution environment.

What only one function needs is built in that function's `app`.
"""
