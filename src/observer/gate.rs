//! Decides which requests the observer serves. A browser may send requests for a hostile page, so each one is checked: the name
//! under which it was addressed, the page that made it, and the token.

use constant_time_eq::constant_time_eq;
use hyper::{
    Request, Response, StatusCode,
    header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE},
};

use super::Observer;
use crate::probes::answer::{Page, text};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    ForeignHost,
    ForeignPage,
    NoToken,
    WrongToken,
    ReadOnly,
}

impl Observer {
    /// Refuses a request that was addressed to another name (DNS rebinding). The files of the page need no more than that: they
    /// have no data, and a link on another site may lead to them.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let name = host(request).and_then(name_of);
        if name.is_some_and(|name| is_loopback(name) || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))) {
            return Ok(());
        }
        Err(Refusal::ForeignHost)
    }

    /// Refuses a request for data that a page of another site has made, or that has no token if one is needed.
    pub(super) fn admit_reader<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        self.admit_origin(request)?;
        if self.read_token.is_none() {
            return Ok(());
        }
        admit_token(request, [&self.read_token, &self.control_token])
    }

    /// Refuses a request for a change, unless it comes from the page itself or from a program, and has the token for it.
    pub(super) fn admit_control<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        self.admit_origin(request)?;
        if self.control_token.is_none() {
            return Err(Refusal::ReadOnly);
        }
        admit_token(request, [&self.control_token, &None])
    }

    fn admit_origin<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        self.admit(request)?;
        let own = |origin: &HeaderValue| {
            let (origin, host) = (origin.to_str().ok()?, host(request)?);
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
            authority.eq_ignore_ascii_case(host).then_some(())
        };
        // Browsers send one or the other. A program sends neither.
        let is_own_origin = request.headers().get_all(ORIGIN).iter().all(|origin| own(origin).is_some());
        let is_own_site =
            request.headers().get_all(SEC_FETCH_SITE).iter().all(|site| site == "same-origin" || site == "none");
        if is_own_origin && is_own_site {
            return Ok(());
        }
        Err(Refusal::ForeignPage)
    }
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::ForeignHost | Self::ForeignPage | Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
        }
    }

    /// Returns the answer, for a person. It repeats nothing of the request.
    pub(super) fn answer(self) -> Response<Page> {
        let why = match self {
            Self::ForeignHost => {
                "this name of the host is not allowed here\n\
                 open http://localhost with the port, or allow the name with `Observer::with_host`\n"
            }
            Self::ForeignPage => "this request was made by a page of another site\n",
            Self::NoToken => "a token is needed: send `Authorization: Bearer TOKEN`\n",
            Self::WrongToken => "the token is wrong, or does not allow this\n",
            Self::ReadOnly => "read only: the program allows changes with `Observer::with_control`\n",
        };
        let mut answer = text(self.status(), why);
        if self.status() == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        answer
    }
}

fn admit_token<B>(request: &Request<B>, tokens: [&Option<String>; 2]) -> Result<(), Refusal> {
    let given = request.headers().get(AUTHORIZATION).ok_or(Refusal::NoToken)?;
    let given = given.as_bytes().strip_prefix(b"Bearer ").ok_or(Refusal::NoToken)?;
    // Each comparison takes the same time wherever the tokens differ. All are made, so that the time names none of them.
    let matches = tokens.into_iter().flatten().filter(|token| constant_time_eq(token.as_bytes(), given)).count();
    if matches > 0 { Ok(()) } else { Err(Refusal::WrongToken) }
}

/// Returns the host to which a request was addressed, with its port. `None` if that is not clear.
fn host<B>(request: &Request<B>) -> Option<&str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (host, another) = (hosts.next()?.to_str().ok()?, hosts.next());
    // A request line with a host is for a proxy.
    (another.is_none() && request.uri().authority().is_none()).then_some(host)
}

/// Returns the name without the port.
fn name_of(host: &str) -> Option<&str> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(']')? + 2;
            (&host[..end], host[end..].strip_prefix(':').unwrap_or(&host[end..]))
        }
        None => host.split_once(':').unwrap_or((host, "")),
    };
    port.bytes().all(|digit| digit.is_ascii_digit()).then_some(name)
}

fn is_loopback(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// Returns whether this is a name or an address of a host, as a browser sends it.
pub(super) fn is_host_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.chars().all(is_part),
    }
}
