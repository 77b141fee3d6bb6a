//! A simulated IoX controller on real sockets, scriptable, with faults.
