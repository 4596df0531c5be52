use std::{
    cell::{Cell, OnceCell, RefCell},
    convert::Infallible,
    rc::Rc,
    time::{Duration, Instant},
};

use async_channel::{Receiver, Sender};
use async_io::Timer;
use futures_lite::future::or;
use supervisor_core::{SupervisorError, SupervisorHandle};

/// How long an answer may take in any case, and how late this thread may look for it. After a pause of the program, or of this
/// thread, the supervisor or the message gets as long again.
const MOMENT: Duration = Duration::from_millis(50);

/// How often it looks again because it was late. An answer has to come, also where this thread is always late.
const MOST_LOOKS: u32 = 10;

/// Asks a supervisor whether it reads its messages.
///
/// There is one unread message at a time, however many clients ask. So a supervisor that is blocked is not flooded, and the time
/// since this message is the time for which it has been blocked.
pub(super) struct Liveness {
    supervisor: SupervisorHandle,
    limit: Duration,
    asked: RefCell<Option<Rc<Asked>>>,
    start: (Sender<()>, Receiver<()>),
}

/// A message that was sent.
struct Asked {
    /// When it was sent. `None` while this thread has not come to that.
    at: Cell<Option<Instant>>,
    answer: OnceCell<Result<(), SupervisorError>>,
    /// Closed when the answer is there.
    answered: (Sender<Infallible>, Receiver<Infallible>),
}

impl Liveness {
    pub(super) fn new(supervisor: SupervisorHandle, limit: Duration) -> Self {
        Self { supervisor, limit, asked: RefCell::default(), start: async_channel::bounded(1) }
    }

    /// Sends the messages, and waits for the answers. Never ends. A task of its own, beside the clients: these may go away, and an
    /// answer has its turn on this thread before a client whose time is up after it.
    pub(super) async fn run(&self) {
        while self.start.1.recv().await.is_ok() {
            let asked = self.asked.borrow().clone();
            let Some(asked) = asked else { continue };
            asked.at.set(Some(Instant::now()));
            let answer = self.supervisor.ping().await;
            self.asked.take();
            let _ = asked.answer.set(answer);
            asked.answered.0.close();
        }
    }

    /// Returns within how long the supervisor has answered, or why it is not live.
    pub(super) async fn check(&self) -> Result<Duration, String> {
        let asked = self.asked.borrow_mut().get_or_insert_with(|| self.ask()).clone();
        let waited = || asked.at.get().map_or(Duration::ZERO, |at| at.elapsed());
        let mut time = self.limit.saturating_sub(waited()).max(MOMENT);
        for _ in 0..MOST_LOOKS {
            let begun = Instant::now();
            let answered = async {
                let _ = asked.answered.1.recv().await;
            };
            // The answer first: both may be there.
            or(answered, async {
                Timer::after(time).await;
            })
            .await;
            // What holds up this thread, such as a client with a large answer, says nothing about the supervisor.
            let is_in_time = asked.at.get().is_some() && begun.elapsed() < time + MOMENT;
            if asked.answer.get().is_some() || is_in_time {
                break;
            }
            time = MOMENT;
        }
        let waited = waited();
        match asked.answer.get() {
            Some(Ok(())) => Ok(waited),
            Some(Err(error)) => Err(format!("{error}")),
            None => Err(format!(
                "`{}` has left its messages unread for {waited:.1?}, and the limit is {:?}\n\
                 its executor is blocked, or is not driven; `watch_polls` names the process that blocks it",
                self.supervisor.path(),
                self.limit,
            )),
        }
    }

    fn ask(&self) -> Rc<Asked> {
        // There is room: the message before was answered.
        let _ = self.start.0.try_send(());
        Rc::new(Asked { at: Cell::default(), answer: OnceCell::new(), answered: async_channel::bounded(1) })
    }
}
