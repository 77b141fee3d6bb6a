//! What all drivers share and that is not protocol: TLS policy, options, delivery, names.
