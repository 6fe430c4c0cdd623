//! A hyper server that reads the request and returns a fixed number of bytes: what HTTP alone costs.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};

/// What hyper writes besides the padding: status line, `content-type`, `content-length`, `date` and the blank line.
const PLAIN_HEAD_BYTES: usize = 130;

pub fn serve(port: u16, body_bytes: usize, head_bytes: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        println!("Ready.");
        let body = Bytes::from(vec![b'x'; body_bytes]);
        let padding = HeaderValue::from_str(&"p".repeat(head_bytes.saturating_sub(PLAIN_HEAD_BYTES)))?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (body, padding) = (body.clone(), padding.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, body.clone(), padding.clone()));
                let _ = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

async fn answer(
    request: Request<Incoming>,
    body: Bytes,
    padding: HeaderValue,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response.headers_mut().insert("x-padding", padding);
    Ok(response)
}
