//! Logs: to standard error, as text or JSON. What people and plugins wrote stands in them, so nothing in a log steers a terminal.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FormatFields, MakeWriter};
use watcher_domain::text::one_line;

use crate::config::{LogConfig, LogFormat};
use crate::show::escaped;

/// Starts logging for the life of the process. A second call does nothing.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.level)
        .with_context(|| format!("log.level {:?} is not a level or a list of directives", config.level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal());
    // An error means that logging has been started before, as tests of one process do.
    match config.format {
        LogFormat::Text => drop(builder.fmt_fields(OneLine).with_writer(io::stderr).try_init()),
        LogFormat::Json => drop(builder.json().with_writer(Escaped(io::stderr)).try_init()),
    }
    Ok(())
}

/// Messages and fields as text in one line. Only the levels and times around them are coloured.
struct OneLine;

impl<'w> FormatFields<'w> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&one_line(&text))
    }
}

/// Lines of JSON, each written at once, with escapes for what JSON lets stand.
struct Escaped<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Escaped<M> {
    type Writer = Escaped<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Escaped(self.0.make_writer())
    }
}

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_all(escaped(&String::from_utf8_lossy(line)).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Kept {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn log() {
        let name = "a\u{1b}[2Jb\u{9b}c\u{202e}d\ne";
        tracing::info!(audit.name = name, shown = %name, "audit {name} runs");
    }

    #[test]
    fn a_line_of_the_log_is_one_line_and_steers_no_terminal() {
        let (plain, kept) = (Kept::default(), Kept::default());
        let writer = plain.clone();
        let text = tracing_subscriber::fmt().fmt_fields(OneLine).with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::with_default(text.finish(), log);
        let writer = kept.clone();
        let json = tracing_subscriber::fmt().json().with_writer(Escaped(move || writer.clone()));
        tracing::subscriber::with_default(json.finish(), log);
        for text in [plain.text(), kept.text()] {
            let line = text.strip_suffix('\n').unwrap();
            assert_eq!(watcher_domain::text::steering(line), None, "{line:?}");
            assert!(line.contains("runs"), "{line}");
        }
        let line: serde_json::Value = serde_json::from_str(&kept.text()).unwrap();
        assert_eq!(line["fields"]["shown"], "a\u{1b}[2Jb\u{9b}c\u{202e}d\ne", "nothing is lost");
    }
}
