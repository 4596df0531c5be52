//! The first half of a turn: hands everything that has come in to the engine, under its lock.

use std::time::Instant;

use super::{BATCH, COMMANDS, Io};
use crate::{
    engine::StopRequest,
    incarnation::{Exit, Flags, Report, ReportKind},
    mailbox::Envelope,
    node::ChildrenEngine,
};

impl Io {
    /// Feeds the engine. Returns whether it has read everything that had come.
    pub(super) fn take_in(&mut self, engine: &mut ChildrenEngine, request: Option<StopRequest>, now: Instant) -> bool {
        // Read under the lock, at the same moment as the inputs: a subscriber that subscribed before reads the state
        // after that, or gets the event of the change.
        self.is_heard = self.scope.observers.listen();
        // Only here, before the engine is fed: all its effects were performed in the turn before, so no answer is under
        // way to a key that another caller may get now.
        if self.calls.len() >= self.calls_to_look_at {
            self.forget_given_up(engine);
        }
        engine.is_heard = self.is_heard;
        // N1: a shutdown first, so no report and no call of this turn can start anything after it.
        //
        // Then the reports, as many as a batch has. A deadline that has passed waits until all reports are read that
        // were there when it was seen: a process that has ended, or become ready, is not late because its supervisor is
        // (see "Pauses" in the docs). It does not wait for later reports, so a flood of reports cannot suspend a limit.
        //
        // Calls come last. They are new work, and a flood of them must not delay the reports.
        if let Some(request) = request {
            engine.handle_shutdown(request, now);
        }
        let is_due = |engine: &ChildrenEngine, seen| engine.next_deadline().is_some_and(|deadline| deadline <= seen);
        let unread = self.reports.len() + self.scope.unread_reports();
        let (before_deadline, seen) =
            self.reports_before_deadline.filter(|(_, seen)| is_due(engine, *seen)).unwrap_or((unread, now));
        let has_more_reports = self.take_reports(engine, now);
        let left = before_deadline.saturating_sub(BATCH);
        self.reports_before_deadline = None;
        // A deadline that comes while the supervisor reads waits for its own reports, from the next turn on.
        if is_due(engine, seen) {
            if has_more_reports && left > 0 {
                self.reports_before_deadline = Some((left, seen));
            } else {
                engine.handle_deadline(seen, now);
            }
        }
        let has_more_commands = self.take_commands(engine, now);
        !(has_more_reports || has_more_commands)
    }

    /// Reads the requests to this supervisor as a process. Returns them if they are new.
    pub(super) fn look_for_request(&mut self) -> Option<StopRequest> {
        // Read from the cell, and not sent as a message: a request behind 100,000 reports would not take precedence
        // over them (N1).
        let flags = self.own.control.cell().flags(self.own.id)?;
        let kill = flags.contains(Flags::ABORT);
        let is_asked = kill || flags.contains(Flags::SHUTDOWN);
        let request = StopRequest { no_successor: self.seen.no_successor || flags.contains(Flags::NO_SUCCESSOR), kill };
        if !is_asked || (self.is_asked && request == self.seen) {
            return None;
        }
        // N8: acknowledged for each new request, and a kill after a stop is one: the supervisor above measures anew
        // whether this one answers.
        if !self.is_asked || request.kill != self.seen.kill {
            let report = Report { process_key: self.own.process_key, kind: ReportKind::Acknowledged };
            self.own.parent.report(report);
        }
        (self.is_asked, self.seen) = (true, request);
        self.shared.acknowledge();
        Some(request)
    }

    /// Reads reports. Returns whether there may be more.
    pub(super) fn take_reports(&mut self, engine: &mut ChildrenEngine, now: Instant) -> bool {
        for _ in 0..BATCH {
            let Some(Envelope { message: Report { process_key, kind }, in_flight }) =
                self.scope.next_report(&mut self.reports)
            else {
                return false;
            };
            // Kept until the engine has nothing more to do: the consequences of the message are not complete yet.
            self.in_flight.push(in_flight);
            match kind {
                ReportKind::Ready => engine.handle_ready(process_key, now),
                ReportKind::Acknowledged => engine.handle_acknowledged(process_key),
                ReportKind::Exited(exit) => {
                    // In a stop, the engine takes the names of abandoned processes below from the exit of the
                    // supervisor that ended.
                    let is_told = engine.is_stopping() && matches!(exit, Exit::Shutdown(_));
                    // D3, N8: read before the engine gets the exit. After that, the child may be removed, and with it
                    // the way to the processes below it.
                    if exit.may_have_left_any() {
                        if let Some(child) = engine.child(process_key.child_key()) {
                            if engine.settings().is_scope {
                                self.remember_for_owner(child);
                            }
                            if !is_told {
                                self.remember_left(child, now);
                            }
                        }
                    }
                    // R77, P5: the engine checks which process that is. The end of an unknown process changes nothing.
                    engine.handle_exit(process_key, exit, now);
                }
                ReportKind::Unclean(unclean) => engine.handle_unclean_below(process_key, unclean),
                ReportKind::Held => engine.handle_held(process_key, now),
                ReportKind::Vacated => self.look_for_vacancy(engine, process_key, now),
            }
        }
        true
    }

    /// Reads commands. Returns whether there may be more.
    pub(super) fn take_commands(&mut self, engine: &mut ChildrenEngine, now: Instant) -> bool {
        for _ in 0..COMMANDS {
            // R57: one after the other. None waits here for its result; the engine remembers the caller, and answers
            // later (D1).
            let Some(Envelope { message, in_flight }) = self.commands.next(&mut self.commands_taken) else {
                return false;
            };
            self.in_flight.push(in_flight);
            self.carry_out(engine, message, now);
        }
        true
    }
}
