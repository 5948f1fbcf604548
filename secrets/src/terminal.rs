//! Asking somebody at a terminal, which does not show what is typed.

#[cfg(unix)]
pub(crate) use unix::ask;
#[cfg(unix)]
pub use unix::restore_terminal;

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{Result, Write};
    use std::sync::{Mutex, PoisonError};

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    use crate::line::read_line;
    use crate::locked::Locked;

    /// The terminal that does not show what is typed now, and how it was before.
    static HIDING: Mutex<Option<(File, Termios)>> = Mutex::new(None);

    /// Writes `prompt` to the terminal of this process and reads a line that it does not show.
    ///
    /// # Errors
    /// When there is no terminal, or the line is longer than 1024 bytes.
    pub(crate) fn ask(prompt: &str) -> Result<Locked<u8>> {
        let mut terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown.
        hidden.local_modes.insert(LocalModes::ECHONL);
        *hiding() = Some((terminal.try_clone()?, before));
        let line = ask_hidden(&mut terminal, &hidden, prompt);
        restore_terminal();
        line
    }

    /// What is typed before the prompt is thrown away, since it may have been shown.
    fn ask_hidden(terminal: &mut File, hidden: &Termios, prompt: &str) -> Result<Locked<u8>> {
        tcsetattr(&*terminal, OptionalActions::Flush, hidden)?;
        write!(terminal, "{prompt}")?;
        read_line(terminal)
    }

    /// Makes the terminal show what is typed again, if [`ask`] has turned that off: for whoever
    /// ends the process while somebody is asked.
    pub fn restore_terminal() {
        if let Some((terminal, before)) = hiding().take() {
            // Nothing else can be done about it.
            let _ = tcsetattr(terminal, OptionalActions::Now, &before);
        }
    }

    fn hiding() -> std::sync::MutexGuard<'static, Option<(File, Termios)>> {
        HIDING.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody can be asked without showing it on such systems.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub(crate) fn ask(_: &str) -> std::io::Result<crate::locked::Locked<u8>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// There is nothing to restore.
#[cfg(not(unix))]
pub fn restore_terminal() {}
