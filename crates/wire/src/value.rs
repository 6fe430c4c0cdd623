//! Text forms of simple values: numbers, booleans, timestamps.
