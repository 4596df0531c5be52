use std::{fmt, time::Duration};

/// One step of a simulation.
///
/// Processes are told apart by the order in which they were spawned, because ids differ between runs.
#[derive(Clone, Copy)]
pub(crate) enum Moment<'a> {
    Spawned {
        number: u64,
        name: &'a str,
    },
    Polled {
        number: u64,
        name: &'a str,
    },
    /// A process was polled on an executor with a limited number of threads.
    PolledOn {
        number: u64,
        name: &'a str,
        thread: usize,
    },
    /// A poll blocks a thread.
    Blocked {
        number: u64,
        name: &'a str,
        thread: usize,
        until: Option<Duration>,
    },
    /// An insistent timer has nudged its executor.
    Nudged {
        executor: u32,
    },
    Ended {
        number: u64,
        name: &'a str,
    },
    /// The future that the caller waits for was polled.
    Main,
    Jumped {
        to: Duration,
    },
}

/// A recorder of what happens: always as a number that sums it up, and on request step by step.
pub(crate) struct Recorder {
    fingerprint: u64,
    steps: Option<Vec<String>>,
}

impl Recorder {
    pub(crate) fn brief() -> Self {
        Self { fingerprint: Fnv::OFFSET, steps: None }
    }

    pub(crate) fn full() -> Self {
        Self { steps: Some(Vec::new()), ..Self::brief() }
    }

    pub(crate) fn record(&mut self, moment: Moment<'_>) {
        let mut hash = Fnv(self.fingerprint);
        match moment {
            Moment::Spawned { number, name } => {
                hash.number(1);
                hash.number(number);
                hash.bytes(name.as_bytes());
            }
            Moment::Polled { number, .. } => {
                hash.number(2);
                hash.number(number);
            }
            Moment::PolledOn { number, thread, .. } => {
                hash.number(6);
                hash.number(number);
                hash.number(thread as u64);
            }
            Moment::Blocked { number, thread, until, .. } => {
                hash.number(7);
                hash.number(number);
                hash.number(thread as u64);
                hash.number(until.map_or(u64::MAX, |until| until.as_secs()));
                hash.number(until.map_or(u64::MAX, |until| until.subsec_nanos().into()));
            }
            Moment::Nudged { executor } => {
                hash.number(8);
                hash.number(executor.into());
            }
            Moment::Ended { number, .. } => {
                hash.number(3);
                hash.number(number);
            }
            Moment::Main => hash.number(4),
            Moment::Jumped { to } => {
                hash.number(5);
                hash.number(to.as_secs());
                hash.number(to.subsec_nanos().into());
            }
        }
        self.fingerprint = hash.0;
        if let Some(steps) = &mut self.steps {
            steps.push(moment.to_string());
        }
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn take_steps(&mut self) -> Vec<String> {
        self.steps.take().unwrap_or_default()
    }
}

impl fmt::Display for Moment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawned { number, name } => write!(f, "spawned #{number} {name}"),
            Self::Polled { number, name } => write!(f, "polled #{number} {name}"),
            Self::PolledOn { number, name, thread } => write!(f, "polled #{number} {name} on thread {thread}"),
            Self::Blocked { number, name, thread, until: Some(until) } => {
                write!(f, "#{number} {name} blocks thread {thread} until {until:?}")
            }
            Self::Blocked { number, name, thread, until: None } => {
                write!(f, "#{number} {name} blocks thread {thread} for good")
            }
            Self::Nudged { executor } => write!(f, "a timer nudged executor {executor}"),
            Self::Ended { number, name } => write!(f, "ended #{number} {name}"),
            Self::Main => f.write_str("polled the test"),
            Self::Jumped { to } => write!(f, "the clock jumped to {to:?}"),
        }
    }
}

/// FNV-1a: the same on all machines, and in all versions.
struct Fnv(u64);

impl Fnv {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(Self::PRIME);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }
}
