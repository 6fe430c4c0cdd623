//! The storage as other engines and the handler use it, without sockets: versions, races, what a crash leaves.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use standin_core::{BodySource, BoxFuture, Call, CallContext, Clock, Dice, Handler as _, OperationError};
use standin_model::{Catalogue, Document, Protocol, Timestamp};
use standin_s3::{Engine, FileBlobs, MemoryBlobs, ObjectEventKind, ObjectStorage, body_of};
use standin_store::MemoryStore;

const ACCOUNT: &str = "111122223333";

struct World {
    storage: Arc<ObjectStorage>,
    engine: Engine,
    now: Timestamp,
}

impl World {
    fn new() -> Self {
        Self::with(Arc::new(ObjectStorage::new(Arc::new(MemoryStore::new()), Arc::new(MemoryBlobs::default()))))
    }

    fn with(storage: Arc<ObjectStorage>) -> Self {
        Self { engine: Engine::new(storage.clone()), storage, now: Timestamp::from_seconds(1_800_000_000) }
    }

    fn account(&self) -> standin_s3::Account {
        self.storage.account(&ACCOUNT.into(), self.now)
    }

    /// Answers one operation as the server would.
    async fn call(&self, operation: &str, input: serde_json::Value, body: Option<&[u8]>) -> Result<Document, String> {
        let service = Catalogue::shared().newest("s3").expect("served").open().expect("opens");
        let context = CallContext {
            request_id: format!("{operation} {input}").into(),
            ordinal: 1,
            service,
            operation: service.operation(operation).expect("modelled"),
            protocol: Protocol::RestXml,
            partition: "aws",
            account: ACCOUNT.into(),
            region: "us-east-1".into(),
            access_key: None,
            base_url: "http://localhost".into(),
            now: self.now,
            origin: Clock::real().origin(),
            dice: Dice::new(0),
            mishap: None,
        };
        let body = body.map(|bytes| body_of(Bytes::copy_from_slice(bytes)));
        let mut call = Call { context, input: Document::from_json(&input), body };
        let answer = self.engine.handle(&mut call).await;
        answer.map(|answer| answer.output).map_err(|error| error.code.into_owned())
    }

    async fn bucket(&self, versioned: bool) {
        self.call("CreateBucket", serde_json::json!({"Bucket": "bucket"}), None).await.expect("created");
        if versioned {
            let input = serde_json::json!({"Bucket": "bucket", "VersioningConfiguration": {"Status": "Enabled"}});
            self.call("PutBucketVersioning", input, None).await.expect("versioned");
        }
    }

    async fn put(&self, key: &str, body: &str) -> Option<String> {
        let body = body_of(body.to_owned());
        self.account().put("bucket", key, body, Some("text/plain")).await.expect("written").version
    }

    async fn get(&self, key: &str, version: Option<&str>) -> Result<String, String> {
        let open = self.account().get("bucket", key, version).await.map_err(|error| error.code.into_owned())?;
        let bytes = open.collect(1 << 20).await.expect("readable");
        Ok(String::from_utf8(bytes.to_vec()).expect("text"))
    }
}

#[tokio::test]
async fn objects_come_and_go() {
    let world = World::new();
    assert_eq!(world.get("k", None).await, Err("NoSuchBucket".to_owned()));
    world.bucket(false).await;
    let mut events = world.storage.subscribe();
    assert_eq!(world.put("k", "one").await, None);
    assert_eq!(world.put("dir/k", "two").await, None);
    assert_eq!(world.get("k", None).await.as_deref(), Ok("one"));
    let info = world.account().head("bucket", "dir/k", None).await.expect("there");
    assert_eq!((info.size, info.content_type.as_deref()), (3, Some("text/plain")));
    let list = world.account().list("bucket", "", Some("dir/k"), 10).await.expect("listed");
    assert_eq!(list.iter().map(|info| &*info.key).collect::<Vec<_>>(), ["k"]);
    world.account().delete("bucket", "k").await.expect("deleted");
    assert_eq!(world.get("k", None).await, Err("NoSuchKey".to_owned()));
    let kinds: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| (event.kind, event.key)).collect();
    let written = |key: &str| (ObjectEventKind::Written, key.to_owned());
    assert_eq!(kinds, [written("k"), written("dir/k"), (ObjectEventKind::Removed, "k".to_owned())]);
    let other = world.storage.account(&"999988887777".into(), world.now);
    assert_eq!(other.get("bucket", "dir/k", None).await.expect_err("another's").code, "NoSuchBucket");
}

