//! `iox decode`: shows the frames in files.

mod line;
mod lines;
mod progress;
mod watch_line;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ioxproto::{Frame, FrameReader, Notification};

use self::line::{Content, LineReader};
use self::lines::{Line, Lines};
use self::progress::Progress;
use self::watch_line::{WatchContent, WatchLine};
use crate::arguments::Decode;
use crate::exit_error::ExitError;
use crate::names::Names;
use crate::output::{View, is_closed_pipe};

/// Decodes all files. Returns early, without an error, if the reader of the output has closed it.
pub(crate) fn run(decode: &Decode) -> Result<(), ExitError> {
    let standard_input = [PathBuf::from("-")];
    let files = match &*decode.files {
        [] => &standard_input[..],
        files => files,
    };
    // Open all files before reading the first, so that a misspelt name is reported at once.
    let sources = files
        .iter()
        .map(|path| Source::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let mut progress = Progress::new(
        sources.iter().map(|source| source.length).sum(),
        decode.format,
    );
    let mut decoder = Decoder {
        output: DecodeOutput {
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
        Err(Failure::Writing(error)) if is_closed_pipe(&error) => Ok(()),
        Err(Failure::Writing(error)) => Err(ExitError::other(format!(
            "cannot write to standard output: {error}"
        ))),
        Err(Failure::Reading(error)) => Err(error),
        Ok(()) => Ok(()),
    }
}

/// A file, or standard input.
struct Source {
    name: String,
    /// The length in bytes, if known.
    length: Option<u64>,
    reader: Box<dyn Read>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, ExitError> {
        if path.as_os_str() == "-" {
            return Ok(Self {
                name: "standard input".to_owned(),
                length: None,
                reader: Box::new(io::stdin()),
            });
        }
        let name = path.display().to_string();
        let cannot = |error| ExitError::usage(format!("cannot read {name}: {error}"));
        let file = File::open(path).map_err(cannot)?;
        let about = file.metadata().map_err(cannot)?;
        if about.is_dir() {
            return Err(ExitError::usage(format!(
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

/// Why decoding ends early.
enum Failure {
    Reading(ExitError),
    Writing(io::Error),
}

/// The numbers of decoded frames, by kind.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    events: u64,
    ignored: u64,
    malformed: u64,
}

/// Reads sources line by line and writes what they contain.
struct Decoder<W> {
    output: DecodeOutput,
    lines: LineReader,
    to: W,
}

/// Shows the contents of lines.
struct DecodeOutput {
    view: View,
    frames: FrameReader,
    counts: Counts,
    /// Complete lines that have not been written.
    out: Vec<u8>,
}

impl<W: Write> Decoder<W> {
    fn read(&mut self, source: Source, progress: &mut Progress) -> Result<(), Failure> {
        let mut lines = Lines::new(source.reader);
        loop {
            while let Some(line) = lines.next() {
                self.line(line);
            }
            // Write before the next read, which may block.
            self.write()?;
            let read = lines.fill().map_err(|error| {
                Failure::Reading(ExitError::usage(format!(
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
        let output = &mut self.output;
        self.lines
            .finish(|reader, content| output.content(reader, content));
        self.write()
    }

    fn line(&mut self, line: Line<'_>) {
        let output = &mut self.output;
        match line {
            Line::Whole(bytes) => self
                .lines
                .read(bytes, |reader, content| output.content(reader, content)),
            Line::TooLong => output.malformed("the line is longer than 16 MiB", None),
        }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.output.finish();
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        let out = &mut self.output.out;
        let written = self.to.write_all(out).and_then(|()| self.to.flush());
        out.clear();
        written.map_err(Failure::Writing)
    }
}

impl DecodeOutput {
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
            Content::WatchLine(line, text) => self.watch_line(*line, text),
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

    /// Shows a JSON line of `iox watch`. In the format JSON it is written unchanged.
    fn watch_line(&mut self, line: WatchLine, text: &[u8]) {
        match &line.content {
            WatchContent::Event(_) => self.counts.events += 1,
            WatchContent::Malformed(_) => self.counts.malformed += 1,
            WatchContent::Ignored(_) => self.counts.ignored += 1,
            _ => {}
        }
        if self.view.is_json() {
            self.out.extend_from_slice(text);
            self.out.push(b'\n');
            return;
        }
        match line.content {
            WatchContent::Event(event) => {
                let event = Notification::Event(event);
                self.view.show(&event, None, &Names::none(), &mut self.out);
            }
            WatchContent::Status {
                status,
                message,
                retry_in,
            } => self.view.status(status, &message, retry_in, &mut self.out),
            WatchContent::Gap { expected, got } => self.view.gap(expected, got, &mut self.out),
            WatchContent::Malformed(error) => self.view.malformed(&error, &mut self.out),
            WatchContent::Ignored(reason) => self.view.ignored(&reason, None, &mut self.out),
            WatchContent::Dropped(count) => {
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
