//! Servers as child processes, and what the system knows about them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{cases, load};

/// Clock ticks per second in `/proc/*/stat`: 100 on every Linux that people run.
const TICKS_PER_SECOND: u64 = 100;
const START_MAX: Duration = Duration::from_secs(120);

/// A running server, killed on drop.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    pub async fn standin(binary: &Path) -> Result<Self> {
        Self::standin_with(binary, &[]).await
    }

    pub async fn standin_with(binary: &Path, arguments: &[&str]) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(binary);
        command.args(["serve", "--quiet", "--log", "error", "--listen", &format!("127.0.0.1:{port}")]).args(arguments);
        Self::spawn(command, port).await
    }

    /// The bare server: this very program under another name.
    pub async fn bare(body_bytes: usize, head_bytes: usize) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", &port.to_string(), &body_bytes.to_string(), &head_bytes.to_string()]);
        Self::spawn(command, port).await
    }

    /// Another server, whose output nobody reads.
    pub async fn silent(mut command: Command, port: u16) -> Result<Self> {
        let child = command.stdout(Stdio::null()).stdin(Stdio::null()).spawn().context("cannot start a server")?;
        let mut server = Self { child, port };
        server.until_connected().await?;
        Ok(server)
    }

    async fn spawn(mut command: Command, port: u16) -> Result<Self> {
        let child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().context("cannot start a server")?;
        let mut server = Self { child, port };
        server.until_connected().await?;
        // Keep its output from filling the pipe.
        if let Some(output) = server.child.stdout.take() {
            std::thread::spawn(move || BufReader::new(output).lines().map_while(Result::ok).for_each(drop));
        }
        Ok(server)
    }

    async fn until_connected(&mut self) -> Result<()> {
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            if started.elapsed() > START_MAX || self.child.try_wait()?.is_some() {
                bail!("a server did not start");
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        Ok(())
    }

    /// User and system time that the process has used; resolution 10 ms.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after_name = stat.rsplit_once(')').context("/proc/PID/stat")?.1;
        let ticks: u64 = after_name.split_whitespace().skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    pub fn resident_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        line.trim().trim_end_matches(" kB").trim().parse().context("VmRSS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From starting the process to the end of its first answer to an AWS request.
pub async fn start_to_first_answer(binary: &Path) -> Result<Duration> {
    let started = Instant::now();
    let server = Server::standin(binary).await?;
    let answer = load::one(server.port, &cases::ALL[0].request(server.port)).await?;
    let took = started.elapsed();
    anyhow::ensure!(answer.status == 200, "the first answer has status {}", answer.status);
    Ok(took)
}

/// Ports that are free at the moment, all different.
pub fn free_ports(count: usize) -> Result<Vec<u16>> {
    let taken: Vec<_> = (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    taken.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
