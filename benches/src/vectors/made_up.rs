//! Made-up vectors like those of mail.
//!
//! A vector is the sum of what all have in common, of a topic (few are large), of a thread of about eight and of its own; most
//! of its variance is on few axes, as that of real embeddings is, and the axes are turned so that no value has more of it than
//! another. Everything comes from one stream of numbers by place, so that another program can make the same vectors:
//!
//! * `s(tag, i)` is the splitmix64 of `seed * 0x9E3779B97F4A7C15 + (tag << 48) + i`; `u(tag, i)` its upper 24 bits and a half, by
//!   2^24; normals are Box-Muller's of pairs, the even ones by the cosine.
//! * `lambda(j) = (j + 8)^-1.2`, as parts of their sum.
//! * A vector's thread is `floor(u(4, i) * threads)`, with an eighth as many threads as vectors; the thread's topic is drawn by
//!   `u(2, thread)` from 2,048 by Zipf's law with exponent 0.7.
//! * `x = 0.38 mu + sqrt(.45) topic + sqrt(.25) thread + sqrt(.30) own`, each `sqrt(lambda)` times normals of tags 9, 1, 3, 5; `mu`
//!   has length one.
//! * `x` is given signs by `u(8, j) < .5`, turned by the Kronecker product of the DCT of 3 and the Hadamard matrix of 128, and
//!   given length one.

const DIMENSIONS: usize = 384;
const BLOCKS: usize = 3;
const HADAMARD: usize = 128;
const TOPICS: usize = 2048;
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

struct Stream(u64);

impl Stream {
    fn bits(&self, tag: u64, at: u64) -> u64 {
        let mut z = self.0.wrapping_mul(GOLDEN).wrapping_add(tag << 48).wrapping_add(at).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn uniform(&self, tag: u64, at: u64) -> f32 {
        ((self.bits(tag, at) >> 40) as f32 + 0.5) / (1 << 24) as f32
    }

    /// A row of normals, each times its scale.
    fn normals(&self, tag: u64, row: usize, scale: &[f32]) -> Vec<f32> {
        let pairs = (0..DIMENSIONS / 2).map(|pair| (row * (DIMENSIONS / 2) + pair) as u64);
        let of = |pair: u64| {
            let radius = (-2.0 * self.uniform(tag, 2 * pair).ln()).sqrt();
            let angle = std::f32::consts::TAU * self.uniform(tag, 2 * pair + 1);
            [radius * angle.cos(), radius * angle.sin()]
        };
        pairs.flat_map(of).zip(scale).map(|(x, scale)| x * scale).collect()
    }
}

/// Makes them, each by its number.
pub struct Maker {
    stream: Stream,
    scale: Vec<f32>,
    mean: Vec<f32>,
    topics: Vec<Vec<f32>>,
    /// Of each thread its vector and its topic.
    threads: Vec<(Vec<f32>, usize)>,
    signs: Vec<f32>,
}

impl Maker {
    /// Of so many vectors.
    #[must_use]
    pub fn new(vectors: usize, seed: u64) -> Self {
        let stream = Stream(seed);
        let lambda: Vec<f64> = (0..DIMENSIONS).map(|j| (j as f64 + 8.0).powf(-1.2)).collect();
        let all: f64 = lambda.iter().sum();
        let scale: Vec<f32> = lambda.iter().map(|x| (x / all).sqrt() as f32).collect();
        let mut mean = stream.normals(9, 0, &scale);
        unit(&mut mean);
        let topics = (0..TOPICS).map(|topic| stream.normals(1, topic, &scale)).collect();
        let weights: Vec<f64> = (1..=TOPICS).map(|rank| (rank as f64).powf(-0.7)).collect();
        let sum: f64 = weights.iter().sum();
        let cumulated: Vec<f64> = weights
            .iter()
            .scan(0.0, |so_far, weight| {
                *so_far += weight / sum;
                Some(*so_far)
            })
            .collect();
        let thread = |thread: usize| {
            let at = f64::from(stream.uniform(2, thread as u64));
            let topic = cumulated.partition_point(|sum| *sum < at).min(TOPICS - 1);
            (stream.normals(3, thread, &scale), topic)
        };
        let threads = (0..(vectors / 8).max(1)).map(thread).collect();
        let signs =
            (0..DIMENSIONS).map(|j| if stream.uniform(8, j as u64) < 0.5 { -1.0 } else { 1.0 }).collect();
        Self { scale, mean, topics, threads, signs, stream }
    }

    /// The vector of a number; questions go on where the vectors end.
    #[must_use]
    pub fn vector(&self, number: usize) -> Vec<f32> {
        let thread = (self.stream.uniform(4, number as u64) * self.threads.len() as f32) as usize;
        let (thread, topic) = &self.threads[thread.min(self.threads.len() - 1)];
        let own = self.stream.normals(5, number, &self.scale);
        let parts = [
            (&self.mean, 0.38),
            (&self.topics[*topic], 0.45f32.sqrt()),
            (thread, 0.5),
            (&own, 0.3f32.sqrt()),
        ];
        let sum = |j: usize| parts.iter().map(|(part, weight)| weight * part[j]).sum::<f32>() * self.signs[j];
        let mut vector = turned((0..DIMENSIONS).map(sum).collect());
        unit(&mut vector);
        vector
    }
}

fn unit(vector: &mut [f32]) {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|x| *x /= length);
}

/// The DCT of 3 over blocks, the Hadamard transform of 128 within them.
fn turned(mut vector: Vec<f32>) -> Vec<f32> {
    for block in vector.chunks_mut(HADAMARD) {
        let mut half = 1;
        while half < HADAMARD {
            for pair in block.chunks_mut(2 * half) {
                let (a, b) = pair.split_at_mut(half);
                a.iter_mut().zip(b).for_each(|(a, b)| (*a, *b) = (*a + *b, *a - *b));
            }
            half *= 2;
        }
        block.iter_mut().for_each(|x| *x /= (HADAMARD as f32).sqrt());
    }
    let weight = |k: usize, i: usize| {
        let first = if k == 0 { 0.5f64.sqrt() } else { 1.0 };
        let angle = std::f64::consts::PI * (i as f64 + 0.5) * k as f64 / BLOCKS as f64;
        (angle.cos() * (2.0 / BLOCKS as f64).sqrt() * first) as f32
    };
    let at = |place: usize| {
        let (k, inner) = (place / HADAMARD, place % HADAMARD);
        (0..BLOCKS).map(|i| weight(k, i) * vector[i * HADAMARD + inner]).sum()
    };
    (0..DIMENSIONS).map(at).collect()
}
