use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering::Relaxed},
};

use oneshot::{SendError, Sender};

use super::{ChildrenEngine, LockedEngine, Shared};
use crate::{engine::Refusal, error::SupervisorError, incarnation::guard};

/// Room for one child in a run of a supervisor, promised to the holder. Dropped unused, the next one in the queue gets it.
pub(crate) struct Room(Option<Arc<LockedEngine>>);

/// Those who wait for room, the first one first.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Sender<Room>>,
    /// No room comes free any more, because the supervisor is gone.
    is_closed: bool,
}

impl Room {
    /// Uses the promise, while the engine is locked: the child comes to the engine next.
    pub(crate) fn redeem(mut self, engine: &mut ChildrenEngine) {
        if self.0.take().is_some() {
            engine.take_back_room();
        }
    }

    /// Whether it is room in this run of a supervisor.
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
    /// Promises room for one child, if there is some and no other one waits for it.
    fn promise(self: &Arc<Self>, engine: &mut ChildrenEngine, queue: &Queue) -> Result<Room, Refusal> {
        // Fair: room that comes free belongs to the first one in the queue.
        match engine.settings().max_children {
            Some(max) if !queue.waiting.is_empty() && !engine.is_stopping() => Err(Refusal::AtCapacity(max)),
            _ => engine.promise_room().map(|()| Room(Some(self.clone()))),
        }
    }

    /// Gives room to those who wait, as far as there is any. Where the supervisor stops, they hear that there will be none.
    pub(crate) fn serve_queue(self: &Arc<Self>) {
        // Relaxed is enough: set while the engine is locked, so whoever has changed the engine before this sees it, or is seen.
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
            // P9: to tell them wakes tasks, and wakers are foreign code. So it is done under a guard, and no lock.
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
                // One that waits no longer: the next one gets it. Not by dropping the room, which would call this again.
                room.0 = None;
                self.lock().take_back_room();
            }
        }
    }

    /// The supervisor is gone: no room comes free any more.
    pub(crate) fn close_queue(self: &Arc<Self>) {
        self.queue().is_closed = true;
        self.serve_queue();
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
                Err(Refusal::AtCapacity(_)) if !queue.is_closed => {
                    // Looked through when it is full, so those who wait no longer cost nothing in the long run.
                    if queue.waiting.len() == queue.waiting.capacity() {
                        queue.waiting.retain(|sender| !sender.is_closed());
                    }
                    let (sender, room) = oneshot::async_channel();
                    queue.waiting.push_back(sender);
                    locked.is_awaited.store(true, Relaxed);
                    room
                }
                Err(refusal) => return Err(self.no_room(&refusal)),
            }
        };
        drop(locked);
        room.await.map_err(|_| self.no_room(&Refusal::ShuttingDown))
    }

    fn no_room(&self, refusal: &Refusal) -> SupervisorError {
        match refusal {
            Refusal::AtCapacity(max) => SupervisorError::AtCapacity { path: self.path(), max: *max },
            _ if self.is_running() => SupervisorError::ShuttingDown { path: self.path() },
            _ => self.not_running(),
        }
    }
}
