//! Processes that are killed while they write to a controller.

use crate::Lab;
use crate::wire::{Cut, Server, WRITES};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A process, and at which of its writes it is killed; never, where that is 0.
struct Doomed {
    process: Child,
    writes: usize,
    cut: Cut,
    sent: usize,
}

/// Kills processes that are connected through a server of this one's: at so many writes to the directory, before the controller
/// gets that one, or behind it with nobody who hears its answer.
pub struct Doom {
    server: Server,
    doomed: Arc<Mutex<Option<Doomed>>>,
}

impl Doom {
    pub fn before(lab: &Lab) -> Doom {
        let doomed: Arc<Mutex<Option<Doomed>>> = Arc::default();
        let next = Arc::clone(&doomed);
        let server = Server::before(lab, move |asked| {
            let mut next = next.lock().unwrap();
            let Some(doomed) = next.as_mut().filter(|_| WRITES.contains(&asked.operation)) else {
                return;
            };
            doomed.sent += 1;
            if doomed.sent == doomed.writes {
                doomed.process.kill().unwrap();
                asked.cut = Some(doomed.cut);
            }
        });
        Doom {
            server: entra_sspr::task::runtime().unwrap().block_on(server),
            doomed,
        }
    }

    /// The port that processes connect to.
    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    /// What signed its certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.server.ca_file()
    }

    /// Runs a process to its end, which is at one of its writes. How many it sent, and whether it was killed, here or otherwise.
    pub fn kills(&self, command: &mut Command, writes: usize, cut: Cut) -> (usize, bool) {
        let told = format!("killed at write {writes}, {cut:?}");
        *self.doomed.lock().unwrap() = Some(Doomed {
            process: command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
            writes,
            cut,
            sent: 0,
        });
        let begun = Instant::now();
        let wait = || {
            assert!(begun.elapsed() < Duration::from_secs(60), "{told}: it hangs");
            std::thread::sleep(Duration::from_millis(1));
        };
        let ended = || {
            self.doomed
                .lock()
                .unwrap()
                .as_mut()
                .unwrap()
                .process
                .try_wait()
                .unwrap()
        };
        let status = loop {
            match ended() {
                Some(status) => break status,
                None => wait(),
            }
        };
        let is_killed = status.signal() == Some(9);
        assert!(is_killed || status.success(), "{told}: {status}");
        while !self.server.is_idle() {
            wait();
        }
        (self.doomed.lock().unwrap().take().unwrap().sent, is_killed)
    }
}
