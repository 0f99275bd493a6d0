//! Every state that can be reached, breadth first, each once; the way to the first one that breaks a law.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// The clock's start: far from any span of time, so that a moment can be told from a span.
pub const BASE: Duration = Duration::from_secs(1_000_000);
/// Longer than any delay in the daemon's code and in our configurations: what is older is just old.
pub const HORIZON: Duration = Duration::from_secs(64);

/// What can be searched.
pub trait Model: Clone + Hash {
    /// What can happen in a state.
    type Act: Copy + Debug;
    /// The clock.
    fn now(&self) -> Duration;
    /// All that can happen.
    fn acts(&self) -> Vec<Self::Act>;
    /// Lets it happen.
    ///
    /// # Errors
    /// The law that this breaks.
    fn act(&mut self, act: Self::Act) -> Result<(), String>;
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// States in which there is a choice, each once.
    pub choices: usize,
    /// All states on the way.
    pub steps: usize,
    pub deepest: usize,
}

/// So many steps without a choice are no life.
const SPIN: usize = 10_000;

/// A way that is shown ends here.
const LONGEST: usize = 20_000;

/// Goes on while only one thing can happen.
fn follow<M: Model>(state: &mut M, seen: &mut usize) -> Result<Vec<M::Act>, String> {
    for _ in 0..SPIN {
        let acts = state.acts();
        let [only] = acts[..] else { return Ok(acts) };
        *seen += 1;
        state.act(only)?;
    }
    Err("it spins".to_owned())
}

/// Visits all states.
///
/// # Errors
/// The shortest way to a broken law.
pub fn search<M: Model>(mut start: M) -> Result<Seen, String> {
    let first = start.clone();
    let mut seen = Seen::default();
    // How each state in which there is a choice was first reached.
    let mut ways: Vec<(usize, Option<M::Act>)> = vec![(0, None)];
    let mut visited = HashSet::from([key(&start)]);
    let acts = follow(&mut start, &mut seen.steps)?;
    let mut level = vec![(0, start, acts)];
    while !level.is_empty() {
        let mut next = Vec::new();
        for (index, state, acts) in level {
            for act in acts {
                seen.steps += 1;
                let mut after = state.clone();
                let acts = after.act(act).and_then(|()| follow(&mut after, &mut seen.steps));
                let acts = acts.map_err(|broken| {
                    let mut way = way(&ways, index);
                    way.push(act);
                    format!("{broken}, after{}", told(first.clone(), way))
                })?;
                if visited.insert(key(&after)) {
                    ways.push((index, Some(act)));
                    if !acts.is_empty() {
                        next.push((ways.len() - 1, after, acts));
                    }
                }
            }
        }
        level = next;
        seen.deepest += 1;
    }
    seen.choices = visited.len();
    Ok(seen)
}

fn way<A: Copy>(ways: &[(usize, Option<A>)], mut index: usize) -> Vec<A> {
    let mut acts = Vec::new();
    while let (before, Some(act)) = ways[index] {
        acts.push(act);
        index = before;
    }
    acts.reverse();
    acts
}

/// The way again, with the time of each step.
fn told<M: Model>(mut state: M, way: Vec<M::Act>) -> String {
    let mut text = String::new();
    let mut way = way.into_iter();
    while text.len() < LONGEST {
        let act = match state.acts()[..] {
            [only] => only,
            _ => match way.next() {
                Some(act) => act,
                None => return text,
            },
        };
        text.push_str(&format!("\n{:?} {act:?}", state.now() - BASE));
        if state.act(act).is_err() {
            return text;
        }
    }
    text
}

fn key<M: Model>(state: &M) -> u128 {
    let mut key = Key { now: state.now(), secs: None, lanes: [1, 2] };
    state.hash(&mut key);
    (u128::from(key.lanes[0]) << 64) | u128::from(key.lanes[1])
}

/// Takes every moment as seen from now, so that two states that differ only in when they were reached are
/// one. A `Duration` hashes as its seconds, then its nanoseconds.
struct Key {
    now: Duration,
    secs: Option<u64>,
    lanes: [u64; 2],
}

impl Key {
    fn mix(&mut self, word: u64) {
        let [a, b] = &mut self.lanes;
        *a = (a.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *b = (b.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ (*b >> 32);
    }
}

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_ne_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.mix(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        if number >= BASE.as_secs() {
            self.secs = Some(number);
        } else {
            self.mix(number);
        }
    }

    fn write_u32(&mut self, number: u32) {
        let Some(secs) = self.secs.take() else {
            return self.mix(u64::from(number));
        };
        let at = Duration::new(secs, number);
        let ago = self.now.saturating_sub(at).min(HORIZON);
        let ahead = at.saturating_sub(self.now);
        self.mix(ago.as_nanos() as u64);
        self.mix(ahead.as_nanos() as u64 | 1 << 63);
    }

    fn finish(&self) -> u64 {
        self.lanes[0]
    }
}
