//! The packed catalogue: an index that is read at start, and one compressed frame per API version that is opened
//! when it is first asked for.
//!
//! File layout: `STANDIN\0`, format (u32), index length (u32), all little endian; the index (zstd); then the frames.
//! The frame of an older API version of a service is compressed against the newest version's plain bytes.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::amend;
use crate::codec::{CodecError, FORMAT, Pack, Reader, Writer, pack_struct};
use crate::ir::{Example, Protocol, Service, Str};
use crate::partition::{Partition, Partitions};
use crate::words::squash;

const MAGIC: &[u8; 8] = b"STANDIN\0";
const HEADER_BYTES: usize = 16;

static EMBEDDED: &[u8] = include_bytes!("../../../catalogue/catalogue.bin");

#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("not a standin catalogue, or one of another format; rebuild it with `cargo xtask pack`")]
    Header,
    #[error("the catalogue is damaged")]
    Codec(#[from] CodecError),
    #[error("a catalogue frame cannot be decompressed")]
    Frame(#[source] std::io::Error),
    #[error("the examples of {service} are not JSON")]
    Examples {
        service: Str,
        #[source]
        source: serde_json::Error,
    },
}

/// What the index says of one API version of one service. Opening it gives the whole model.
#[derive(Debug)]
pub struct Entry {
    pub id: Str,
    pub version: Str,
    pub sdk_id: Str,
    pub title: Str,
    pub endpoint_prefix: Str,
    pub signing_name: Str,
    pub target_prefix: Option<Str>,
    pub global_endpoint: Option<Str>,
    pub protocols: Box<[Protocol]>,
    pub retired: bool,
    /// The newest API version of its service.
    pub newest: bool,
    pub operation_count: u32,
    frame: Frame,
    examples: Option<Frame>,
    source: Source,
    opened: OnceLock<&'static Service>,
    opened_examples: OnceLock<Examples>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    offset: u64,
    packed: u32,
    plain: u32,
}
pack_struct!(Frame { offset, packed, plain });

#[derive(Debug, Clone, Copy)]
enum Source {
    Packed { bytes: &'static [u8], base: Option<Frame> },
    Given(&'static Service),
}

impl Entry {
    /// The whole model. Decompressed once, kept for good.
    ///
    /// # Errors
    /// When the catalogue is damaged, which a test rules out for the embedded one.
    pub fn open(&self) -> Result<&'static Service, CatalogueError> {
        if let Some(service) = self.opened.get() {
            return Ok(service);
        }
        let service = match self.source {
            Source::Given(service) => service,
            Source::Packed { bytes, base } => {
                let base = base.map(|frame| decompress(bytes, frame, &[])).transpose()?;
                let plain = decompress(bytes, self.frame, base.as_deref().unwrap_or_default())?;
                let mut reader = Reader::new(Box::leak(plain.into_boxed_slice()))?;
                // Another thread may open the same entry meanwhile; the first to finish is kept, the other leaks once.
                return Ok(self.opened.get_or_init(|| {
                    let mut service =
                        Service::read(&mut reader).expect("every frame of the catalogue is read by a test");
                    amend::amend(&mut service);
                    Box::leak(Box::new(service))
                }));
            }
        };
        Ok(self.opened.get_or_init(|| service))
    }

    /// Whether [`Entry::open`] has been called.
    pub fn is_open(&self) -> bool {
        self.opened.get().is_some()
    }

    /// The modelled examples by operation; empty where there are none.
    ///
    /// # Errors
    /// When the catalogue is damaged.
    pub fn examples(&self) -> Result<&Examples, CatalogueError> {
        if let Some(examples) = self.opened_examples.get() {
            return Ok(examples);
        }
        let examples = match (self.examples, self.source) {
            (Some(frame), Source::Packed { bytes, .. }) => {
                let plain = decompress(bytes, frame, &[])?;
                Examples::from_json(&plain).map_err(|source| CatalogueError::Examples { service: self.id, source })?
            }
            _ => Examples::default(),
        };
        Ok(self.opened_examples.get_or_init(|| examples))
    }
}

/// Example inputs and outputs by operation.
#[derive(Debug, Default)]
pub struct Examples(HashMap<String, Vec<Example>>);

impl Examples {
    pub fn of(&self, operation: &str) -> &[Example] {
        self.0.get(operation).map_or(&[], Vec::as_slice)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        use serde_json::Value;
        let by_operation: HashMap<String, Vec<(Value, Value)>> = serde_json::from_slice(bytes)?;
        Ok(Self(
            by_operation
                .into_iter()
                .map(|(name, pairs)| {
                    (name, pairs.into_iter().map(|(input, output)| Example { input, output }).collect())
                })
                .collect(),
        ))
    }
}

/// What the identification index knows of an operation without opening its service.
#[derive(Debug, Clone, Copy)]
pub struct IndexedOperation {
    pub name: Str,
    pub method: Str,
    /// The URI pattern as the model writes it; `/` for protocols without paths.
    pub uri: Str,
}
pack_struct!(IndexedOperation { name, method, uri });

/// All services that one server knows.
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
    by_id: HashMap<Str, Vec<usize>>,
    operations: OnceLock<Vec<Box<[IndexedOperation]>>>,
    operations_frame: Option<(Frame, &'static [u8])>,
    partitions: Partitions,
}

struct PackedEntry {
    id: Str,
    version: Str,
    sdk_id: Str,
    title: Str,
    endpoint_prefix: Str,
    signing_name: Str,
    target_prefix: Option<Str>,
    global_endpoint: Option<Str>,
    protocols: Box<[Protocol]>,
    retired: bool,
    newest: bool,
    operation_count: u32,
    frame: Frame,
    base: Option<u32>,
    examples: Option<Frame>,
}
pack_struct!(PackedEntry {
    id,
    version,
    sdk_id,
    title,
    endpoint_prefix,
    signing_name,
    target_prefix,
    global_endpoint,
    protocols,
    retired,
    newest,
    operation_count,
    frame,
    base,
    examples,
});

impl Catalogue {
    /// The catalogue inside this binary. Reads the index only.
    ///
    /// # Panics
    /// Never in a tested build: the embedded bytes are part of it.
    pub fn embedded() -> Self {
        Self::from_bytes(EMBEDDED).expect("the embedded catalogue was packed for this build; run `cargo xtask pack`")
    }

    /// The embedded catalogue, read once per process and shared by every server in it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Catalogue> = OnceLock::new();
        SHARED.get_or_init(Self::embedded)
    }

    /// A catalogue with no services, for `--model` alone and for tests.
    pub fn empty() -> Self {
        Self {
            entries: Vec::new(),
            by_id: HashMap::new(),
            operations: OnceLock::new(),
            operations_frame: None,
            partitions: Partitions::default(),
        }
    }

    /// Reads a packed catalogue's index.
    ///
    /// # Errors
    /// When the bytes are not a catalogue of this build's format.
    pub fn from_bytes(bytes: &'static [u8]) -> Result<Self, CatalogueError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(CatalogueError::Header)?;
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        if &header[..8] != MAGIC || word(8) != FORMAT {
            return Err(CatalogueError::Header);
        }
        let packed = bytes.get(HEADER_BYTES..HEADER_BYTES + word(12) as usize).ok_or(CatalogueError::Header)?;
        let frames = &bytes[HEADER_BYTES + packed.len()..];
        let index = zstd::decode_all(packed).map_err(CatalogueError::Frame)?;
        let mut reader = Reader::new(Box::leak(index.into_boxed_slice()))?;
        let partitions: Box<[Partition]> = Pack::read(&mut reader)?;
        let operations_frame = Frame::read(&mut reader)?;
        let packed_entries: Box<[PackedEntry]> = Pack::read(&mut reader)?;
        let bases: Vec<Frame> = packed_entries.iter().map(|entry| entry.frame).collect();
        let mut catalogue = Self {
            operations_frame: Some((operations_frame, frames)),
            partitions: Partitions::new(partitions),
            ..Self::empty()
        };
        for packed in packed_entries {
            let base = packed.base.and_then(|at| bases.get(at as usize).copied());
            catalogue.push(Entry {
                id: packed.id,
                version: packed.version,
                sdk_id: packed.sdk_id,
                title: packed.title,
                endpoint_prefix: packed.endpoint_prefix,
                signing_name: packed.signing_name,
                target_prefix: packed.target_prefix,
                global_endpoint: packed.global_endpoint,
                protocols: packed.protocols,
                retired: packed.retired,
                newest: packed.newest,
                operation_count: packed.operation_count,
                frame: packed.frame,
                examples: packed.examples,
                source: Source::Packed { bytes: frames, base },
                opened: OnceLock::new(),
                opened_examples: OnceLock::new(),
            });
        }
        Ok(catalogue)
    }

    /// Adds a model given at run time. It replaces all versions of the service of the same id, or of the same SDK id.
    pub fn add(&mut self, service: Service) {
        let id = self
            .entries
            .iter()
            .find(|entry| entry.id == service.id || entry.sdk_id == service.sdk_id)
            .map_or(service.id, |entry| entry.id);
        // Settles the operation index of the packed entries before their places shift.
        self.operation_index();
        let mut operations = self.operations.take().unwrap_or_default();
        let keep: Vec<bool> = self.entries.iter().map(|entry| entry.id != id).collect();
        let mut flags = keep.iter();
        operations.retain(|_| *flags.next().unwrap_or(&true));
        let mut flags = keep.iter();
        self.entries.retain(|_| *flags.next().unwrap_or(&true));
        let service: &'static Service = Box::leak(Box::new(Service { id, ..service }));
        operations.push(indexed(service));
        self.operations = OnceLock::from(operations);
        let given = std::mem::take(&mut self.entries);
        self.by_id.clear();
        for entry in given {
            self.push(entry);
        }
        self.push(Entry {
            id,
            version: service.version,
            sdk_id: service.sdk_id,
            title: service.title,
            endpoint_prefix: service.endpoint_prefix,
            signing_name: service.signing_name,
            target_prefix: service.target_prefix,
            global_endpoint: service.global_endpoint,
            protocols: service.protocols.clone(),
            retired: service.retired,
            newest: true,
            operation_count: u32::try_from(service.operations.len()).unwrap_or(u32::MAX),
            frame: Frame { offset: 0, packed: 0, plain: 0 },
            examples: None,
            source: Source::Given(service),
            opened: OnceLock::new(),
            opened_examples: OnceLock::new(),
        });
    }

    fn push(&mut self, entry: Entry) {
        self.by_id.entry(entry.id).or_default().push(self.entries.len());
        self.entries.push(entry);
    }

    /// Every API version of every service, sorted by id, newest version first; run-time models last.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The newest API version of every service.
    pub fn services(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.newest)
    }

    /// All API versions of a service, newest first; empty for an unknown id.
    pub fn versions(&self, id: &str) -> impl Iterator<Item = &Entry> {
        self.by_id.get(id).into_iter().flatten().map(|at| &self.entries[*at])
    }

    /// The newest API version of a service by its catalogue id.
    pub fn newest(&self, id: &str) -> Option<&Entry> {
        self.versions(id).next()
    }

    /// A service by whatever a person may call it: id, SDK id, endpoint prefix, signing name, in any case, with or without
    /// spaces and dashes.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        let wanted = squash(name);
        self.newest(name)
            .or_else(|| self.services().find(|entry| squash(entry.id) == wanted))
            .or_else(|| self.services().find(|entry| squash(entry.sdk_id) == wanted))
            .or_else(|| self.services().find(|entry| squash(entry.endpoint_prefix) == wanted))
            .or_else(|| self.services().find(|entry| squash(entry.signing_name) == wanted))
            .or_else(|| self.services().find(|entry| squash(entry.title) == wanted))
    }

    /// Names and routes of every operation, parallel to [`Catalogue::entries`]. Unpacked once, on first use: only requests
    /// that say nothing of their service need it.
    pub fn operation_index(&self) -> &[Box<[IndexedOperation]>] {
        self.operations.get_or_init(|| {
            let Some((frame, bytes)) = self.operations_frame else {
                return Vec::new();
            };
            let plain = decompress(bytes, frame, &[]).expect("the embedded operation index is read by a test");
            let mut reader = Reader::new(Box::leak(plain.into_boxed_slice())).expect("read by a test");
            <Box<[Box<[IndexedOperation]>]>>::read(&mut reader).expect("read by a test").into_vec()
        })
    }

    pub fn partitions(&self) -> &Partitions {
        &self.partitions
    }
}
fn indexed(service: &Service) -> Box<[IndexedOperation]> {
    service
        .operations
        .iter()
        .map(|op| IndexedOperation { name: op.name, method: op.http.method, uri: op.http.uri.text })
        .collect()
}

