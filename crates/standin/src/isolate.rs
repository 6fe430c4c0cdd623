//! A network of its own for a command, in which there is one server and nothing else (Linux).
//!
//! `unshare` makes the network; within it, [`inside`] brings up the loopback device, listens where the server is outside,
//! and carries every connection over a Unix socket, for which networks do not matter.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::process::Command;

use crate::guard::Ports;

/// How `unshare` makes a network for whoever may have none by right; the command stays who it is.
const UNSHARE: [&str; 5] = ["--user", "--map-current-user", "--keep-caps", "--net", "--"];

/// Whether this machine lets programs have a network of their own.
///
/// # Errors
/// What `unshare` or `ip` said, or that one of them is missing.
pub async fn check() -> io::Result<()> {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(["ip", "link", "set", "lo", "up"]);
    let done = command.stdin(Stdio::null()).output().await?;
    match done.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(String::from_utf8_lossy(&done.stderr).trim().to_owned())),
    }
}

/// A command that runs another one in a network where only this server is.
///
/// # Errors
/// When standin does not know its own file.
pub fn command(socket: &Path, server: SocketAddr, arguments: &[OsString]) -> io::Result<Command> {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(std::env::current_exe()?).arg("inside").arg("--socket").arg(socket);
    command.arg("--port").arg(server.port().to_string()).arg("--").args(arguments);
    Ok(command)
}

/// Carries connections from the socket on to the server, from now on.
///
/// # Errors
/// When the socket cannot be made.
pub fn relay(socket: &Path, server: SocketAddr, ports: Ports) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let ports = Arc::clone(&ports);
            tokio::spawn(async move {
                let port = inner.read_u16().await?;
                let mut outer = TcpStream::connect(server).await?;
                let from = outer.local_addr()?.port();
                ports.lock().unwrap_or_else(PoisonError::into_inner).insert(from, port);
                let carried = copy_bidirectional(&mut inner, &mut outer).await;
                ports.lock().unwrap_or_else(PoisonError::into_inner).remove(&from);
                carried.map(|_| ())
            });
        }
    });
    Ok(())
}

/// Within the network: makes it usable, and listens where the server is outside.
///
/// # Errors
/// When the loopback device cannot be brought up, or nobody can listen there.
pub async fn inside(socket: &Path, port: u16) -> io::Result<()> {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().await?;
    if !up.success() {
        return Err(io::Error::other("ip cannot bring up the loopback device"));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let socket = socket.to_owned();
    tokio::spawn(async move {
        while let Ok((mut inner, client)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut outer = UnixStream::connect(&socket).await?;
                outer.write_u16(client.port()).await?;
                copy_bidirectional(&mut inner, &mut outer).await.map(|_| ())
            });
        }
    });
    Ok(())
}
