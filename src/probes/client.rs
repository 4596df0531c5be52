#![cfg_attr(not(feature = "observer"), expect(dead_code, reason = "probes answer at once, and do not ask who it is"))]

use std::{cell::Cell, net::SocketAddr};

/// The other end of a connection.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    /// Whether an answer is being made for it.
    pub(super) is_asking: Cell<bool>,
    /// Whether it has yet to take a part of an answer.
    pub(super) is_taking: Cell<bool>,
    is_released: Cell<bool>,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, is_asking: Cell::default(), is_taking: Cell::default(), is_released: Cell::default() }
    }

    /// Whether the server waits for it: to send its first request, or another one.
    pub(super) fn is_silent(&self) -> bool {
        !self.is_asking.get() && !self.is_taking.get()
    }

    /// Gives its place to another connection, because this one is bounded by other means.
    pub(crate) fn release(&self) {
        self.is_released.set(true);
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released.get()
    }
}
