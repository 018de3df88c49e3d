"""The same seed, the same answer: `docs/determinism.md` names these tests."""
