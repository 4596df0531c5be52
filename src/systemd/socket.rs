use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::{
        ffi::OsStrExt,
        net::{SocketAddr, UnixDatagram},
    },
};

/// A way to systemd.
///
/// It is not connected, because the other end may be made anew while the service runs. Sending never blocks.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UnixDatagram,
    address: SocketAddr,
    /// The address as systemd has given it, for messages.
    name: OsString,
}

impl Socket {
    /// Opens the socket of this address: a path, or `@` and an abstract name.
    pub(super) fn open(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            [b'@', name @ ..] => abstract_address(name)?,
            [b'v', b's', b'o', b'c', b'k', ..] => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "a socket of the family vsock, which is not supported",
                ));
            }
            _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path from `/` nor `@` and a name")),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, name: name.to_owned() })
    }

    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    pub(super) fn send(&self, message: &str) -> io::Result<()> {
        // A datagram is sent as a whole, or not at all.
        self.socket.send_to_addr(message.as_bytes(), &self.address).map(drop)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;

    SocketAddr::from_abstract_name(name)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has abstract sockets"))
}
