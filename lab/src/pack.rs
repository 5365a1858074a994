//! gzip of a page whose rows were compressed beforehand: only the short head is compressed when it is sent.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compress, Compression, FlushCompress};

/// Compresses the rows, which end the stream (the closing brace is theirs).
pub(crate) fn rows(rows: &[u8]) -> Option<(Bytes, crc32fast::Hasher)> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(rows.len() / 8), Compression::fast());
    encoder.write_all(rows).ok()?;
    let mut check = crc32fast::Hasher::new();
    check.update(rows);
    Some((encoder.finish().ok()?.into(), check))
}

/// A gzip stream of `head` and the rows: header, head as a block that does not end the stream, rows, checksum.
pub(crate) fn join(head: &[u8], rows: &Bytes, check: &crc32fast::Hasher) -> Vec<Bytes> {
    let mut front = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut compress = Compress::new(Compression::fast(), false);
    let mut buffer = Vec::with_capacity(head.len() + 64);
    // The buffer is larger than any deflate block of the head, so that one call writes and flushes all of it.
    if compress.compress_vec(head, &mut buffer, FlushCompress::Sync).is_err() {
        return Vec::new();
    }
    front.extend_from_slice(&buffer);
    let mut whole = crc32fast::Hasher::new();
    whole.update(head);
    whole.combine(check);
    // gzip keeps the length modulo 2^32.
    let length = (whole.total_len() & 0xffff_ffff) as u32;
    let mut end = whole.finalize().to_le_bytes().to_vec();
    end.extend_from_slice(&length.to_le_bytes());
    vec![front.into(), rows.clone(), end.into()]
}

/// gzip of anything.
pub(crate) fn gzip(parts: &[Bytes]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(part).ok()?;
    }
    Some(encoder.finish().ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn head_and_rows_make_one_gzip_stream() {
        let text: Vec<u8> = (0..50_000u32).flat_map(|n| n.to_string().into_bytes()).collect();
        let (packed, check) = rows(&text).unwrap();
        let whole = join(b"{\"head\":1,", &packed, &check).concat();
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(whole.as_slice())
            .read_to_end(&mut out)
            .unwrap();
        assert_eq!(out, [b"{\"head\":1,".as_slice(), &text].concat());
    }
}
