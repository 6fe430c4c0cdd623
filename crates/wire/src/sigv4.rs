//! Signature Version 4: reading, checking and making.
