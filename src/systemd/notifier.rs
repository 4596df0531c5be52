use std::{
    fmt::Write,
    io, mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use sd_notify::NotifyState;
use supervisor_core::log;

use super::socket::Socket;

/// What systemd was told, and the way to it.
///
/// A message that could not be sent has not been told: the child tries again at its next look.
#[derive(Debug)]
pub(super) struct Notifier {
    socket: Socket,
    /// Locked while a message is sent, so that messages come in the order of the states. Sending does not block.
    told: Mutex<Told>,
    /// Why the last message could not be sent, if it could not.
    failure: Mutex<Option<String>>,
    is_failure_logged: AtomicBool,
}

#[derive(Debug, Default)]
struct Told {
    /// Whether the tree was ready once, so that systemd is told the end of a reload.
    is_up: bool,
    is_stopping: bool,
    /// Whether `READY=1` has to be sent, at the end of a reload, and could not.
    owes_ready: bool,
    /// How many reloads are under way.
    reloads: usize,
    /// Whether systemd knows of one.
    is_reloading: bool,
    status: String,
}

impl Notifier {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, told: Mutex::default(), failure: Mutex::default(), is_failure_logged: AtomicBool::new(false) }
    }

    /// Sends a first message, to see whether systemd can be reached.
    pub(super) fn reach(&self) -> io::Result<()> {
        // It was reached before, if the child is restarted with a part of the tree.
        if self.is_up() {
            return Ok(());
        }
        match self.status("starting") {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                let text = format!(
                    "cannot notify systemd at NOTIFY_SOCKET={:?}: {error}; if systemd has not started this program, start it \
                     with `env -u NOTIFY_SOCKET`",
                    self.socket.name()
                );
                Err(io::Error::new(error.kind(), text))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether systemd knows that the tree was ready.
    pub(super) fn is_up(&self) -> bool {
        self.told().is_up
    }

    /// Returns whether systemd knows that the tree stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.told().is_stopping
    }

    pub(super) fn status(&self, status: &str) -> io::Result<()> {
        let mut told = self.told();
        self.tell(&mut told, &[], status)
    }

    /// Tells that the tree is ready, once, and again after a reload whose end could not be told.
    pub(super) fn ready(&self, status: &str) -> io::Result<()> {
        let mut told = self.told();
        if told.is_up && !told.owes_ready {
            return self.tell(&mut told, &[], status);
        }
        self.tell(&mut told, &[NotifyState::Ready], status)?;
        told.is_up = true;
        told.owes_ready = false;
        Ok(())
    }

    /// Tells that the tree stops, once.
    pub(super) fn stopping(&self, status: &str) -> io::Result<()> {
        let mut told = self.told();
        let news: &[_] = if told.is_stopping { &[] } else { &[NotifyState::Stopping] };
        self.tell(&mut told, news, status)?;
        told.is_stopping = true;
        Ok(())
    }

    pub(super) fn alive(&self) -> io::Result<()> {
        self.send(&[NotifyState::Watchdog])
    }

    /// Asks systemd to go on waiting for the end of a start or of a stop. It has to be asked again within this time.
    pub(super) fn extend(&self, time: Duration) -> io::Result<()> {
        self.send(&[NotifyState::ExtendTimeoutUsec(u32::try_from(time.as_micros()).unwrap_or(u32::MAX))])
    }

    pub(super) fn begin_reload(&self) {
        let mut told = self.told();
        told.reloads += 1;
        // systemd knows no reload of a service that starts, or stops.
        if !told.is_reloading && told.is_up && !told.is_stopping {
            // With the time, systemd can tell this reload from an earlier one. A clock that fails is no reason for silence.
            let now = NotifyState::monotonic_usec_now().ok();
            let states: Vec<_> = [Some(NotifyState::Reloading), now].into_iter().flatten().collect();
            told.is_reloading = self.send(&states).is_ok();
        }
    }

    pub(super) fn end_reload(&self) {
        let mut told = self.told();
        told.reloads -= 1;
        if told.reloads == 0 && mem::take(&mut told.is_reloading) && !told.is_stopping {
            told.owes_ready = self.send(&[NotifyState::Ready]).is_err();
        }
    }

    /// Logs that sending has begun to fail, or works again. `path`: the dotted name of the child. This is apart from sending,
    /// because a subscriber is foreign code, and no lock is held while it is called.
    pub(super) fn log(&self, path: &str) {
        let failure = self.failure().clone();
        if self.is_failure_logged.swap(failure.is_some(), Relaxed) == failure.is_some() {
            return;
        }
        let socket = self.socket.name();
        match failure {
            Some(error) => {
                log::warn(format_args!("{path} cannot notify systemd at {socket:?}: {error}; it goes on trying"));
            }
            None => log::info(format_args!("{path} notifies systemd at {socket:?} again")),
        }
    }

    /// Sends news, and the status if it is another one.
    fn tell(&self, told: &mut Told, news: &[NotifyState<'_>], status: &str) -> io::Result<()> {
        let is_new = told.status != status;
        if news.is_empty() && !is_new {
            return Ok(());
        }
        let status_state = is_new.then_some(NotifyState::Status(status));
        self.send(&news.iter().cloned().chain(status_state).collect::<Vec<_>>())?;
        told.status.replace_range(.., status);
        Ok(())
    }

    fn send(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let mut message = String::new();
        for state in states {
            let _ = writeln!(message, "{state}");
        }
        let sent = self.socket.send(&message);
        *self.failure() = sent.as_ref().err().map(ToString::to_string);
        sent
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
