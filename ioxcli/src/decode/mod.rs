//! `iox decode`: from frames in files to what they say.

mod line;
mod lines;
mod progress;
mod straight;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ioxproto::{Frame, FrameReader, Notification};

use self::line::{Content, LineReader};
use self::lines::{Line, Lines};
use self::progress::Progress;
use crate::arguments::{Decode, Format};
use crate::output::{Json, Text, nobody_reads, stdout_has_colour};
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
        view: View::new(decode.format),
        frames: FrameReader::new(),
        lines: LineReader::default(),
        counts: Counts::default(),
        out: Vec::new(),
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

/// How frames are shown.
enum View {
    Text(Text),
    Json(Json),
    Count,
}

impl View {
    fn new(format: Format) -> Self {
        match format {
            Format::Text => Self::Text(Text::new(stdout_has_colour()).with_times_of_events()),
            Format::Json => Self::Json(Json),
            Format::None => Self::Count,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    events: u64,
    ignored: u64,
    malformed: u64,
}

struct Decoder<W> {
    view: View,
    frames: FrameReader,
    lines: LineReader,
    counts: Counts,
    /// Whole lines that are not yet written.
    out: Vec<u8>,
    to: W,
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
        self.write()
    }

    fn line(&mut self, line: Line<'_>) {
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong => {
                self.malformed("the line is longer than 16 MiB");
                return;
            }
        };
        match self.lines.read(bytes) {
            Content::Nothing => {}
            Content::Binary => {
                self.counts.ignored += 1;
                match &self.view {
                    View::Text(text) => text.ignored("a binary message", &mut self.out),
                    View::Json(json) => json.ignored("a binary message", &mut self.out),
                    View::Count => {}
                }
            }
            Content::Broken(error) => self.malformed(&error),
            Content::Frame(text) => {
                let (frame, _) = self.frames.read_bytes(text);
                self.frame(frame);
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
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
        match &mut self.view {
            View::Text(text) => text.show(&notification, &mut self.out),
            View::Json(json) => json.show(&notification, &mut self.out),
            View::Count => {}
        }
    }

    fn malformed(&mut self, error: &str) {
        self.counts.malformed += 1;
        match &self.view {
            View::Text(text) => text.malformed(error, &mut self.out),
            View::Json(json) => json.malformed(error, &mut self.out),
            View::Count => {}
        }
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if let View::Count = self.view {
            let Counts {
                events,
                ignored,
                malformed,
            } = self.counts;
            let text = format!("{events} events, {ignored} ignored, {malformed} malformed\n");
            self.out.extend_from_slice(text.as_bytes());
        }
        self.write()
    }

    fn write(&mut self) -> Result<(), Failure> {
        let written = self.to.write_all(&self.out).and_then(|()| self.to.flush());
        self.out.clear();
        written.map_err(Failure::Writing)
    }
}