#[tokio::test]
async fn every_order_of_removal_leaves_the_newest_in_place() {
    // Three versions and a delete marker; each order in which the four may be removed.
    for order in permutations(4) {
        let world = World::new();
        world.bucket(true).await;
        let mut left = Vec::new();
        for body in ["1", "2", "3"] {
            left.push((world.put("k", body).await.expect("a version"), Some(body)));
        }
        let deleted = world.call("DeleteObject", serde_json::json!({"Bucket": "bucket", "Key": "k"}), None).await;
        let deleted = deleted.expect("deleted");
        let marker = deleted.get("VersionId").and_then(Document::as_str).expect("a marker").to_owned();
        left.push((marker, None));
        let all = left.clone();
        for at in order {
            let gone = &all[at];
            let input = serde_json::json!({"Bucket": "bucket", "Key": "k", "VersionId": gone.0});
            world.call("DeleteObject", input, None).await.expect("removed");
            left.retain(|version| version.0 != gone.0);
            let expect = left.last().and_then(|(_, body)| *body).ok_or("NoSuchKey");
            assert_eq!(world.get("k", None).await.as_deref().map_err(String::as_str), expect);
            let listed = world.call("ListObjectVersions", serde_json::json!({"Bucket": "bucket"}), None).await;
            let listed = listed.expect("listed");
            let mut found = Vec::new();
            for name in ["DeleteMarkers", "Versions"] {
                for item in listed.get(name).and_then(Document::as_list).unwrap_or_default() {
                    let version = item.get("VersionId").and_then(Document::as_str).expect("a version").to_owned();
                    found.push((version, item.get("IsLatest") == Some(&Document::Bool(true))));
                }
            }
            let newest = left.last().map(|(version, _)| version);
            let expect: Vec<_> =
                left.iter().rev().map(|(version, _)| (version.clone(), Some(version) == newest)).collect();
            assert_eq!(found, expect);
        }
        world.call("DeleteBucket", serde_json::json!({"Bucket": "bucket"}), None).await.expect("empty");
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(count - 1) {
        for place in 0..count {
            let mut longer = shorter.clone();
            longer.insert(place, count - 1);
            all.push(longer);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writers_at_once_none_is_lost() {
    let world = Arc::new(World::new());
    world.bucket(true).await;
    let writers: Vec<_> = (0..40)
        .map(|at| {
            let world = world.clone();
            tokio::spawn(async move { world.put("k", &at.to_string()).await.expect("a version") })
        })
        .collect();
    let mut versions = HashSet::new();
    for (at, writer) in writers.into_iter().enumerate() {
        let version = writer.await.expect("no panic");
        assert_eq!(world.get("k", Some(&version)).await.as_deref(), Ok(&*at.to_string()));
        versions.insert(version);
    }
    assert_eq!(versions.len(), 40);
    // Only one of many may be the first.
    let writers: Vec<_> = (0..20)
        .map(|at| {
            let world = world.clone();
            let input = serde_json::json!({"Bucket": "bucket", "Key": "once", "IfNoneMatch": "*", "Metadata": {"n": at.to_string()}});
            tokio::spawn(async move { world.call("PutObject", input, Some(b"x")).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for writer in writers {
        won += usize::from(writer.await.expect("no panic"));
    }
    assert_eq!(won, 1);
}

/// A body that breaks off.
struct Broken(u32);

impl BodySource for Broken {
    fn next(&mut self) -> BoxFuture<'_, Option<std::io::Result<Bytes>>> {
        self.0 += 1;
        let piece = if self.0 < 5 { Ok(Bytes::from(vec![1; 200_000])) } else { Err(std::io::Error::other("gone")) };
        Box::pin(std::future::ready(Some(piece)))
    }
}

fn scratch() -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("standin-s3-{}-{number}", std::process::id()))
}

fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { 1 }).sum()
}

#[tokio::test]
async fn what_is_not_written_whole_leaves_nothing() {
    let folder = scratch();
    let blobs = Arc::new(FileBlobs::open(&folder).expect("opened"));
    let world = World::with(Arc::new(ObjectStorage::new(Arc::new(MemoryStore::new()), blobs)));
    world.bucket(false).await;
    let before = files(&folder);
    let outcome: Result<_, OperationError> = world.account().put("bucket", "k", Box::new(Broken(0)), None).await;
    assert_eq!(outcome.expect_err("broken").code, "IncompleteBody");
    assert_eq!(world.get("k", None).await, Err("NoSuchKey".to_owned()));
    while files(&folder) > before {
        tokio::task::yield_now().await;
    }
    world.put("k", "kept").await;
    world.put("k", "kept instead").await;
    world.put("gone", "gone").await;
    world.account().delete("bucket", "gone").await.expect("deleted");
    assert_eq!(files(&folder), before + 1);
    // As a crash between the bytes and their row leaves it.
    std::fs::create_dir_all(folder.join("ab")).expect("made");
    std::fs::write(folder.join("ab").join("ab00"), b"orphan").expect("written");
    assert_eq!(world.storage.sweep().await.expect("swept"), 1);
    assert_eq!(world.get("k", None).await.as_deref(), Ok("kept instead"));
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn sweeping_keeps_all_that_is_referred_to() {
    let world = World::new();
    world.bucket(true).await;
    let first = world.put("k", "old").await.expect("a version");
    world.put("k", "new").await;
    let name = |more: serde_json::Value| {
        let mut input = serde_json::json!({"Bucket": "bucket", "Key": "parts"});
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        input
    };
    for finish in [true, false] {
        let upload = world.call("CreateMultipartUpload", name(serde_json::json!({})), None).await.expect("begun");
        let upload = upload.get("UploadId").and_then(Document::as_str).expect("an id").to_owned();
        let part = name(serde_json::json!({"UploadId": upload, "PartNumber": 1}));
        let part = world.call("UploadPart", part, Some(b"part")).await.expect("uploaded");
        let etag = part.get("ETag").and_then(Document::as_str).expect("an ETag").to_owned();
        let list =
            serde_json::json!({"UploadId": upload, "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}});
        if finish {
            world.call("CompleteMultipartUpload", name(list), None).await.expect("finished");
        } else {
            assert_eq!(world.storage.sweep().await.expect("swept"), 0);
            assert_eq!(world.get("parts", None).await.as_deref(), Ok("part"));
            world.call("CompleteMultipartUpload", name(list), None).await.expect("its part was kept");
        }
    }
    assert_eq!(world.get("k", Some(&first)).await.as_deref(), Ok("old"));
    assert_eq!(world.get("k", None).await.as_deref(), Ok("new"));
    assert_eq!(world.get("parts", None).await.as_deref(), Ok("part"));
}
