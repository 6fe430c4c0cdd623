//! A small client of HTTP/1.0, for the web servers of Airflow on this machine.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest answer that is read, with its head, in bytes: what InvokeRestApi may answer, and a little more.
const ANSWER_BYTES_MAX: u64 = 6 * 1024 * 1024 + 64 * 1024;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// The headers' names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'q> {
    pub port: u16,
    pub method: &'q str,
    /// Path and query, percent-encoded.
    pub target: &'q str,
    pub headers: &'q [(&'q str, &'q str)],
    /// JSON.
    pub body: Option<&'q str>,
}

/// Asks, and reads the whole answer.
///
/// # Errors
/// Where nobody listens, the answer is none of HTTP or not whole, it takes longer than the timeout, or
/// ([`FileTooLarge`](io::ErrorKind::FileTooLarge)) it is too long.
pub(super) async fn ask(question: Question<'_>, timeout: Duration) -> io::Result<Answer> {
    tokio::time::timeout(timeout, exchange(question)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(question: Question<'_>) -> io::Result<Answer> {
    let Question { port, method, target, headers, body } = question;
    let injected = |text: &str| text.contains(['\r', '\n']);
    if injected(target) || target.contains(' ') || headers.iter().any(|(name, value)| injected(name) || injected(value))
    {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut head = format!("{method} {target} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nAccept: application/json\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(body) = body {
        head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.unwrap_or_default().as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > ANSWER_BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    read(&bytes).ok_or_else(|| io::Error::other("the web server of Airflow did not answer in HTTP"))
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    // Some answer in HTTP/1.1 whatever they were asked in.
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        body = unchunked(&body)?;
    } else if let Some(length) = header("content-length").and_then(|length| length.parse::<usize>().ok()) {
        if body.len() < length {
            return None;
        }
        body.truncate(length);
    }
    Some(Answer { status, headers, body })
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|part| part == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        let from = end + 2;
        body.extend_from_slice(rest.get(from..from.checked_add(size)?)?);
        rest = rest.get(from + size + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expect: Option<(u16, &str)>) {
        let answer =
            read(bytes.as_bytes()).map(|answer| (answer.status, String::from_utf8_lossy(&answer.body).into_owned()));
        assert_eq!(answer, expect.map(|(status, body)| (status, body.to_owned())), "{bytes:?}");
    }

    #[test]
    fn answers_are_read() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x", Some((200, "{}")));
        check("HTTP/1.0 404 Not Found\r\n\r\nno", Some((404, "no")));
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n",
            Some((200, "abcd")),
        );
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", None);
        check("HTTP/1.1 OK\r\n\r\n", None);
        check("nonsense", None);
    }
}
