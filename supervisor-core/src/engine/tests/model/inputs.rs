//! What may happen in the engines' world.

use std::rc::Rc;

use super::{case::*, node_spec::NodeSpec, world::Forest, *};

impl Forest {
    pub(super) fn start_tree(&mut self, root: &Rc<Node>) {
        let process_key = ProcessKey::new(ChildKey { id: self.ids[0], slot: 0 }, 1);
        self.start(root, 0, process_key);
        self.settle();
    }

    pub(super) fn shut_down(&mut self, kill: bool) {
        self.request(0, |process| {
            (process.is_asked, process.is_last) = (true, true);
            process.is_aborted |= kill;
        });
        self.settle();
    }

    pub(super) fn plan(&mut self, who: usize, starts: &[Start]) {
        self.starts[who].extend(starts);
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += seconds as u32 * SECOND;
    }

    pub(super) fn exit(&mut self, who: usize, how: How) {
        self.ends(who, how);
        self.settle();
    }

    pub(super) fn stop_subtree(&mut self, who: usize) {
        self.request(who, |process| process.is_asked = true);
        self.settle();
    }

    pub(super) fn add(&mut self, to: usize, node: &Rc<Node>) {
        let (id, spec) = (self.ids[node.number], NodeSpec::new(node));
        self.call(to, node.number, |engine, caller, now| engine.handle_start_child(id, spec, Some(caller), now));
    }

    pub(super) fn terminate(&mut self, of: usize, who: usize) {
        let child = self.ids[who];
        self.call(of, who, |engine, caller, now| engine.handle_terminate_child(child, None, caller, now));
    }

    pub(super) fn restart(&mut self, of: usize, who: usize) {
        let child = self.ids[who];
        self.call(of, who, |engine, caller, now| engine.handle_restart_child(child, caller, now));
    }

    pub(super) fn delete(&mut self, of: usize, who: usize) {
        let child = self.ids[who];
        self.call(of, who, |engine, caller, _| engine.handle_delete_child(child, caller));
    }

    pub(super) fn kill(&mut self, of: usize, who: usize) {
        let child = self.ids[who];
        self.call(of, who, |engine, caller, now| engine.handle_kill_child(child, caller, now));
    }

    pub(super) fn reload(&mut self, of: usize, who: usize) {
        let child = self.ids[who];
        self.call(of, who, |engine, caller, now| engine.handle_reload_child(child, caller, now));
    }

    pub(super) fn lives(&self, who: usize) -> bool {
        self.processes[who].is_some()
    }

    fn call(&mut self, of: usize, who: usize, call: impl FnOnce(&mut Engine<NodeSpec>, Caller, Instant)) {
        let caller = Caller { key: self.calls.len(), within: None, is_in_circle: false };
        self.calls.push(who);
        self.input(of, |engine, now| call(engine, caller, now));
        self.settle();
    }
}
