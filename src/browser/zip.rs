//! A zip archive of one small file, uncompressed: the form in which geckodriver takes a profile. Pure.

use flate2::Crc;

/// The version of the format that can store a file.
const VERSION: [u8; 2] = [20, 0];
/// Midnight of 1 January 1980, the format's first day: times tell nothing here.
const FIRST_DAY: [u8; 4] = [0, 0, 0x21, 0];

/// The archive of a file in its top folder, of less than 4 GiB.
pub(super) fn archive(name: &str, data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(data);
    let size = (data.len() as u32).to_le_bytes();
    let name_length = (name.len() as u16).to_le_bytes();
    // Flags and method are zero: nothing special, stored. No extra field.
    let facts =
        [&VERSION[..], &[0; 4], &FIRST_DAY, &crc.sum().to_le_bytes(), &size, &size, &name_length, &[0; 2]].concat();
    let mut out = [b"PK\x03\x04", facts.as_slice(), name.as_bytes(), data].concat();
    // The directory's one entry: no comment, disk 0, no attributes, at the archive's first octet.
    let entry = [b"PK\x01\x02", &VERSION[..], &facts, &[0; 14], name.as_bytes()].concat();
    let (at, length) = ((out.len() as u32).to_le_bytes(), (entry.len() as u32).to_le_bytes());
    out.extend(entry);
    // The end: disk 0, one entry of one, where the directory is, no comment.
    out.extend([b"PK\x05\x06", &[0; 4][..], &[1, 0, 1, 0], &length, &at, &[0; 2]].concat());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_found_through_the_directory_at_the_end() {
        let zip = archive("cert9.db", b"123456789");
        let long = |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().expect("four octets")) as usize;
        let short = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
        let end = zip.len() - 22;
        assert_eq!((&zip[end..end + 4], short(end + 10)), (&b"PK\x05\x06"[..], 1));
        let entry = long(end + 16);
        assert_eq!(&zip[entry..entry + 4], b"PK\x01\x02");
        assert_eq!(&zip[entry + 46..entry + 46 + short(entry + 28)], b"cert9.db");
        assert_eq!(entry + long(end + 12), end);
        let local = long(entry + 42);
        assert_eq!(&zip[local..local + 4], b"PK\x03\x04");
        let from = local + 30 + short(local + 26) + short(local + 28);
        assert_eq!(&zip[from..from + long(local + 18)], b"123456789");
        // The check value of CRC-32, in both places.
        assert_eq!((long(local + 14), long(entry + 16)), (0xcbf4_3926, 0xcbf4_3926));
    }
}
