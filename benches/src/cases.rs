//! The measured operations: one per family of protocols, each as a client sends it.

use crate::load::Request;

/// Stands in a request for six digits that differ from one to the next, or stay the same.
const SERIAL: &str = "000000";

pub struct Case {
    pub name: &'static str,
    pub protocol: &'static str,
    pub method: &'static str,
    pub path: &'static str,
    /// The signing name in the credential scope.
    pub signing_name: &'static str,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static [u8],
}

pub const ALL: &[Case] = &[
    Case {
        name: "DynamoDB GetItem",
        protocol: "JSON 1.0",
        method: "POST",
        path: "/",
        signing_name: "dynamodb",
        headers: &[("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.GetItem")],
        body: br#"{"TableName":"birds","Key":{"id":{"S":"heron-000000"}},"ConsistentRead":true}"#,
    },
    Case {
        name: "MWAA GetEnvironment",
        protocol: "REST-JSON",
        method: "GET",
        path: "/environments/birds-000000",
        signing_name: "airflow",
        headers: &[],
        body: b"",
    },
    Case {
        name: "CloudWatch ListMetrics",
        protocol: "RPC v2 CBOR",
        method: "POST",
        path: "/service/GraniteServiceVersion20100801/operation/ListMetrics",
        signing_name: "monitoring",
        headers: &[
            ("content-type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
            ("accept", "application/cbor"),
        ],
        // {"Namespace": "birds-000000"}
        body: b"\xa1\x69Namespace\x6cbirds-000000",
    },
];

impl Case {
    /// The request, with the headers that an SDK sends.
    pub fn request(&self, port: u16) -> Request {
        self.request_of(port, self.body)
    }

    /// The same with another body.
    pub fn request_of(&self, port: u16, body: &[u8]) -> Request {
        self.request_with(port, &[], body)
    }

    /// The same with further headers.
    pub fn request_with(&self, port: u16, more: &[(&str, &str)], body: &[u8]) -> Request {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n", self.method, self.path);
        for (name, value) in self.headers.iter().chain(more) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(
            "user-agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7\r\n",
        );
        head.push_str(
            "x-amz-date: 20260301T121314Z\r\namz-sdk-invocation-id: 0d4c6f0e-3ee1-4d0b-8a2e-3f2b3c1d6b11\r\n",
        );
        head.push_str("amz-sdk-request: attempt=1\r\n");
        head.push_str(&format!(
            "authorization: AWS4-HMAC-SHA256 Credential=111122223333/20260301/us-east-1/{}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={}\r\n",
            self.signing_name,
            "0123456789abcdef".repeat(4),
        ));
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        let at = bytes.windows(SERIAL.len()).rposition(|digits| digits == SERIAL.as_bytes());
        // A request without one is sent as it is, always.
        Request { bytes, serial_at: at.unwrap_or_default() }
    }
}
