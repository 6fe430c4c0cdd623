//! Modelled patterns: checking a text against one, and making a text that fits one.
