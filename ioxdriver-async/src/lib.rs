//! The body of the async drivers, over a small seam for each runtime.
