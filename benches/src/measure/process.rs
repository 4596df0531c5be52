//! Facts about this process from the operating system: on Linux only; elsewhere all are unknown.

use std::time::Duration;

/// The work of threads up to now.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threads {
    /// How often one of them waited, to be woken later.
    pub waits: f64,
    /// How long they were on a processor, in nanoseconds.
    pub nanoseconds: f64,
}

cfg_if::cfg_if! {
    if #[cfg(target_os = "linux")] {
        use procfs::{
            page_size,
            process::{Process, Task},
            ticks_per_second,
        };

        /// Returns the bytes of the process that are in memory.
        #[must_use]
        pub fn resident() -> f64 {
            let memory = Process::myself().and_then(|process| process.statm()).expect("Linux has it");
            (memory.resident * page_size()) as f64
        }

        /// Returns how many threads the process has.
        #[must_use]
        pub fn thread_count() -> f64 {
            let process = Process::myself().expect("Linux has it");
            process.tasks().expect("Linux has it").count() as f64
        }

        /// Returns the work of all its threads but the current one.
        #[must_use]
        pub fn threads() -> Threads {
            let process = Process::myself().expect("Linux has it");
            let own = std::fs::read_link("/proc/thread-self").expect("Linux has it");
            let own = own.file_name().and_then(|id| id.to_str()).and_then(|id| id.parse().ok());
            let others = process.tasks().expect("Linux has it").flatten().filter(|task| Some(task.tid) != own);
            others.map(|task| of(&task)).fold(Threads::default(), |all, one| Threads {
                waits: all.waits + one.waits,
                nanoseconds: all.nanoseconds + one.nanoseconds,
            })
        }

        /// Returns how long all its threads were on a processor, those that have ended, too. Counts in hundredths of a second.
        #[must_use]
        pub fn processor_time() -> Duration {
            let stat = Process::myself().and_then(|process| process.stat()).expect("Linux has it");
            Duration::from_secs_f64((stat.utime + stat.stime) as f64 / ticks_per_second() as f64)
        }

        fn of(task: &Task) -> Threads {
            let waits = task.status().ok().and_then(|status| status.voluntary_ctxt_switches).unwrap_or_default();
            let nanoseconds = task.schedstat().map(|stat| stat.sum_exec_runtime).unwrap_or_default();
            Threads { waits: waits as f64, nanoseconds: nanoseconds as f64 }
        }
    } else {
        /// Returns the bytes of the process that are in memory.
        #[must_use]
        pub fn resident() -> f64 {
            f64::NAN
        }

        /// Returns how many threads the process has.
        #[must_use]
        pub fn thread_count() -> f64 {
            f64::NAN
        }

        /// Returns how long all its threads were on a processor.
        #[must_use]
        pub fn processor_time() -> Duration {
            Duration::ZERO
        }

        /// Returns the work of all its threads but the current one.
        #[must_use]
        pub fn threads() -> Threads {
            Threads { waits: f64::NAN, nanoseconds: f64::NAN }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{sync::mpsc, thread};

    use super::threads;

    #[test]
    fn a_thread_that_waits_again_and_again_is_seen() {
        let before = threads();
        let (ask, asked) = mpsc::sync_channel::<()>(0);
        let (answer, answered) = mpsc::sync_channel::<()>(0);
        let other = thread::spawn(move || {
            while asked.recv().is_ok() {
                let _ = answer.send(());
            }
        });
        for _ in 0..1_000 {
            ask.send(()).expect("it listens");
            answered.recv().expect("it answers");
        }
        let after = threads();
        drop(ask);
        other.join().expect("it does not panic");
        assert!(after.waits > before.waits, "{before:?} {after:?}");
        assert!(after.nanoseconds > before.nanoseconds, "{before:?} {after:?}");
    }
}
