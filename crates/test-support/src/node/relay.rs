//! A TCP relay in front of a registry, which can hold requests.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::hold::Hold;

/// Listens on its own port until it is dropped.
pub struct Relay {
    host: String,
    hold: Hold,
    ended: Arc<AtomicBool>,
}

impl Relay {
    /// Starts a relay in front of `registry`, a `127.0.0.1:PORT`.
    pub fn start(registry: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let host = listener.local_addr().expect("it listens").to_string();
        let relay = Self { host, hold: Hold::default(), ended: Arc::default() };
        let (hold, ended, registry) = (relay.hold.clone(), Arc::clone(&relay.ended), registry.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                // If the registry is down, the client's connection is closed.
                if let Ok(server) = TcpStream::connect(&registry) {
                    serve(client, server, &hold);
                }
            }
        });
        relay
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Holds requests by their head: the request line and all headers, as on the wire.
    pub fn hold(&self) -> &Hold {
        &self.hold
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        self.hold.release();
        let _ = TcpStream::connect(&self.host);
    }
}

fn serve(client: TcpStream, server: TcpStream, hold: &Hold) {
    let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { return };
    let hold = hold.clone();
    // A request without a body arrives in one piece.
    thread::spawn(move || pump(from_client, to_server, |bytes| hold.pass(&String::from_utf8_lossy(bytes))));
    thread::spawn(move || pump(server, client, |_| ()));
}

fn pump(mut from: TcpStream, mut to: TcpStream, see: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        see(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
