use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use oneshot::{SendError, Sender};

use super::{ChildrenEngine, LockedEngine, Shared};
use crate::{engine::Refusal, error::SupervisorError, incarnation::guard};

/// Room for one child in a run of a supervisor, which is promised to the holder. If it is dropped unused, the first caller
/// in the queue gets it (A8).
pub(crate) struct Room(Option<Arc<LockedEngine>>);

/// The callers that wait for room, in the order in which they asked.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Sender<Room>>,
    /// Whether the supervisor is gone, so that no room comes free any more.
    is_closed: bool,
}

impl Room {
    /// Uses the promise, while the engine is locked: the child comes to the engine next.
    pub(crate) fn redeem(mut self, engine: &mut ChildrenEngine) {
        if self.0.take().is_some() {
            engine.take_back_room();
        }
    }

    /// Returns whether it is room in this run of a supervisor.
    pub(super) fn is_in(&self, engine: &Arc<LockedEngine>) -> bool {
        self.0.as_ref().is_some_and(|own| Arc::ptr_eq(own, engine))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(locked) = self.0.take() {
            locked.lock().take_back_room();
            locked.serve_queue();
        }
    }
}

impl LockedEngine {
    /// Promises room for one child, if there is some and no other caller waits for it.
    fn promise(self: &Arc<Self>, engine: &mut ChildrenEngine, queue: &Queue) -> Result<Room, Refusal> {
        // A8: room that comes free belongs to the first caller in the queue.
        match engine.settings().max_children {
            Some(max) if !queue.waiting.is_empty() && !engine.is_stopping() => Err(Refusal::AtCapacity(max)),
            _ => engine.promise_room().map(|()| Room(Some(self.clone()))),
        }
    }

    /// Gives room to the callers that wait, as far as there is any. If the supervisor stops, tells them that there will be
    /// none.
    #[inline]
    pub(crate) fn serve_queue(self: &Arc<Self>) {
        // Relaxed is enough, because the mark is set while the engine is locked. A change of the engine either comes before
        // that, and the waiting caller has seen it; or it comes after that, and the code that made it sees the mark here.
        if self.is_awaited.load(Relaxed) {
            self.serve_those();
        }
    }

    fn serve_those(self: &Arc<Self>) {
        while self.is_awaited.load(Relaxed) {
            let (sender, refused) = {
                let mut engine = self.lock();
                let mut queue = self.queue();
                if queue.is_closed || engine.is_stopping() {
                    (None, mem::take(&mut queue.waiting))
                } else if !queue.waiting.is_empty() && engine.promise_room().is_ok() {
                    let sender = queue.waiting.pop_front();
                    self.is_awaited.store(!queue.waiting.is_empty(), Relaxed);
                    (sender, VecDeque::new())
                } else {
                    return;
                }
            };
            // P9: this wakes tasks, and wakers are foreign code. So it runs under a guard, and outside the locks.
            for sender in refused {
                let _ = guard(move || drop(sender));
            }
            let Some(sender) = sender else {
                self.is_awaited.store(false, Relaxed);
                return;
            };
            let room = Room(Some(self.clone()));
            let undelivered = guard(move || sender.send(room).err().map(SendError::into_inner));
            if let Ok(Some(mut room)) = undelivered {
                // That caller waits no longer, so the next one gets it. Dropping the room would call this again.
                room.0 = None;
                self.lock().take_back_room();
            }
        }
    }

    /// Tells all that wait for room, or for a child's first process, that the supervisor is gone.
    pub(crate) fn close(self: &Arc<Self>) {
        self.queue().is_closed = true;
        self.serve_queue();
        self.expected.close();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Promises room for one child, if there is some now.
    pub(crate) fn try_reserve(&self) -> Result<Room, SupervisorError> {
        let locked = self.running()?;
        let mut engine = locked.lock();
        let promised = locked.promise(&mut engine, &locked.queue());
        drop(engine);
        promised.map_err(|refusal| self.no_room(&refusal))
    }

    /// Waits until there is room for one child.
    pub(crate) async fn reserve(&self) -> Result<Room, SupervisorError> {
        let locked = self.running()?;
        let room = {
            let mut engine = locked.lock();
            let mut queue = locked.queue();
            match locked.promise(&mut engine, &queue) {
                Ok(room) => return Ok(room),
                // The supervisor was lost meanwhile, so this would wait for ever.
                Err(Refusal::AtCapacity(_)) if queue.is_closed => Err(Refusal::ShuttingDown),
                Err(Refusal::AtCapacity(_)) => {
                    // Cleaned when it is full: so callers that wait no longer do not pile up.
                    if queue.waiting.len() == queue.waiting.capacity() {
                        queue.waiting.retain(|sender| !sender.is_closed());
                    }
                    let (sender, room) = oneshot::async_channel();
                    queue.waiting.push_back(sender);
                    locked.is_awaited.store(true, Relaxed);
                    Ok(room)
                }
                Err(refusal) => Err(refusal),
            }
        };
        drop(locked);
        let room = room.map_err(|refusal| self.no_room(&refusal))?;
        // N1: that ends a wait, also where the supervisor has ended by the time that the caller runs again.
        room.await.map_err(|_| SupervisorError::ShuttingDown { path: self.path() })
    }

    fn no_room(&self, refusal: &Refusal) -> SupervisorError {
        match refusal {
            Refusal::AtCapacity(max) => SupervisorError::AtCapacity { path: self.path(), max: *max },
            _ if self.is_running() => SupervisorError::ShuttingDown { path: self.path() },
            _ => self.not_running(),
        }
    }
}