fn decompress(bytes: &[u8], frame: Frame, base: &[u8]) -> Result<Vec<u8>, CatalogueError> {
    let start = usize::try_from(frame.offset).map_err(|_| CatalogueError::Header)?;
    let packed = bytes.get(start..start + frame.packed as usize).ok_or(CatalogueError::Header)?;
    zstd::bulk::Decompressor::with_dictionary(base)
        .and_then(|mut zstd| zstd.decompress(packed, frame.plain as usize))
        .map_err(CatalogueError::Frame)
}

/// Packing, for `cargo xtask pack`.
pub mod pack {
    use super::*;

    /// The highest level that still decompresses within little memory.
    const LEVEL: i32 = 19;

    /// One API version with its examples as JSON: `{operation: [[input, output], …]}`.
    pub struct Model {
        pub service: Service,
        pub examples: Option<serde_json::Value>,
    }

    /// Packs models into a catalogue file. The order of `models` does not matter.
    ///
    /// # Errors
    /// When compression fails, which means out of memory.
    pub fn catalogue(mut models: Vec<Model>, partitions: Vec<Partition>) -> std::io::Result<Vec<u8>> {
        models.sort_by(|a, b| (a.service.id, b.service.version).cmp(&(b.service.id, a.service.version)));
        let mut frames = Vec::new();
        let mut put = |plain: &[u8], base: &[u8]| -> std::io::Result<Frame> {
            let packed = zstd::bulk::Compressor::with_dictionary(LEVEL, base)?.compress(plain)?;
            let offset = frames.len() as u64;
            frames.extend_from_slice(&packed);
            let size = |length: usize| u32::try_from(length).map_err(std::io::Error::other);
            Ok(Frame { offset, packed: size(packed.len())?, plain: size(plain.len())? })
        };
        let index: Box<[Box<[IndexedOperation]>]> = models.iter().map(|model| indexed(&model.service)).collect();
        let operations_frame = put(&packed(&index), &[])?;
        let mut entries = Vec::with_capacity(models.len());
        let mut newest: Option<(Str, u32, Vec<u8>)> = None;
        for (at, Model { service, examples }) in models.iter().enumerate() {
            let plain = packed(service);
            let base = newest.as_ref().filter(|(id, ..)| *id == service.id);
            let frame = put(&plain, base.map_or(&[], |(_, _, plain)| plain))?;
            let base = base.map(|(_, at, _)| *at);
            if base.is_none() {
                newest = Some((service.id, u32::try_from(at).map_err(std::io::Error::other)?, plain));
            }
            let examples = match examples {
                Some(examples) => Some(put(examples.to_string().as_bytes(), &[])?),
                None => None,
            };
            entries.push(PackedEntry {
                id: service.id,
                version: service.version,
                sdk_id: service.sdk_id,
                title: service.title,
                endpoint_prefix: service.endpoint_prefix,
                signing_name: service.signing_name,
                target_prefix: service.target_prefix,
                global_endpoint: service.global_endpoint,
                protocols: service.protocols.clone(),
                retired: service.retired,
                newest: base.is_none(),
                operation_count: u32::try_from(service.operations.len()).map_err(std::io::Error::other)?,
                frame,
                base,
                examples,
            });
        }
        let mut writer = Writer::default();
        partitions.into_boxed_slice().write(&mut writer);
        operations_frame.write(&mut writer);
        entries.into_boxed_slice().write(&mut writer);
        let index = zstd::bulk::compress(&writer.finish(), LEVEL)?;
        let mut out = Vec::with_capacity(HEADER_BYTES + index.len() + frames.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&u32::try_from(index.len()).map_err(std::io::Error::other)?.to_le_bytes());
        out.extend_from_slice(&index);
        out.extend_from_slice(&frames);
        Ok(out)
    }

