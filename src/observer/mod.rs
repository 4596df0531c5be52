//! A web page that shows a running tree, served by [`Probes`](crate::Probes).
//!
//! [`Probes::with_observer`](crate::Probes::with_observer) turns it on. The page gets its data as a stream of lines in JSON: a
//! snapshot, then events as they happen, and a fresh snapshot now and then. The same lines in a file are a recording, which the
//! page can replay: see [`record`], and `write_record` for a simulated run. The page `observer` of the guide shows all of it, and has the format.
//!
//! While no page is open, nothing subscribes to events and no snapshot is taken.

mod control;
mod gate;
mod lines;
mod live;
mod overview;
mod record;
mod service;
mod source;
mod viewer;

use std::{error::Error, fmt, net::SocketAddr};

pub use self::record::record;
#[cfg(feature = "sim")]
pub use self::record::write_record;
pub(crate) use self::service::Service;

/// The fewest bytes that a token has. Sixteen random letters and digits cannot be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The settings of the web page that shows a tree. Pass them to [`Probes::with_observer`](crate::Probes::with_observer).
///
/// By default the page only reads, and only programs on the same machine reach it: see [`with_token`](Self::with_token) for
/// other machines, and [`with_control`](Self::with_control) to let an operator restart children.
///
/// ```
/// use supervision::{Probes, observer::Observer};
///
/// # fn observed() -> Result<Probes, supervision::observer::ObserverError> {
/// let probes = Probes::on_loopback(8080).with_observer(Observer::new())?;
/// // http://localhost:8080 shows the tree of which the probes are a child.
/// # Ok(probes)
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "the tree is shown when this is passed to `Probes::with_observer`"]
pub struct Observer {
    read_token: Option<String>,
    control_token: Option<String>,
    hosts: Vec<String>,
    max_viewers: Option<usize>,
}

impl Observer {
    /// Returns the default settings: loopback only, read only, and up to 100 pages at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a token that is needed to read: the page asks for it. By default none is needed, and then the probes have to listen
    /// on a loopback address.
    ///
    /// A token has at least 16 characters, which are visible ASCII. It is sent in the header `Authorization` only, and never
    /// logged. The connection is not encrypted, so put a proxy with TLS in front of it, or use a tunnel.
    pub fn with_token(self, token: impl Into<String>) -> Self {
        Self { read_token: Some(token.into()), ..self }
    }

    /// Lets a client that has this token start, restart and terminate children. By default no client can. Each such request is
    /// logged, with the address of the client. The token is also good for reading.
    pub fn with_control(self, token: impl Into<String>) -> Self {
        Self { control_token: Some(token.into()), ..self }
    }

    /// Allows one more name under which browsers may address the page, such as `ops.example.com`: a name or an address, without
    /// a port. By default these are `localhost` and the loopback addresses. Any other name is refused, because a hostile page
    /// can make its own name point to this machine (DNS rebinding).
    pub fn with_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Sets how many pages may be open at once, at least one. By default 100. One more gets 503. These connections do not count
    /// for [`Probes::with_max_connections`](crate::Probes::with_max_connections).
    pub fn with_max_viewers(self, viewers: usize) -> Self {
        Self { max_viewers: Some(viewers.max(1)), ..self }
    }

    /// Checks the settings for this address, before anything starts.
    pub(crate) fn checked(mut self, address: SocketAddr) -> Result<Self, ObserverError> {
        let mut tokens = self.read_token.iter().chain(&self.control_token);
        if !address.ip().is_loopback() && tokens.clone().next().is_none() {
            return Err(ObserverError::NeedsToken { address });
        }
        if tokens.any(|token| token.len() < SHORTEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(ObserverError::InvalidToken);
        }
        if let Some(name) = self.hosts.iter().find(|name| !gate::is_host_name(name)) {
            return Err(ObserverError::InvalidHost { name: name.clone() });
        }
        if !address.ip().is_loopback() && self.read_token.is_none() {
            self.read_token.clone_from(&self.control_token);
        }
        Ok(self)
    }

    fn max_viewers(&self) -> usize {
        self.max_viewers.unwrap_or(100)
    }
}

/// Shows whether there are tokens, and not which.
impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("read_token", &self.read_token.is_some())
            .field("control_token", &self.control_token.is_some())
            .field("hosts", &self.hosts)
            .field("max_viewers", &self.max_viewers())
            .finish()
    }
}

/// The reason why [`Probes::with_observer`](crate::Probes::with_observer) refuses its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObserverError {
    /// The probes listen on an address that other machines may reach, and there is no token.
    NeedsToken {
        /// The address.
        address: SocketAddr,
    },
    /// A token is too short, or has characters that a header cannot have.
    InvalidToken,
    /// What was given as the name of a host is none.
    InvalidHost {
        /// What was given.
        name: String,
    },
}

impl fmt::Display for ObserverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsToken { address } => write!(
                f,
                "cannot show the tree on {address} without a token, because other machines may reach that; set one with \
                 `Observer::with_token`, or listen with `Probes::on_loopback`"
            ),
            Self::InvalidToken => write!(
                f,
                "the token of an observer needs at least {SHORTEST_TOKEN} characters, all of them visible ASCII; make one \
                 with `openssl rand -hex 16`"
            ),
            Self::InvalidHost { name } => write!(
                f,
                "`{}` is no name of a host; `Observer::with_host` takes a name or an address without scheme, port and path",
                name.escape_debug()
            ),
        }
    }
}

impl Error for ObserverError {}
