"""Lua scripts that Redis runs, each as one atomic step.

The header of a script names its KEYS, its ARGV and its reply. `connection.load_script` reads them.
"""
