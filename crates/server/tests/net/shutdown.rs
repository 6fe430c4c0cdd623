use standin_server::net::{Limits, NetConfig};
use tokio::io::AsyncWriteExt as _;

use crate::harness::{config, read_to_end, read_until, start};

#[tokio::test]
async fn an_answer_under_way_is_finished() {
    let server = start(config()).await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    read_until(&mut idle, "proxy=false").await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /gated HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    read_until(&mut busy, "one").await;

    let (address, gate) = (server.address, server.gate.clone());
    let ended = server.stop();
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nothing is accepted any more");
    gate.notify_one();
    assert!(read_to_end(&mut busy).await.contains("two"));
    assert!(ended.await.expect("no panic").finished);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_is_cut() {
    let limits = Limits { shutdown_grace_ms: 1000, ..Limits::default() };
    let server = start(NetConfig { limits, ..config() }).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /gated HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    read_until(&mut busy, "one").await;
    let silent = server.connect().await;
    let metrics = server.metrics.clone();
    let ended = server.stop();
    assert!(!ended.await.expect("no panic").finished);
    assert_eq!(read_to_end(&mut busy).await, "");
    assert_eq!(metrics.connections_open(), 0);
    drop(silent);
}
