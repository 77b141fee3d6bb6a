//! The event stream of IoX and ISY-994 controllers on tokio.
