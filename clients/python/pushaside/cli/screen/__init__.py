"""Drawings on a terminal: tables that are updated in place, and progress bars."""
