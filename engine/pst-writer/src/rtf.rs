//! Compressed RTF ([MS-OXRTFCP]): a header, then runs of eight literals or references into the last 4 KiB.
//!
//! What always holds: time grows with the length of the document, because each place looks at a limited number
//! of candidates; and the stream ends with the reference to itself that readers stop at.

use crate::bytes::push_u32;
use crate::crc::crc;

/// What every dictionary begins with.
const SEED: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
/// The dictionary is a ring of so many bytes.
const DICTIONARY: usize = 4096;
/// A reference stands for 2 to 17 bytes.
const SHORTEST: usize = 2;
const LONGEST: usize = 17;
/// Earlier places that are tried before the longest match among them is taken.
const CANDIDATES: usize = 64;
/// Bytes of the header that the compressed length counts too.
const COUNTED_HEADER: usize = 12;

/// `rtf` as the value of PidTagRtfCompressed.
pub fn compress_rtf(rtf: &[u8]) -> Vec<u8> {
    let mut runs = Runs::default();
    let mut window = Window::new(rtf);
    while window.at < window.bytes.len() {
        match window.longest_match() {
            Some((from, len)) => {
                runs.reference(from, len);
                window.pass(len);
            }
            None => {
                runs.literal(window.bytes[window.at]);
                window.pass(1);
            }
        }
    }
    // A reference to where the next byte would go ends the stream.
    runs.reference(window.at, SHORTEST);
    let runs = runs.bytes;
    let mut out = Vec::with_capacity(runs.len() + 16);
    push_u32(&mut out, (runs.len() + COUNTED_HEADER) as u32);
    push_u32(&mut out, rtf.len() as u32);
    out.extend_from_slice(b"LZFu");
    push_u32(&mut out, crc(&runs));
    out.extend_from_slice(&runs);
    out
}

/// The stream: a byte of eight marks before each eight literals or references.
#[derive(Default)]
struct Runs {
    bytes: Vec<u8>,
    marks_at: usize,
    count: usize,
}

impl Runs {
    fn begin(&mut self, mark: u8) {
        let bit = self.count % 8;
        if bit == 0 {
            self.marks_at = self.bytes.len();
            self.bytes.push(0);
        }
        self.bytes[self.marks_at] |= mark << bit;
        self.count += 1;
    }

    fn literal(&mut self, byte: u8) {
        self.begin(0);
        self.bytes.push(byte);
    }

    /// Twelve bits of place in the ring, four of length.
    fn reference(&mut self, from: usize, len: usize) {
        self.begin(1);
        let place = (from % DICTIONARY) as u16;
        self.bytes.extend_from_slice(&((place << 4) | (len - SHORTEST) as u16).to_be_bytes());
    }
}

/// The seed and the document behind it, with the places where each pair of bytes was met before.
struct Window {
    bytes: Vec<u8>,
    at: usize,
    /// By pair of bytes, one more than the latest place; zero for none.
    latest: Vec<u32>,
    /// By place in the ring, one more than the place before it with the same pair.
    earlier: Vec<u32>,
}

impl Window {
    fn new(rtf: &[u8]) -> Self {
        let bytes = [SEED, rtf].concat();
        let mut window = Self { bytes, at: 0, latest: vec![0; 1 << 16], earlier: vec![0; DICTIONARY] };
        window.pass(SEED.len());
        window
    }

