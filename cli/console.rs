//! Where words go: results to stdout, everything else to stderr, above the progress bars if there
//! are any.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};
use beaa_base::printable::printable;
use indicatif::MultiProgress;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// A handle; clones write to the same place.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    bars: MultiProgress,
    quiet: bool,
    terminal: bool,
}

impl Console {
    /// Bars only if stderr is a terminal, notes only if not `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { bars: MultiProgress::new(), quiet, terminal: io::stderr().is_terminal() }
    }

    /// One line to stderr, unless quiet.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// One line to stderr, always.
    pub(crate) fn warn(&self, text: impl Display) {
        self.say(format_args!("warning: {text}"));
    }

    /// The last line of work that the user stopped, below no bar.
    pub(crate) fn interrupted(&self, text: impl Display) {
        let _ = self.bars.clear();
        self.say(format_args!("interrupted: {text}"));
    }

    /// Where to draw bars; none when quiet or not on a terminal.
    pub(crate) fn bars(&self) -> Option<&MultiProgress> {
        (self.terminal && !self.quiet).then_some(&self.bars)
    }

    /// Sends the libraries' log to stderr: warnings, with `verbose` 1 also information, with 2
    /// everything. Of a service it is JSON, a line for each record, information included.
    pub(crate) fn log(&self, verbose: u8, service: bool) {
        let level = match verbose {
            0 if !service || self.quiet => "warn",
            0 | 1 => "info",
            _ => "debug",
        };
        let crates =
            ["bench", "ckks", "compiler", "datasets", "import", "ir", "lab", "remote", "runtime", "server", "trainer"];
        let directives = crates.map(|name| format!(",beaa_{name}={level}")).concat();
        let filter = EnvFilter::new(format!("warn,beaa={level}{directives}"));
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(self.clone());
        // Only fails when a log is installed already, as in tests; that one is as good.
        let _ = if service {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        } else {
            log.event_format(LogLine).try_init()
        };
    }

    fn say(&self, text: impl Display) {
        // A closed stderr is no reason to stop.
        let _ = self.bars.suspend(|| writeln!(io::stderr().lock(), "{}", printable(&text.to_string())));
    }
}

/// Prints results. A reader that has gone away (`| head`) is not an error.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(printable(text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("writing the result to stdout"),
    }
}

/// Writes what libraries log as the command's own words: `warning: ...`.
struct LogLine;

impl<S, N> FormatEvent<S, N> for LogLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let start = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            _ => "debug",
        };
        write!(writer, "{start}: ")?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

impl<'a> MakeWriter<'a> for Console {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { console: self }
    }
}

/// Writes one log record above the bars.
pub(crate) struct Line<'a> {
    console: &'a Console,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.console.bars.suspend(|| io::stderr().lock().write_all(printable(&text).as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
