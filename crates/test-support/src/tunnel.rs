//! An HTTP CONNECT proxy, with a password if configured, that leads every tunnel to one address.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One that runs as long as the process.
pub struct Tunnel {
    address: String,
    credentials: Option<String>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// One whose tunnels end at `to`, for those who show `user:password`, if it is given.
    pub fn start(to: &str, credentials: Option<&str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let expected = credentials
            .map(|credentials| format!("proxy-authorization: basic {}", STANDARD.encode(credentials)));
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (kept, to) = (Arc::clone(&asked), to.to_owned());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, to, expected) = (Arc::clone(&kept), to.clone(), expected.clone());
                // A connection that is broken off is the client's affair.
                thread::spawn(move || drop(serve(stream, &to, expected.as_deref(), &kept)));
            }
        });
        Self { address, credentials: credentials.map(str::to_owned), asked }
    }

    /// `http://user:password@127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let credentials = self.credentials.as_ref().map(|text| format!("{text}@"));
        format!("http://{}{}", credentials.unwrap_or_default(), self.address)
    }

    /// The first line of every request so far, which are forgotten.
    pub fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn serve(
    stream: TcpStream,
    to: &str,
    expected: Option<&str>,
    asked: &Mutex<Vec<String>>,
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
    asked.lock().unwrap().push(lines.first().cloned().unwrap_or_default());
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
    // The reader may hold the beginning of what goes through.
    std::io::copy(&mut reader, &mut there)?;
    there.shutdown(Shutdown::Both)
}