    fn pair(&self, at: usize) -> Option<usize> {
        let [first, second] = *self.bytes.get(at..)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes([first, second])))
    }

    /// Goes on by `len` bytes and notes what pairs they are.
    fn pass(&mut self, len: usize) {
        for at in self.at..self.at + len {
            if let Some(pair) = self.pair(at) {
                self.earlier[at % DICTIONARY] = self.latest[pair];
                self.latest[pair] = at as u32 + 1;
            }
        }
        self.at += len;
    }

    /// The longest earlier stretch that is the same as what comes next, and its length.
    fn longest_match(&self) -> Option<(usize, usize)> {
        let most = LONGEST.min(self.bytes.len() - self.at);
        let mut next = self.latest[self.pair(self.at)?];
        let mut best: Option<(usize, usize)> = None;
        for _ in 0..CANDIDATES {
            // A place a whole ring back is that of the next byte, which means the end.
            let Some(from) = (next as usize).checked_sub(1).filter(|from| self.at - from < DICTIONARY) else {
                break;
            };
            let (old, new) = (&self.bytes[from..], &self.bytes[self.at..]);
            let len = old.iter().zip(new).take(most).take_while(|(old, new)| old == new).count();
            if best.is_none_or(|(_, longest)| len > longest) {
                best = Some((from, len));
            }
            if len == most {
                break;
            }
            next = self.earlier[from % DICTIONARY];
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a stream by the words of the specification, without regard for speed.
    fn expand(stream: &[u8]) -> Vec<u8> {
        let word = |at: usize| u32::from_le_bytes(stream[at..at + 4].try_into().unwrap());
        assert_eq!(word(0) as usize, stream.len() - 4);
        assert_eq!(&stream[8..12], b"LZFu");
        assert_eq!(word(12), crc(&stream[16..]));
        let mut ring = [0; DICTIONARY];
        ring[..SEED.len()].copy_from_slice(SEED);
        let (mut at, mut place) = (16, SEED.len());
        let mut out = Vec::new();
        'runs: loop {
            let marks = stream[at];
            at += 1;
            for bit in 0..8 {
                let bytes = if marks >> bit & 1 == 0 {
                    at += 1;
                    vec![stream[at - 1]]
                } else {
                    let reference = usize::from(u16::from_be_bytes([stream[at], stream[at + 1]]));
                    at += 2;
                    if reference >> 4 == place {
                        break 'runs;
                    }
                    // The end of a stretch may be what the reference itself puts there.
                    (0..(reference & 15) + 2)
                        .map(|step| {
                            let byte = ring[((reference >> 4) + step) % DICTIONARY];
                            ring[(place + step) % DICTIONARY] = byte;
                            byte
                        })
                        .collect()
                };
                for byte in bytes {
                    ring[place] = byte;
                    place = (place + 1) % DICTIONARY;
                    out.push(byte);
                }
            }
        }
        assert_eq!(at, stream.len(), "nothing follows the end");
        assert_eq!(word(4) as usize, out.len());
        out
    }

    #[test]
    fn is_no_longer_than_the_examples_of_the_specification() {
        let simple: &[u8] = &[
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0, 0x0a, 0,
            0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09,
            0, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        // Of equal stretches the specification takes the first and we take the last.
        let ours = compress_rtf(b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        assert_eq!((ours.len(), expand(&ours)), (simple.len(), expand(simple)));
        let overlapping = [
            0x1a, 0, 0, 0, 0x1c, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41, 0, 4, 0x20,
            0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d, 1, 0x0e, 0xb0,
        ];
        assert_eq!(compress_rtf(b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"), overlapping);
    }

    #[test]
    fn what_is_compressed_is_expanded_again() {
        let mut state = 1_u32;
        let mut noise = |len: usize, letters: u32| -> Vec<u8> {
            let step = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                ((state >> 16) % letters) as u8 + b'a'
            };
            (0..len).map(step).collect()
        };
        let mut documents = vec![Vec::new(), b"x".to_vec(), vec![0; 20_000], b"ab".repeat(10_000)];
        for len in [2, 7, 8, 9, 4095 - 207, 4096 - 207, 4097, 50_000] {
            documents.extend([noise(len, 2), noise(len, 20), noise(len, 150)]);
        }
        // Repeated at exactly the ring's length, and one byte to either side.
        for period in [4095, 4096, 4097] {
            documents.push(noise(period, 100).repeat(3));
        }
        for document in documents {
            assert!(expand(&compress_rtf(&document)) == document, "{} bytes", document.len());
        }
    }

    #[test]
    fn text_gets_shorter() {
        let text = b"{\\rtf1\\ansi Please find the revised contract attached.\\par}".repeat(40);
        assert!(compress_rtf(&text).len() < text.len() / 4);
    }
}
