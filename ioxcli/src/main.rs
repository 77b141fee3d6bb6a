//! The program `iox`.

fn main() {}
