#![cfg_attr(not(feature = "observer"), expect(dead_code, reason = "probes answer at once, and do not ask who it is"))]

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

/// The other end of a connection.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// Its place among the connections that are served at once.
    slot: RefCell<Option<Rc<()>>>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, slot: Rc<()>) -> Self {
        Self { address, slot: RefCell::new(Some(slot)) }
    }

    /// Gives its place to another connection, because this one is bounded by other means.
    pub(crate) fn release(&self) {
        self.slot.take();
    }
}
