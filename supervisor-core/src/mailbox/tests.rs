use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Release},
        },
        mpsc,
    },
    task::Poll,
    thread,
    time::Duration,
};

use atomic_waker::AtomicWaker;
use futures_lite::future::block_on;

use super::*;

fn put<M>(mailbox: &Mailbox<M>, message: M) -> Result<(), M> {
    mailbox.put(Envelope { message, in_flight: InFlight::none() }, Instant::now).map_err(|envelope| envelope.message)
}

#[test]
fn messages_come_in_order() {
    let (mailbox, mut taken) = (Mailbox::new(), Taken::nothing());
    let mut next = |mailbox: &Mailbox<u32>| mailbox.next(&mut taken).map(|envelope| envelope.message);
    assert_eq!(next(&mailbox), None);
    (1..=3).for_each(|n| put(&mailbox, n).unwrap());
    assert_eq!(next(&mailbox), Some(1));
    put(&mailbox, 4).unwrap();
    assert_eq!([next(&mailbox), next(&mailbox), next(&mailbox), next(&mailbox)], [Some(2), Some(3), Some(4), None]);
}

#[test]
fn a_closed_mailbox_gives_back_what_is_in_it_and_what_is_put_in() {
    let mailbox = Mailbox::new();
    put(&mailbox, 1).unwrap();
    assert_eq!(mailbox.close().map(|envelope| envelope.message).collect::<Vec<_>>(), [1]);
    assert_eq!(put(&mailbox, 2), Err(2));
    assert!(mailbox.next(&mut Taken::nothing()).is_none());
}

#[test]
fn a_flood_leaves_no_room_behind() {
    let (mailbox, mut taken) = (Mailbox::new(), Taken::nothing());
    (0..many(100_000)).for_each(|n| put(&mailbox, n).unwrap());
    while mailbox.next(&mut taken).is_some() {}
    assert!(mailbox.next(&mut taken).is_none());
    let room = taken.0.capacity() + mailbox.lock().as_ref().map_or(0, |waiting| waiting.messages.capacity());
    assert!(room <= 2 * KEPT, "{room}");
}

/// A mailbox and a waker, as a scope has them.
struct Door<M> {
    mailbox: Mailbox<M>,
    waker: AtomicWaker,
}

impl<M> Door<M> {
    fn new() -> Arc<Self> {
        Arc::new(Self { mailbox: Mailbox::new(), waker: AtomicWaker::new() })
    }

    fn post(&self, message: M) {
        assert!(put(&self.mailbox, message).is_ok(), "the mailbox stays open");
        self.waker.wake();
    }

    /// Reads that many, parked while there are none.
    fn read(&self, count: usize, mut read: impl FnMut(M)) {
        let (mut taken, mut left) = (Taken::nothing(), count);
        block_on(poll_fn(|cx| {
            self.waker.register(cx.waker());
            while let Some(envelope) = self.mailbox.next(&mut taken) {
                left -= 1;
                read(envelope.message);
            }
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
}

/// Runs it on a thread of its own. A reader whose wake was lost would be parked for ever, and count no more; how long all of it
/// takes depends on the machine.
fn finishes<R: Send + 'static>(run: impl FnOnce(Arc<AtomicUsize>) -> R + Send + 'static) -> R {
    let (sender, result) = mpsc::channel();
    let read = Arc::new(AtomicUsize::new(0));
    let counted = read.clone();
    thread::spawn(move || sender.send(run(counted)));
    let mut before = None;
    loop {
        match result.recv_timeout(Duration::from_secs(10)) {
            Ok(result) => return result,
            Err(error) => {
                let now = Some(read.load(Acquire));
                assert_ne!(before, now, "a reader that is woken for every message: {error}");
                before = now;
            }
        }
    }
}

/// Returns a number that makes a race likely. Miri is a thousand times slower, and makes races itself.
const fn many(count: usize) -> usize {
    if cfg!(miri) { count / 100 } else { count }
}

#[test]
fn a_flood_from_many_threads_keeps_the_order_of_each() {
    const WRITERS: usize = 8;
    const EACH: usize = many(5_000);
    let read = finishes(|counted| {
        let door = Door::new();
        for writer in 0..WRITERS {
            let door = door.clone();
            thread::spawn(move || (0..EACH).for_each(|n| door.post((writer, n))));
        }
        let mut read = vec![Vec::new(); WRITERS];
        door.read(WRITERS * EACH, |(writer, n): (usize, usize)| {
            counted.fetch_add(1, Release);
            read[writer].push(n);
        });
        read
    });
    for of_one in read {
        assert!(of_one.into_iter().eq(0..EACH));
    }
}

/// The next message is put in as soon as the one before has been read: while the reader finds nothing more, and parks.
#[test]
fn a_reader_that_is_about_to_park_is_woken() {
    const MESSAGES: usize = many(50_000);
    finishes(|read| {
        let door = Door::new();
        let (writers, seen) = (door.clone(), read.clone());
        thread::spawn(move || {
            for n in 0..MESSAGES {
                while seen.load(Acquire) < n {
                    thread::yield_now();
                }
                writers.post(n);
            }
        });
        door.read(MESSAGES, |n| read.store(n + 1, Release));
    });
}

#[test]
fn what_races_the_close_is_read_or_given_back_once() {
    const WRITERS: usize = 4;
    for _ in 0..many(100) {
        let (mailbox, mut taken) = (Mailbox::new(), Taken::nothing());
        let (sender, refused) = mpsc::channel();
        let mut all: Vec<usize> = thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (mailbox, sender) = (&mailbox, sender.clone());
                scope.spawn(move || {
                    let messages = (0..100).map(|n| writer * 100 + n);
                    messages
                        .filter_map(|message| put(mailbox, message).err())
                        .for_each(|message| sender.send(message).unwrap());
                });
            }
            drop(sender);
            let read: Vec<_> = (0..50).filter_map(|_| mailbox.next(&mut taken)).collect();
            let left = mailbox.close();
            let given = read.into_iter().chain(taken).chain(left).map(|envelope| envelope.message);
            given.chain(refused).collect()
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..WRITERS * 100));
    }
}
