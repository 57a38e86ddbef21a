//! Damages archives: anywhere, or inside their structures with the checksums made right again, so that a reader meets
//! nonsense that says of itself that it is whole. Layouts: [MS-PST] 2.2.2.6 (header), 2.2.2.7 (pages), 2.2.2.8
//! (blocks).

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
}

/// Bytes that are covered by a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    start: usize,
    length: usize,
    /// Where the checksum is.
    checksum: usize,
}

/// The pages and blocks of a Unicode archive, found by their trailers.
#[must_use]
pub fn covered(archive: &[u8]) -> Vec<Covered> {
    let mut found = Vec::new();
    for end in (576..=archive.len()).step_by(64) {
        let trailer = &archive[end - 16..end];
        let checksum = u32::from_le_bytes(trailer[4..8].try_into().unwrap());
        let page = end % 512 == 0 && trailer[0] == trailer[1] && (0x80..=0x85).contains(&trailer[0]);
        let (start, length) = if page {
            (end - 512, 496)
        } else {
            let length = usize::from(u16::from_le_bytes([trailer[0], trailer[1]]));
            let whole = (length + 16).next_multiple_of(64);
            if length == 0 || whole > end || whole > 8192 {
                continue;
            }
            (end - whole, length)
        };
        if weak_crc(&archive[start..start + length]) == checksum {
            found.push(Covered { start, length, checksum: end - 12 });
        }
    }
    found
}

/// The CRC of [MS-PST] 5.3, bit by bit.
fn weak_crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
        crc
    })
}

/// Damages an archive in one of many ways, by the seed. `covered` is what [`covered`] found in it.
#[must_use]
pub fn mutate(archive: &[u8], covered: &[Covered], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = archive.to_vec();
    for _ in 0..1 + random.below(4) {
        match random.below(10) {
            0 => {
                let at = random.below(bytes.len());
                bytes.truncate(at.max(1));
                return bytes;
            }
            1 => {
                let at = random.below(bytes.len());
                overwrite(&mut bytes, at, 1 + random.below(2000), &mut random);
            }
            2 => {
                for _ in 0..1 + random.below(64) {
                    let at = random.below(bytes.len());
                    bytes[at] ^= 1 << random.below(8);
                }
            }
            3 => {
                // The header, its checksums made right again.
                let at = 8 + random.below(516);
                overwrite(&mut bytes, at, 1 + random.below(8), &mut random);
                for (range, to) in [(8..479, 4), (8..524, 524)] {
                    let crc = weak_crc(&bytes[range]).to_le_bytes();
                    bytes[to..to + 4].copy_from_slice(&crc);
                }
            }
            _ if covered.is_empty() => {}
            _ => {
                let Covered { start, length, checksum } = covered[random.below(covered.len())];
                let at = start + random.below(length);
                let longest = (start + length - at).min(1 + random.below(16));
                overwrite(&mut bytes, at, longest, &mut random);
                let crc = weak_crc(&bytes[start..start + length]).to_le_bytes();
                bytes[checksum..checksum + 4].copy_from_slice(&crc);
            }
        }
    }
    bytes
}

/// Puts noise, zeros, ones, or bytes from elsewhere over some.
fn overwrite(bytes: &mut [u8], at: usize, length: usize, random: &mut Random) {
    let end = (at + length).min(bytes.len());
    let from = random.below(bytes.len() - (end - at) + 1);
    match random.below(4) {
        0 => bytes[at..end].fill(0),
        1 => bytes[at..end].fill(0xff),
        2 => bytes.copy_within(from..from + (end - at), at),
        _ => bytes[at..end].iter_mut().for_each(|byte| *byte = random.below(256) as u8),
    }
}
