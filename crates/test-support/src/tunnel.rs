//! An HTTP CONNECT proxy, optionally with a password, whose tunnels all lead to one address.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Runs as long as the process.
pub struct Tunnel {
    address: String,
    credentials: Option<String>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// A proxy whose tunnels lead to `to`; clients need `user:password`, if given.
    pub fn start(to: &str, credentials: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let expected = credentials
            .map(|credentials| format!("proxy-authorization: basic {}", STANDARD.encode(credentials)));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (kept, to) = (Arc::clone(&requests), to.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, to, expected) = (Arc::clone(&kept), to.clone(), expected.clone());
                // Clients may close connections.
                thread::spawn(move || drop(serve(stream, &to, expected.as_deref(), &kept)));
            }
        });
        Self { address, credentials: credentials.map(str::to_owned), requests }
    }

    /// `http://user:password@127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let credentials = self.credentials.as_ref().map(|text| format!("{text}@"));
        format!("http://{}{}", credentials.unwrap_or_default(), self.address)
    }

    /// The first line of every request since the last call.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn serve(
    stream: TcpStream,
    to: &str,
    expected: Option<&str>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    requests.lock().unwrap().push(lines.first().cloned().unwrap_or_default());
    let mut stream = stream;
    let shown = |expected: &str| {
        lines.iter().any(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            let (kind, value) = value.split_once(' ').unwrap_or_default();
            format!("{}: {} {value}", name.to_lowercase(), kind.to_lowercase()) == expected
        })
    };
    if !expected.is_none_or(shown) {
        return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
    }
    let mut there = TcpStream::connect(to)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut back, mut client) = (there.try_clone()?, stream.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut client);
        client.shutdown(Shutdown::Both)
    });
    // The reader may have buffered the first bytes of the tunnel.
    std::io::copy(&mut reader, &mut there)?;
    there.shutdown(Shutdown::Both)
}
