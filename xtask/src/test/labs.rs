//! Starts labs for tests that cannot start a program of this system: those of a Windows program under Wine.
//!
//! A connection sends the lab's arguments in one line and gets the lab's ready line; the lab ends with the connection.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Starts labs until this process ends; gives the address to connect to.
pub fn serve(program: PathBuf) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?.to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let program = program.clone();
            std::thread::spawn(move || {
                if let Err(error) = lab(&program, connection) {
                    eprintln!("xtask: a lab for a test: {error:#}");
                }
            });
        }
    });
    Ok(address)
}

fn lab(program: &Path, mut connection: TcpStream) -> Result<()> {
    let mut from = BufReader::new(connection.try_clone()?);
    let mut arguments = String::new();
    from.read_line(&mut arguments)?;
    let mut child = Command::new(program)
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| program.display().to_string())?;
    let mut ready = String::new();
    BufReader::new(child.stdout.take().context("stdout is piped")?).read_line(&mut ready)?;
    // A test that is gone already leaves nothing behind: its lab ends below.
    let _ = connection.write_all(ready.as_bytes());
    let _ = from.read(&mut [0]);
    drop(child.stdin.take());
    child.wait()?;
    Ok(())
}
