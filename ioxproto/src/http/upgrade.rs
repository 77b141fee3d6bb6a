//! The WebSocket upgrade: the request as the core writes it, the answer as the core judges it.
