//! Every story of so many steps, and long ones by chance.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::world::{Act, World};

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub states: usize,
    pub steps: usize,
    /// States from which a calm network was looked at.
    pub calm: usize,
}

/// How a state was reached.
struct Way {
    act: Act,
    before: Option<Rc<Way>>,
}

fn told(mut way: Option<&Rc<Way>>) -> String {
    let mut acts = Vec::new();
    while let Some(step) = way {
        acts.push(format!("{:?}", step.act));
        way = step.before.as_ref();
    }
    acts.reverse();
    acts.join(", ")
}

/// One in so many states is followed into a calm network.
const CALM: u64 = 16;

/// Breadth first, each state once.
///
/// # Errors
/// The shortest way to a broken law.
pub fn every(start: World, depth: usize) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut visited = HashSet::from([key(&start)]);
    let mut level: Vec<(World, Option<Rc<Way>>)> = vec![(start, None)];
    for _ in 0..depth {
        let mut next = Vec::new();
        for (state, before) in level {
            for act in state.acts() {
                seen.steps += 1;
                let mut after = state.clone();
                let way = Some(Rc::new(Way { act, before: before.clone() }));
                let failed = |broken| format!("{broken}, after {}", told(way.as_ref()));
                after.act(act).map_err(failed)?;
                let key = key(&after);
                if !visited.insert(key) {
                    continue;
                }
                if key as u64 % CALM == 0 {
                    seen.calm += 1;
                    let mut chance = Chance(key as u64);
                    after.clone().calm(|most| chance.below(most)).map_err(failed)?;
                }
                next.push((after, way));
            }
        }
        level = next;
    }
    seen.states = visited.len();
    Ok(seen)
}

/// Stories of so many steps.
///
/// # Errors
/// The broken law, and the story up to it.
pub fn random(
    start: impl Fn() -> World,
    seed: u64,
    stories: usize,
    steps: usize,
) -> Result<Seen, String> {
    let mut seen = Seen::default();
    for story in 0..stories {
        let mut chance = Chance(seed << 32 | story as u64);
        let mut world = start();
        let mut way = None;
        for step in 0..steps {
            let act = choose(&world, &mut chance);
            way = Some(Rc::new(Way { act, before: way }));
            let failed =
                |broken| format!("{broken}, in story {story} of {seed}: {}", told(way.as_ref()));
            world.act(act).map_err(failed)?;
            seen.steps += 1;
            if step % 40 == 39 {
                seen.calm += 1;
                let calm = world.clone().calm(|most| chance.below(most));
                calm.map_err(failed)?;
            }
        }
    }
    Ok(seen)
}

/// Mostly what a network does, now and then what it should not.
fn choose(world: &World, chance: &mut Chance) -> Act {
    let bounds = &world.bounds.0;
    let new = |chance: &mut Chance| {
        let new = world.arrived.len() - chance.below(world.arrived.len().min(4)) - 1;
        Act::Deliver(new)
    };
    match chance.below(40) {
        0..20 => new(chance),
        20..25 => {
            let again: Vec<_> = world
                .acts()
                .into_iter()
                .filter(|act| matches!(act, Act::Deliver(_) | Act::Divert(_)))
                .collect();
            again[chance.below(again.len())]
        }
        25..33 => Act::Due,
        33..37 => Act::Time(bounds.times[chance.below(4)]),
        37 => Act::Time(bounds.times[chance.below(bounds.times.len())]),
        38 if chance.below(3) == 0 && world.master_run < 100 && world.slave_run < 100 => {
            bounds.faults[chance.below(bounds.faults.len())]
        }
        _ => bounds.shows[chance.below(bounds.shows.len())],
    }
}

/// The same numbers each time.
pub struct Chance(u64);

impl Chance {
    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most.max(1) as u64) as usize
    }
}

fn key(world: &World) -> u128 {
    let mut key = Key([1, 2]);
    world.hash(&mut key);
    (u128::from(key.0[0]) << 64) | u128::from(key.0[1])
}

struct Key([u64; 2]);

impl Hasher for Key {
    fn write(&mut self, bytes: &[u8]) {
        let [a, b] = &mut self.0;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let word = u64::from_ne_bytes(word);
            *a = (a.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            *b = (b.rotate_left(23) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ (*b >> 32);
        }
    }

    fn finish(&self) -> u64 {
        self.0[0]
    }
}