    fn packed<T: Pack>(item: &T) -> Vec<u8> {
        let mut writer = Writer::default();
        item.write(&mut writer);
        writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_of_the_embedded_catalogue_opens() {
        let catalogue = Catalogue::embedded();
        assert!(catalogue.services().count() > 439);
        for (entry, indexed) in catalogue.entries().iter().zip(catalogue.operation_index()) {
            let service = entry.open().expect("opens");
            assert_eq!((service.id, service.version), (entry.id, entry.version));
            assert_eq!(service.operations.len(), entry.operation_count as usize);
            assert_eq!(service.operations.len(), indexed.len());
            assert!(service.operations.is_sorted_by_key(|op| op.name), "{}", entry.id);
            entry.examples().expect("examples read");
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        assert!(matches!(Catalogue::from_bytes(b"nothing"), Err(CatalogueError::Header)));
        assert!(matches!(Catalogue::from_bytes(b"STANDIN\0\0\0\0\0\0\0\0\0"), Err(CatalogueError::Header)));
    }

    #[test]
    fn retired_services_are_kept() {
        let catalogue = Catalogue::embedded();
        for id in ["elastictranscoder", "iotevents", "qldb", "opsworks", "finspace"] {
            assert!(catalogue.newest(id).is_some_and(|entry| entry.retired), "{id}");
        }
        assert!(!catalogue.newest("mwaa").expect("served").retired);
    }
}
