"""The hub as a data server: what it holds of a household, of which class each datum is, and how displays get it."""
