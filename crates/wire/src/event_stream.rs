//! Event streams: frames, and shapes over frames.
