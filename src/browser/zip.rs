//! A zip archive of a few small files, uncompressed: the form in which geckodriver takes a profile. Pure.

use flate2::Crc;

/// The version of the format that can store a file.
const VERSION: [u8; 2] = [20, 0];
/// 1 January 1980, the format's first day, at midnight: times tell nothing here.
const MIDNIGHT: [u8; 2] = [0, 0];
const FIRST_DAY: [u8; 2] = [0x21, 0];

/// An archive of these files, by name. Sizes beyond 32 bits, and more than 65,535 files, are not for this.
pub(super) fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in files {
        let mut crc = Crc::new();
        crc.update(data);
        let size = (data.len() as u32).to_le_bytes();
        let name_length = (name.len() as u16).to_le_bytes();
        // Flags and method are zero: nothing special, stored. No extra field.
        let facts = [&VERSION[..], &[0; 4], &MIDNIGHT, &FIRST_DAY, &crc.sum().to_le_bytes(), &size, &size].concat();
        let at = (out.len() as u32).to_le_bytes();
        out.extend([b"PK\x03\x04", facts.as_slice(), &name_length, &[0; 2], name.as_bytes(), data].concat());
        // No extra field, no comment, disk 0, attributes none.
        directory.extend(
            [b"PK\x01\x02", &VERSION[..], facts.as_slice(), &name_length, &[0; 12], &at, name.as_bytes()].concat(),
        );
    }
    let (at, length) = ((out.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    let count = (files.len() as u16).to_le_bytes();
    out.extend(directory);
    out.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &length, &at, &[0; 2]].concat());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_through_the_directory_at_the_end() {
        let files = [("cert9.db", b"first".to_vec()), ("key4.db", b"the second".to_vec())];
        let zip = archive(&files);
        let long = |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().expect("four octets")) as usize;
        let short = |at: usize| usize::from(u16::from_le_bytes([zip[at], zip[at + 1]]));
        let end = zip.len() - 22;
        assert_eq!((&zip[end..end + 4], short(end + 10)), (&b"PK\x05\x06"[..], 2));
        let mut entry = long(end + 16);
        for (name, data) in files {
            assert_eq!(&zip[entry..entry + 4], b"PK\x01\x02");
            assert_eq!(&zip[entry + 46..entry + 46 + short(entry + 28)], name.as_bytes());
            let local = long(entry + 42);
            assert_eq!(&zip[local..local + 4], b"PK\x03\x04");
            let from = local + 30 + short(local + 26) + short(local + 28);
            assert_eq!(&zip[from..from + long(local + 18)], data);
            assert_eq!(long(entry + 16), long(local + 14), "the checksum stands in both places");
            entry += 46 + name.len();
        }
        assert_eq!(entry, end);
    }

    #[test]
    fn the_checksum_is_the_formats() {
        // The check value of CRC-32: of "123456789".
        let zip = archive(&[("a", b"123456789".to_vec())]);
        assert_eq!(zip[14..18], 0xcbf4_3926_u32.to_le_bytes());
    }
}
