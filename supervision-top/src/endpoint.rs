//! The address of an observer, and requests to it. HTTP/1.0, because its answers come in one piece, without chunks.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::failure::Failure;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// How long to wait for the next bytes. An observer sends something at least every ten seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// The longest head of an answer, and the longest text that explains a refusal.
const HEAD: u64 = 64 << 10;

/// The longest answer, and the longest line of a stream.
pub(crate) const LONGEST: u64 = 256 << 20;

/// The address of an observer, or of probes.
#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The host and the port, as they stand in the URL.
    authority: String,
    connect_to: String,
    base: String,
    token: Option<String>,
}

/// Without the token.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.authority).finish()
    }
}

/// An answer with the status 200, of which the body is not read yet.
pub(crate) struct Answer {
    length: Option<u64>,
    content_type: String,
    body: BufReader<TcpStream>,
}

/// What the head of an answer says.
struct Head {
    status: u16,
    length: Option<u64>,
    content_type: String,
}

impl Endpoint {
    /// Reads a URL: `http://host:port`, also without the scheme, and with a path if a proxy serves the observer below one.
    pub(crate) fn new(url: &str, token: Option<String>) -> Result<Self, Failure> {
        let invalid = |why: &str| Failure::Usage(format!("`{url}` is no address: {why}"));
        if url.starts_with("https://") {
            return Err(invalid("TLS is not supported; use a tunnel: ssh -L 8080:localhost:8080 HOST"));
        }
        let rest = url.strip_prefix("http://").unwrap_or(url);
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // Each of these goes into the head of a request.
        if url.contains("://") && !url.starts_with("http://") || !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("it looks like http://127.0.0.1:8080"));
        }
        if authority.is_empty() || authority.contains(['@', '?', '#']) || base.contains(['?', '#']) {
            return Err(invalid("it has a host and a port only, such as http://127.0.0.1:8080"));
        }
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::Usage("the token has characters that a header cannot have".into()));
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let connect_to = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { authority: authority.to_owned(), connect_to, base, token })
    }

    /// Sends a request, and waits for the head of the answer.
    fn get(&self, path: &str) -> Result<Answer, Failure> {
        let stream = self.connect().map_err(|error| self.no_answer(error))?;
        let mut body = BufReader::new(stream);
        let mut head = format!("GET {}{path} HTTP/1.0\r\nhost: {}\r\n", self.base, self.authority);
        head += "accept: application/json, text/event-stream\r\n";
        if let Some(token) = &self.token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        head += "\r\n";
        body.get_mut().write_all(head.as_bytes()).map_err(|error| self.no_answer(error))?;
        let Head { status, length, content_type } = self.read_head(&mut body)?;
        if status == 200 {
            return Ok(Answer { length, content_type, body });
        }
        let mut why = Vec::new();
        // What has come says enough.
        let _ = body.take(length.unwrap_or(HEAD).min(HEAD)).read_to_end(&mut why);
        let why = String::from_utf8_lossy(&why).trim().replace('\n', "; ");
        match status {
            401 | 403 => Err(Failure::Refused { address: self.address(), status, why }),
            500..=599 => Err(Failure::NoAnswer { address: self.address(), why: format!("{status}: {why}") }),
            _ => Err(self.not_understood(format!("{path} is answered with {status}"))),
        }
    }

    /// Returns the whole body of an answer.
    pub(crate) fn read(&self, path: &str) -> Result<String, Failure> {
        let Answer { length, body, .. } = self.get(path)?;
        if length.is_some_and(|length| length > LONGEST) {
            return Err(self.not_understood("the answer is too long".into()));
        }
        let mut bytes = Vec::new();
        body.take(LONGEST).read_to_end(&mut bytes).map_err(|error| self.no_answer(error))?;
        if length.is_some_and(|length| length != bytes.len() as u64) {
            return Err(self.no_answer(io::ErrorKind::UnexpectedEof.into()));
        }
        String::from_utf8(bytes).map_err(|_| self.not_understood("the answer is no text".into()))
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "this host has no address");
        for address in self.connect_to.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(SILENCE))?;
                    stream.set_write_timeout(Some(SILENCE))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends the request for the stream of events.
    pub(crate) fn events(&self) -> Result<Answer, Failure> {
        let answer = self.get("/events")?;
        // Some servers answer every request with a page.
        match answer.content_type.starts_with("text/event-stream") {
            true => Ok(answer),
            false => Err(self.not_understood("/events is no stream of events".into())),
        }
    }

    fn read_head(&self, body: &mut BufReader<TcpStream>) -> Result<Head, Failure> {
        let mut head = body.take(HEAD);
        let mut line = |failed: &str| {
            let mut line = Vec::new();
            head.read_until(b'\n', &mut line).map_err(|error| self.no_answer(error))?;
            match line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok()) {
                Some(line) => Ok(line.trim_end_matches('\r').to_owned()),
                None => Err(self.not_understood(failed.into())),
            }
        };
        let no_http = "it does not speak HTTP";
        let first = line(no_http)?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse().ok());
        let status = status.ok_or_else(|| self.not_understood(no_http.into()))?;
        let (mut length, mut content_type) = (None, String::new());
        loop {
            let header = line("the head of its answer is too long")?;
            if header.is_empty() {
                return Ok(Head { status, length, content_type });
            }
            let (name, value) = header.split_once(':').unwrap_or((&header, ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
            if name.eq_ignore_ascii_case("content-type") {
                content_type = value.trim().to_ascii_lowercase();
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(self.not_understood("it answers HTTP/1.0 with chunks".into()));
            }
        }
    }

    /// Returns the address, for a person.
    pub(crate) fn address(&self) -> String {
        format!("http://{}{}", self.authority, self.base)
    }

    pub(crate) fn no_answer(&self, error: io::Error) -> Failure {
        let why = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "it is silent".into(),
            io::ErrorKind::UnexpectedEof => "the connection was closed".into(),
            io::ErrorKind::ConnectionRefused => {
                "connection refused; is the program running, and is this its port?".into()
            }
            _ => error.to_string(),
        };
        Failure::NoAnswer { address: self.address(), why }
    }

    pub(crate) fn not_understood(&self, why: String) -> Failure {
        Failure::NotUnderstood { what: self.address(), why }
    }
}

