//! How records lie in a file: length, checksum, bytes; one after the other.
//!
//! The checksum covers the length too, so a file of nothing but zeros holds no record. A record is found again behind a
//! damaged place because every offset is tried: a record is JSON, which has no byte below 0x20 in it, so nothing that
//! somebody dialled can look like the head of a record.

use crc::{CRC_32_ISCSI, Crc};

/// The length and the checksum.
const HEAD: usize = 8;
/// A length that is greater is damage. The largest record there is has a few kilobytes.
pub(super) const RECORD_MAX: usize = 1 << 20;

static CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// What a file held.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The records that are whole, in order.
    pub records: Vec<Vec<u8>>,
    /// Bytes behind the last whole record: the writer died in the middle of a record that it had promised to nobody.
    pub torn: u64,
    /// Bytes before a whole record: something else than a crash damaged the file.
    pub damaged: u64,
}

/// So many bytes are needed for a record of this length.
pub(super) fn size(record: &[u8]) -> u64 {
    (HEAD + record.len()) as u64
}

/// Writes one record behind the others. Too long ones are for the caller to refuse.
pub(super) fn put(out: &mut Vec<u8>, record: &[u8]) {
    let length = u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, record).to_le_bytes());
    out.extend_from_slice(record);
}

/// Reads all records that are whole.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let mut found = Scan::default();
    let (mut offset, mut skipped) = (0, 0);
    while offset < bytes.len() {
        if let Some(record) = whole(&bytes[offset..]) {
            found.damaged += std::mem::take(&mut skipped);
            found.records.push(record.to_vec());
            offset += HEAD + record.len();
        } else {
            skipped += 1;
            offset += 1;
        }
    }
    found.torn = skipped;
    found
}

/// The record that begins here, if one does.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if count == 0 || count > RECORD_MAX {
        return None;
    }
    let record = rest.get(..count)?;
    (checksum(*length, record) == u32::from_le_bytes(*expected)).then_some(record)
}

fn checksum(length: [u8; 4], record: &[u8]) -> u32 {
    let mut digest = CHECKSUM.digest();
    digest.update(&length);
    digest.update(record);
    digest.finalize()
}
