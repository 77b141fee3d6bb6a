//! `iox decode`: from frames in files to what they say.

mod line;
mod lines;
mod own;
mod progress;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ioxproto::{Frame, FrameReader, Notification};

use self::line::{Content, LineReader};
use self::lines::{Line, Lines};
use self::own::{Own, Says};
use self::progress::Progress;
use crate::arguments::Decode;
use crate::names::Names;
use crate::output::{View, nobody_reads};
use crate::trouble::Trouble;

/// Reads everything. Ends early, and well, when nobody reads the output any more.
pub(crate) fn run(decode: &Decode) -> Result<(), Trouble> {
    let standard_input = [PathBuf::from("-")];
    let files = match &*decode.files {
        [] => &standard_input[..],
        files => files,
    };
    // All are opened before the first is read, so that a misspelt name shows at once.
    let sources = files
        .iter()
        .map(|path| Source::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut progress = Progress::new(
        sources.iter().map(|source| source.length).sum(),
        decode.format,
    );
    let mut decoder = Decoder {
        shown: Shown {
            view: View::new(decode.format).with_times_of_events(),
            frames: FrameReader::new(),
            counts: Counts::default(),
            out: Vec::new(),
        },
        lines: LineReader::default(),
        to: io::stdout().lock(),
    };
    let result = sources
        .into_iter()
        .try_for_each(|source| decoder.read(source, &mut progress))
        .and_then(|()| decoder.finish());
    progress.finish();
    match result {
        Err(Failure::Writing(error)) if nobody_reads(&error) => Ok(()),
        Err(Failure::Writing(error)) => Err(Trouble::other(format!(
            "cannot write to standard output: {error}"
        ))),
        Err(Failure::Reading(trouble)) => Err(trouble),
        Ok(()) => Ok(()),
    }
}

/// A file, or standard input.
struct Source {
    name: String,
    /// Bytes, where that can be known.
    length: Option<u64>,
    reader: Box<dyn Read>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Trouble> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                name: "standard input".to_owned(),
                length: None,
                reader: Box::new(io::stdin()),
            });
        }
        let name = path.display().to_string();
        let cannot = |error| Trouble::usage(format!("cannot read {name}: {error}"));
        let file = File::open(path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(Trouble::usage(format!(
                "{name} is a folder: name the files in it"
            )));
        }
        Ok(Self {
            length: about.is_file().then_some(about.len()),
            reader: Box::new(file),
            name,
        })
    }
}

enum Failure {
    Reading(Trouble),
    Writing(io::Error),
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    events: u64,
    ignored: u64,
    malformed: u64,
}

struct Decoder<W> {
    shown: Shown,
    lines: LineReader,
    to: W,
}

/// What becomes of the contents of lines.
struct Shown {
    view: View,
    frames: FrameReader,
    counts: Counts,
    /// Whole lines that are not yet written.
    out: Vec<u8>,
}

impl<W: Write> Decoder<W> {
    fn read(&mut self, source: Source, progress: &mut Progress) -> Result<(), Failure> {
        let mut lines = Lines::new(source.reader);
        loop {
            while let Some(line) = lines.next() {
                self.line(line);
            }
            // Before a read that may block, and after each block.
            self.write()?;
            let read = lines.fill().map_err(|error| {
                Failure::Reading(Trouble::usage(format!(
                    "cannot read {}: {error}",
                    source.name
                )))
            })?;
            if read == 0 {
                break;
            }
            progress.read(read);
        }
        if let Some(line) = lines.last() {
            self.line(line);
        }
        let shown = &mut self.shown;
        self.lines
            .finish(|reader, content| shown.content(reader, content));
        self.write()
    }

    fn line(&mut self, line: Line<'_>) {
        let shown = &mut self.shown;
        match line {
            Line::Whole(bytes) => self
                .lines
                .read(bytes, |reader, content| shown.content(reader, content)),
            Line::TooLong => shown.malformed("the line is longer than 16 MiB", None),
        }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.shown.finish();
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        let out = &mut self.shown.out;
        let written = self.to.write_all(out).and_then(|()| self.to.flush());
        out.clear();
        written.map_err(Failure::Writing)
    }
}

impl Shown {
    fn content(&mut self, reader: &LineReader, content: Content<'_>) {
        let received = reader.received();
        match content {
            Content::Frame(text) => {
                let (mut frame, _) = self.frames.read_bytes(text);
                loop {
                    self.frame(frame, received);
                    match self.frames.next_document() {
                        Some(next) => frame = next,
                        None => break,
                    }
                }
            }
            Content::Binary => {
                self.counts.ignored += 1;
                self.view
                    .ignored("a binary message", received, &mut self.out);
            }
            Content::Own(own, line) => self.own(*own, line),
            Content::Broken(error) => self.malformed(&error, received),
        }
    }

    fn frame(&mut self, frame: Frame, received: Option<SystemTime>) {
        let notification = match frame {
            Frame::Event(event) => {
                self.counts.events += 1;
                Notification::Event(event)
            }
            Frame::Ignored(ignored) => {
                self.counts.ignored += 1;
                Notification::Ignored(ignored)
            }
            Frame::Malformed(malformed) => {
                self.counts.malformed += 1;
                Notification::Malformed(malformed)
            }
        };
        let names = Names::none();
        self.view
            .show(&notification, received, &names, &mut self.out);
    }

    /// A line that was JSON before is the same JSON again.
    fn own(&mut self, own: Own, line: &[u8]) {
        match &own.says {
            Says::Event(_) => self.counts.events += 1,
            Says::Malformed(_) => self.counts.malformed += 1,
            Says::Ignored(_) => self.counts.ignored += 1,
            _ => {}
        }
        if self.view.is_json() {
            self.out.extend_from_slice(line);
            self.out.push(b'\n');
            return;
        }
        match own.says {
            Says::Event(event) => {
                let event = Notification::Event(event);
                self.view.show(&event, None, &Names::none(), &mut self.out);
            }
            Says::Status {
                status,
                message,
                retry_in,
            } => self.view.status(status, &message, retry_in, &mut self.out),
            Says::Gap { expected, got } => self.view.gap(expected, got, &mut self.out),
            Says::Malformed(error) => self.view.malformed(&error, &mut self.out),
            Says::Ignored(reason) => self.view.ignored(&reason, None, &mut self.out),
            Says::Dropped(count) => {
                let dropped = Notification::Dropped(count);
                self.view
                    .show(&dropped, None, &Names::none(), &mut self.out);
            }
        }
    }

    fn malformed(&mut self, error: &str, received: Option<SystemTime>) {
        self.counts.malformed += 1;
        self.view.malformed_line(error, received, &mut self.out);
    }

    fn finish(&mut self) {
        if let View::Count = self.view {
            let Counts {
                events,
                ignored,
                malformed,
            } = self.counts;
            let text = format!("{events} events, {ignored} ignored, {malformed} malformed\n");
            self.out.extend_from_slice(text.as_bytes());
        }
    }
}
