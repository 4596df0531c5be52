//! Reports when a tree is quiet, for tests: nothing is in flight, and no transition is under way.
//!
//! Everything in flight holds an [`InFlight`]: a process that was not polled yet, a message that was not handled yet.
//! The work that a supervisor has under way is counted in its [`Unsettled`]. Without the feature `testing` all of this
//! is empty.

#[cfg(feature = "testing")]
mod counting {
    use std::{
        mem,
        sync::{
            Arc, Mutex, PoisonError,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        task::{Context, Poll, Waker},
    };

    use crate::guard::wake;

    #[derive(Debug, Default)]
    pub(crate) struct Counter {
        busy: AtomicUsize,
        waiting: Mutex<Vec<Waker>>,
    }

    impl Counter {
        fn add(&self, n: usize) {
            self.busy.fetch_add(n, SeqCst);
        }

        fn subtract(&self, n: usize) {
            if n > 0 && self.busy.fetch_sub(n, SeqCst) == n {
                let waiting = mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
                waiting.into_iter().for_each(wake);
            }
        }
    }

    #[derive(Clone, Debug)]
    pub(crate) struct Quiescence(Option<Arc<Counter>>);

    impl Quiescence {
        pub(crate) fn uncounted() -> Self {
            Self(None)
        }

        pub(crate) fn counting() -> Self {
            Self(Some(Arc::default()))
        }

        pub(crate) fn in_flight(&self) -> InFlight {
            if let Some(counter) = &self.0 {
                counter.add(1);
            }
            InFlight(self.0.clone())
        }

        pub(crate) fn unsettled(&self) -> Unsettled {
            Unsettled { counter: self.0.clone(), value: 0 }
        }

        pub(crate) fn exemption(&self) -> Exemption {
            if let Some(counter) = &self.0 {
                counter.subtract(1);
            }
            Exemption(self.0.clone())
        }

        pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
            let Some(counter) = &self.0 else { return Poll::Ready(()) };
            counter.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(cx.waker().clone());
            if counter.busy.load(SeqCst) == 0 { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    #[derive(Debug)]
    pub(crate) struct InFlight(Option<Arc<Counter>>);

    impl InFlight {
        pub(crate) fn none() -> Self {
            Self(None)
        }
    }

    impl Drop for InFlight {
        fn drop(&mut self) {
            if let Some(counter) = &self.0 {
                counter.subtract(1);
            }
        }
    }

    /// An exemption for something under way that does not count, because a test delays it.
    #[derive(Debug)]
    pub(crate) struct Exemption(Option<Arc<Counter>>);

    impl Drop for Exemption {
        fn drop(&mut self) {
            if let Some(counter) = &self.0 {
                counter.add(1);
            }
        }
    }

    #[derive(Debug)]
    pub(crate) struct Unsettled {
        counter: Option<Arc<Counter>>,
        value: usize,
    }

    impl Unsettled {
        pub(crate) fn set(&mut self, value: usize) {
            let Some(counter) = &self.counter else { return };
            counter.add(value.saturating_sub(self.value));
            counter.subtract(self.value.saturating_sub(value));
            self.value = value;
        }
    }

    impl Drop for Unsettled {
        fn drop(&mut self) {
            self.set(0);
        }
    }
}

#[cfg(not(feature = "testing"))]
mod counting {
    #[derive(Clone, Debug)]
    pub(crate) struct Quiescence;

    impl Quiescence {
        #[inline]
        pub(crate) fn uncounted() -> Self {
            Self
        }

        #[inline]
        pub(crate) fn in_flight(&self) -> InFlight {
            InFlight
        }

        #[inline]
        pub(crate) fn unsettled(&self) -> Unsettled {
            Unsettled
        }
    }

    #[derive(Debug)]
    pub(crate) struct InFlight;

    impl InFlight {
        #[inline]
        pub(crate) fn none() -> Self {
            Self
        }
    }

    #[derive(Debug)]
    pub(crate) struct Unsettled;

    impl Unsettled {
        #[inline]
        pub(crate) fn set(&mut self, _value: usize) {}
    }
}

#[cfg(feature = "testing")]
pub(crate) use counting::Exemption;
pub(crate) use counting::{InFlight, Quiescence, Unsettled};
