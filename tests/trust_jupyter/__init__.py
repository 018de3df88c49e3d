"""Jupyter stays as safe as it ships: `docs/security.md` names these tests."""