impl Answer {
    /// Returns the next event of a stream of server-sent events, without its `data: `. `None` at the end.
    pub(crate) fn next_event(&mut self) -> io::Result<Option<String>> {
        loop {
            let mut line = Vec::new();
            (&mut self.body).take(LONGEST).read_until(b'\n', &mut line)?;
            // At the end, or cut.
            let Some(line) = line.strip_suffix(b"\n") else { return Ok(None) };
            // Between the events there are empty lines.
            if let Some(data) = line.strip_prefix(b"data: ") {
                return Ok(Some(String::from_utf8_lossy(data).into_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Answers one request with this, and returns the request.
    fn server(answer: &'static str) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut reader = BufReader::new(stream);
            let mut request = String::new();
            while !request.ends_with("\r\n\r\n") {
                reader.read_line(&mut request).expect("a request");
            }
            reader.get_mut().write_all(answer.as_bytes()).expect("a client that reads");
            request
        });
        (url, thread)
    }

    fn failure(answer: &'static str) -> Failure {
        let (url, _thread) = server(answer);
        Endpoint::new(&url, None).expect("a URL").read("/tree").expect_err("it fails")
    }

    #[test]
    fn a_request_names_the_host_and_has_the_token() {
        let (url, thread) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        let endpoint = Endpoint::new(&format!("{url}/below/"), Some("secret".into())).expect("a URL");
        assert_eq!(endpoint.read("/tree").expect("an answer"), "{}");
        let request = thread.join().expect("a request");
        assert!(request.starts_with("GET /below/tree HTTP/1.0\r\n"), "{request}");
        assert!(request.contains(&format!("host: {}\r\n", &url[7..])), "{request}");
        assert!(request.contains("authorization: Bearer secret\r\n"), "{request}");
        assert!(!format!("{endpoint:?}").contains("secret"));
    }

    #[test]
    fn each_refusal_has_its_own_words_and_exit_code() {
        let needed = failure("HTTP/1.1 401 x\r\n\r\na token is needed\n");
        assert_eq!(needed.exit_code(), 3);
        assert!(needed.to_string().contains("--token-file"), "{needed}");
        let forbidden = failure("HTTP/1.1 403 x\r\n\r\nthis name of the host is not allowed here\n");
        assert_eq!(forbidden.exit_code(), 3);
        assert!(forbidden.to_string().contains("name of the host"), "{forbidden}");
        assert_eq!(failure("HTTP/1.1 503 x\r\n\r\nbusy\n").exit_code(), 1);
        assert_eq!(failure("HTTP/1.1 404 x\r\n\r\n").exit_code(), 4);
        assert_eq!(failure("SSH-2.0-OpenSSH_9.2\r\n").exit_code(), 4);
        assert_eq!(failure("").exit_code(), 4);
    }

    #[test]
    fn an_answer_that_is_cut_is_no_answer() {
        let cut = failure("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{}");
        assert_eq!(cut.exit_code(), 1, "{cut}");
    }

    #[test]
    fn the_text_of_a_refusal_cannot_control_the_terminal() {
        let text = failure("HTTP/1.1 403 x\r\n\r\n\u{1b}]0;title\u{7}").to_string();
        assert!(!text.contains(char::is_control), "{text:?}");
    }

    #[test]
    fn a_closed_port_is_no_answer() {
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let failure = Endpoint::new(&closed.to_string(), None).expect("a URL").read("/tree").expect_err("it is closed");
        assert_eq!(failure.exit_code(), 1);
        assert!(failure.to_string().contains("is the program running"), "{failure}");
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        for url in
            ["https://a", "ftp://a", "", "http://", "http://a b", "http://a@b", "http://a/?b", "http://a\r\nx: y"]
        {
            assert_eq!(Endpoint::new(url, None).expect_err(url).exit_code(), 2);
        }
        assert!(Endpoint::new("localhost:1", Some("a\nb".into())).is_err());
        assert!(Endpoint::new("[::1]:8080", None).is_ok());
    }
}
