//! Resources that live: the handler that stores what is created and reads it back.
