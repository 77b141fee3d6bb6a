//! Tells whether a TLS record is incomplete, by parsing the record headers in the bytes below TLS.
//!
//! TLS cannot decrypt a record before it is complete, so a record that is still arriving would look
//! like silence, and a replayed message that arrives slowly could be marked live.

/// Parses the records of a TLS peer (RFC 8446 section 5.1): type, version, length, and content of
/// that length.
#[derive(Debug, Default)]
pub(crate) struct RecordTracker {
    /// The number of header bytes received.
    header: u8,
    /// The number of bytes of the record that are still missing.
    missing: u16,
    /// Whether bytes were received since the last query.
    received: bool,
}

impl RecordTracker {
    const HEADER: u8 = 5;

    /// Parses the next bytes from the socket, in pieces of any size.
    pub(crate) fn receive(&mut self, mut bytes: &[u8]) {
        self.received |= !bytes.is_empty();
        while let [first, rest @ ..] = bytes {
            if self.header < Self::HEADER {
                self.header += 1;
                if self.header > 3 {
                    self.missing = self.missing << 8 | u16::from(*first);
                }
                bytes = rest;
            } else {
                let here = bytes.len().min(usize::from(self.missing));
                bytes = &bytes[here..];
                // `here` is at most `self.missing`.
                self.missing -= u16::try_from(here).unwrap_or(self.missing);
            }
            if self.header == Self::HEADER && self.missing == 0 {
                self.header = 0;
            }
        }
    }

    /// Whether a record is incomplete.
    pub(crate) fn is_mid_record(&self) -> bool {
        self.header > 0
    }

    /// Whether bytes have arrived since the last call.
    pub(crate) fn take_received(&mut self) -> bool {
        std::mem::take(&mut self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u16) -> Vec<u8> {
        let mut record = vec![0x17, 3, 3];
        record.extend(length.to_be_bytes());
        record.resize(5 + usize::from(length), 0xff);
        record
    }

    #[test]
    fn a_record_is_incomplete_until_its_last_byte_in_pieces_of_any_size() {
        let lengths = [1, 0, 300, 16_640];
        let bytes: Vec<u8> = lengths.into_iter().flat_map(record).collect();
        let mut ends = vec![0];
        for length in lengths {
            ends.push(ends[ends.len() - 1] + 5 + usize::from(length));
        }
        for step in [1, 2, 5, 6, 7, 311, 20_000] {
            let mut records = RecordTracker::default();
            let mut seen = 0;
            for piece in bytes.chunks(step) {
                records.receive(piece);
                seen += piece.len();
                assert_eq!(
                    records.is_mid_record(),
                    !ends.contains(&seen),
                    "{step} {seen}"
                );
            }
        }
    }

    #[test]
    fn received_bytes_are_reported_once() {
        let mut records = RecordTracker::default();
        assert!(!records.take_received());
        records.receive(&[0x17]);
        assert!(records.take_received());
        assert!(!records.take_received());
    }
}
