use super::*;
use crate::ipc::legal::Track;
use proptest::prelude::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const NANO: Duration = Duration::from_nanos(1);
const NONE: Duration = Duration::ZERO;

/// What reaches the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Frame(Kind, usize),
    /// The generation ended.
    Blinded,
}

/// All that happened, in order; every answer of the judge is derived from it anew.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Step(Step),
    Told(Tell),
}

/// A configuration and the state file at start.
#[derive(Clone, Debug)]
struct World {
    settings: Settings,
    feeds: Vec<(FeedSettings, Option<Power>)>,
    told: Told,
}

/// `blind-after 15s`, `insist 60s`, weights 1.
fn world(lasts: &[Option<Power>], need: u32, told: Told) -> World {
    let feed =
        FeedSettings { weight: 1, blind_after: ms(15_000), first_state: ms(0), cable_grace: NONE };
    World {
        settings: Settings {
            need,
            low_is_final: false,
            insist: ms(60_000),
            low_is_told: true,
            shutdown_is_told: true,
        },
        feeds: lasts.iter().map(|last| (feed, *last)).collect(),
        told,
    }
}

impl World {
    fn judge(&self) -> Judge {
        let feeds = self.feeds.iter();
        let feeds = feeds.map(|(settings, last)| Feed::new(*settings, *last, NONE));
        Judge::new(self.settings, feeds, self.told)
    }

    /// The weight of the feeds for which this holds.
    fn weigh(&self, mut holds: impl FnMut(usize) -> bool) -> u32 {
        let feeds = self.feeds.iter().enumerate();
        feeds.filter(|(ups, _)| holds(*ups)).map(|(_, feed)| feed.0.weight).sum()
    }

    fn last(&self, log: &[(Duration, Entry)], ups: usize) -> Power {
        let seen = log.iter().rev().find_map(|(_, entry)| match entry {
            Entry::Step(Step::Frame(kind, of)) if *of == ups => match kind {
                Kind::Ok => Some(Power::Mains),
                Kind::Fail => Some(Power::Battery),
                Kind::Low => Some(Power::Low),
                _ => None,
            },
            _ => None,
        });
        seen.or(self.feeds[ups].1).unwrap_or(Power::Mains)
    }

    fn machine(&self, log: &[(Duration, Entry)]) -> Power {
        let need = self.settings.need;
        if self.weigh(|ups| self.last(log, ups) != Power::Low) < need {
            Power::Low
        } else if self.weigh(|ups| self.last(log, ups) == Power::Mains) < need {
            Power::Battery
        } else {
            Power::Mains
        }
    }

    /// Nobody has seen this UPS for `blind-after`, and it was last seen off mains.
    fn counts_as_low(&self, log: &[(Duration, Entry)], ups: usize, now: Duration) -> bool {
        let (mut since, mut left_mains, mut grace) = (Some(NONE), None, NONE);
        let settings = self.feeds[ups].0;
        for (index, (at, entry)) in log.iter().enumerate() {
            match entry {
                Entry::Step(Step::Blinded) => since = since.or(Some(*at)),
                Entry::Step(Step::Frame(kind, of)) if *of == ups => match kind {
                    Kind::Ok | Kind::Fail | Kind::Low | Kind::Restored => {
                        (since, grace) = (None, NONE);
                        let was_on_mains = self.last(&log[..index], ups) == Power::Mains;
                        match kind {
                            Kind::Ok => left_mains = None,
                            Kind::Fail | Kind::Low if was_on_mains => left_mains = Some(*at),
                            _ => {}
                        }
                    }
                    Kind::Lost => {
                        since = since.or(Some(*at));
                        let jump = left_mains.is_some_and(|left| *at < left + ms(2000));
                        grace = if jump { settings.cable_grace } else { NONE };
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        self.last(log, ups) != Power::Mains
            && since.is_some_and(|since| now >= since + settings.blind_after + grace)
    }

    fn told(&self, log: &[(Duration, Entry)]) -> Told {
        let mut words = log.iter().filter_map(|(_, entry)| match entry {
            Entry::Told(tell) if !tell.insist => Some(tell.word),
            _ => None,
        });
        words.next_back().map_or(self.told, |word| match word {
            Word::Ok => Told::Ok,
            Word::Fail => Told::Fail,
            Word::Low if self.settings.low_is_final => Told::Final,
            Word::Low => Told::Low,
            Word::Shutdown => Told::Final,
        })
    }

    /// The last moment from which `insist` runs.
    fn insist_from(&self, log: &[(Duration, Entry)]) -> Option<Duration> {
        let (mut from, mut urgent) = (None, matches!(self.told, Told::Low | Told::Final));
        for (index, (at, entry)) in log.iter().enumerate() {
            let on_mains = || self.machine(&log[..=index]) == Power::Mains;
            match entry {
                Entry::Told(tell) => {
                    urgent = matches!(tell.word, Word::Low | Word::Shutdown);
                    from = urgent.then_some(*at);
                }
                Entry::Step(Step::Frame(Kind::Ok, _)) if on_mains() => from = None,
                Entry::Step(_) if urgent && from.is_none() && !on_mains() => from = Some(*at),
                Entry::Step(_) => {}
            }
        }
        from
    }

    fn shutdown_said(log: &[(Duration, Entry)]) -> bool {
        let said = |entry: &Entry| matches!(entry, Entry::Step(Step::Frame(Kind::Shutdown, _)));
        log.iter().any(|(_, entry)| said(entry))
    }

    fn blind_on_battery(&self, log: &[(Duration, Entry)], now: Duration) -> bool {
        let low = |ups| self.last(log, ups) == Power::Low;
        let unseen = |ups| self.counts_as_low(log, ups, now);
        self.weigh(unseen) > 0 && self.weigh(|ups| !low(ups) && !unseen(ups)) < self.settings.need
    }

    /// What is due, from the whole history.
    fn due(&self, log: &[(Duration, Entry)], now: Duration) -> Option<Tell> {
        let tell = |word, insist, blind| Some(Tell { word, insist, blind });
        let told = self.told(log);
        let told_at = log.iter().rev().find(|(_, entry)| matches!(entry, Entry::Told(_)));
        let spaced = told_at.is_none_or(|(at, _)| now >= *at + ms(100));
        let plain = |word| {
            if spaced { tell(word, false, false) } else { None }
        };
        let on_battery = matches!(told, Told::Fail | Told::Low);
        if told != Told::Final && World::shutdown_said(log) {
            return tell(Word::Shutdown, false, false);
        }
        if on_battery && self.blind_on_battery(log, now) {
            return tell(Word::Shutdown, false, true);
        }
        match (told, self.machine(log)) {
            (Told::Ok | Told::Fail, Power::Low) => return tell(Word::Low, false, false),
            (Told::Ok, Power::Battery) => return plain(Word::Fail),
            (Told::Fail | Told::Low, Power::Mains) => return plain(Word::Ok),
            _ => {}
        }
        let from = self.insist_from(log)?;
        if now >= from + self.settings.insist { tell(Word::Shutdown, true, false) } else { None }
    }
}

/// The parent's loop around a judge: sleeps until `next`, tells what is due.
struct Run<'a> {
    world: &'a World,
    judge: Judge,
    tracks: Vec<Track>,
    log: Vec<(Duration, Entry)>,
    now: Duration,
}

impl core::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        writeln!(f, "{:?} at {:?}", self.world, self.now)?;
        for (at, entry) in &self.log {
            writeln!(f, "  {at:?} {entry:?}")?;
        }
        write!(f, "{:?}", self.judge)
    }
}

impl<'a> Run<'a> {
    fn new(world: &'a World) -> Run<'a> {
        let mut run = Run {
            world,
            judge: world.judge(),
            tracks: vec![Track::default(); world.feeds.len()],
            log: Vec::new(),
            now: NONE,
        };
        run.serve();
        run
    }

    fn fork(&self) -> Run<'a> {
        Run {
            world: self.world,
            judge: Judge {
                settings: self.judge.settings,
                feeds: self.judge.feeds.clone(),
                told: self.judge.told,
                told_at: self.judge.told_at,
                shutdown: self.judge.shutdown,
                insist_at: self.judge.insist_at,
                cause: self.judge.cause,
            },
            tracks: self.tracks.clone(),
            log: self.log.clone(),
            now: self.now,
        }
    }

    /// Whether the guard would let it pass; if so it is on its way.
    fn passes(&mut self, step: Step) -> bool {
        match step {
            Step::Blinded => self.tracks.fill(Track::default()),
            Step::Frame(kind, ups) => match self.tracks[ups].step(kind) {
                Some(track) => self.tracks[ups] = track,
                None => return false,
            },
        }
        true
    }

    fn give(&mut self, step: Step) {
        match step {
            Step::Blinded => self.judge.blinded(self.now),
            Step::Frame(kind, ups) => self.judge.event(self.now, Event { kind, ups }),
        }
        self.log.push((self.now, Entry::Step(step)));
    }

    /// The judge agrees with the whole history, now and at all times until `next`.
    fn check(&self) {
        let due = self.judge.due(self.now);
        let next = self.judge.next(self.now);
        let quiet_until = next.unwrap_or(self.now + ms(1_000_000));
        assert!(quiet_until > self.now);
        let half = (quiet_until - self.now) / 2;
        let last = quiet_until - NANO;
        for at in [self.now, self.now + half, last] {
            let at = at.min(last);
            assert_eq!(self.world.due(&self.log, at), due, "{at:?} {self:?}");
            assert_eq!(self.judge.due(at), due, "{at:?} {self:?}");
        }
        assert_eq!(self.judge.machine(), self.world.machine(&self.log));
        assert_eq!(self.judge.last_told(), self.world.told(&self.log));
    }

    /// Tells all that is due now, which is soon nothing more.
    fn serve(&mut self) {
        self.check();
        if self.tell() {
            self.check();
        }
    }

    fn tell(&mut self) -> bool {
        for count in 0..4 {
            let Some(tell) = self.judge.due(self.now) else {
                return count > 0;
            };
            self.judge.told(self.now, tell);
            self.log.push((self.now, Entry::Told(tell)));
        }
        panic!("never quiet: {self:?}");
    }

    fn sleep(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.judge.next(self.now).filter(|next| *next <= until) {
            self.now = next;
            self.serve();
        }
        self.now = until;
        self.check();
    }

    /// All at the time of the last call: frames as letters with the number of their UPS, `X` = blinded.
    fn all(&mut self, steps: &str) -> &mut Self {
        for word in steps.split_whitespace() {
            let letter = word.as_bytes()[0];
            let ups = word[1..].parse().unwrap_or(0);
            let kind = Kind::ALL.into_iter().find(|kind| kind.letter() == letter);
            let step = kind.map_or(Step::Blinded, |kind| Step::Frame(kind, ups));
            assert!(self.passes(step), "{word}");
            self.give(step);
            self.serve();
        }
        self
    }

    fn then(&mut self, millis: u64, steps: &str) -> &mut Self {
        self.sleep(ms(millis));
        self.all(steps)
    }

    fn tells(&self) -> impl DoubleEndedIterator<Item = (Duration, Tell)> + '_ {
        self.log.iter().filter_map(|(at, entry)| match entry {
            Entry::Told(tell) => Some((*at, *tell)),
            Entry::Step(_) => None,
        })
    }

    /// What was told, when in milliseconds: `F@0`; `I` = insist, `B` = S by the parent, being blind.
    fn story(&self) -> String {
        let words = self.tells().map(|(at, tell)| {
            let letter = match tell {
                Tell { insist: true, .. } => 'I',
                Tell { blind: true, .. } => 'B',
                Tell { word, .. } => char::from(word.byte()),
            };
            format!("{letter}@{}", at.as_millis())
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// What must hold of any story, without regard to how it came about.
    fn verdict(&self) {
        let mut told = self.world.told;
        let mut before: Option<(Duration, Tell)> = None;
        for (index, (at, entry)) in self.log.iter().enumerate() {
            let (at, Entry::Told(tell)) = (*at, *entry) else {
                continue;
            };
            let happened = self.log.partition_point(|(time, _)| *time < at);
            let past = &self.log[..index];
            if let Some((last_at, last)) = before {
                let urgent = matches!(tell.word, Word::Low | Word::Shutdown);
                assert!(urgent || at - last_at >= ms(100), "{self:?}");
                assert!(tell.insist || last.insist || tell.word != last.word, "{self:?}");
            }
            if tell.insist {
                assert_eq!(tell.word, Word::Shutdown);
                assert!(matches!(told, Told::Low | Told::Final), "{self:?}");
                let urgent_at = before.map_or(NONE, |(at, _)| at);
                assert!(at - urgent_at >= self.world.settings.insist, "{self:?}");
                before = Some((at, tell));
                continue;
            }
            assert_ne!(told, Told::Final, "{self:?}");
            match tell.word {
                // Never at start unless F or L was told, in this life or the last.
                Word::Ok => assert!(matches!(told, Told::Fail | Told::Low), "{self:?}"),
                // Low stays until OK.
                Word::Fail => assert_eq!(told, Told::Ok, "{self:?}"),
                Word::Low => assert!(matches!(told, Told::Ok | Told::Fail), "{self:?}"),
                Word::Shutdown => {
                    let said = World::shutdown_said(past);
                    assert_eq!(tell.blind, !said);
                    let unseen = |ups| self.world.counts_as_low(past, ups, at);
                    let blind = self.world.weigh(unseen) > 0;
                    assert!(said || blind, "{self:?}");
                }
            }
            // L and S never wait: nothing of the kind was due before this moment.
            if matches!(tell.word, Word::Low | Word::Shutdown) && at > NONE {
                let before = self.world.due(&self.log[..happened], at - NANO);
                assert!(before.is_none_or(|due| due.word != tell.word), "{self:?}");
            }
            told = match tell.word {
                Word::Ok => Told::Ok,
                Word::Fail => Told::Fail,
                Word::Low if !self.world.settings.low_is_final => Told::Low,
                _ => Told::Final,
            };
            before = Some((at, tell));
        }
    }

    /// Leaves it alone for long and looks at what init believes then.
    fn rest(&mut self) {
        self.sleep(ms(100));
        let machine = self.world.machine(&self.log);
        let low_is_final = self.world.settings.low_is_final;
        let truth: &[Told] = match machine {
            Power::Mains => &[Told::Ok, Told::Final],
            Power::Battery => &[Told::Fail, Told::Low, Told::Final],
            Power::Low if low_is_final && self.world.told != Told::Low => &[Told::Final],
            Power::Low => &[Told::Low, Told::Final],
        };
        assert!(truth.contains(&self.judge.last_told()), "{self:?}");
        let told_final = self.judge.last_told() == Told::Final;
        self.sleep(ms(200_000));
        let all_unseen_off_mains = (0..self.world.feeds.len()).all(|ups| {
            self.world.feeds[ups].0.weight == 0
                || self.judge.feeds()[ups].blind_since.is_some()
                    && self.world.last(&self.log, ups) != Power::Mains
        });
        // Blind on battery: down it goes. Blind on mains, or everything seen: nothing of itself.
        if all_unseen_off_mains && self.world.settings.need > 0 {
            assert_eq!(self.judge.last_told(), Told::Final, "{self:?}");
        }
        let none_unseen_off_mains = (0..self.world.feeds.len()).all(|ups| {
            self.judge.feeds()[ups].blind_since.is_none()
                || self.world.last(&self.log, ups) == Power::Mains
        });
        if none_unseen_off_mains && !told_final {
            assert_ne!(self.judge.last_told(), Told::Final, "{self:?}");
        }
        // Told to go down, still up, mains not back, and any sign since start: ask again.
        let urgent = matches!(self.judge.last_told(), Told::Low | Told::Final);
        if urgent && machine != Power::Mains && !self.log.is_empty() {
            let (at, last) = self.tells().next_back().expect("insisted");
            assert!(last.insist, "{self:?}");
            assert!(self.now - at < self.world.settings.insist, "{self:?}");
        }
        self.verdict();
    }
}

fn every_step(feeds: usize) -> Vec<Step> {
    let kinds = [Kind::Ok, Kind::Fail, Kind::Low, Kind::Lost, Kind::Restored, Kind::Shutdown];
    let frames = (0..feeds).flat_map(|ups| kinds.map(|kind| Step::Frame(kind, ups)));
    frames.chain([Step::Blinded]).collect()
}

/// Every legal sequence of so many events, so many milliseconds apart.
fn explore(run: &Run, steps: &[Step], gaps: &[u64], left: usize, seen: &mut u32) {
    for gap in gaps {
        let mut waited = run.fork();
        waited.sleep(ms(*gap));
        if left == 0 {
            continue;
        }
        for step in steps {
            let mut next = waited.fork();
            if !next.passes(*step) {
                continue;
            }
            next.give(*step);
            next.serve();
            *seen += 1;
            if left > 1 {
                explore(&next, steps, gaps, left - 1, seen);
            } else {
                next.rest();
            }
        }
    }
}

/// The gaps of one UPS; two have enough sequences without the third.
const GAPS: [u64; 4] = [0, 50, 15_000, 100];

fn explore_all(world: &World, length: usize) -> u32 {
    let (run, steps) = (Run::new(world), every_step(world.feeds.len()));
    let gaps = &GAPS[..GAPS.len() + 1 - world.feeds.len()];
    let mut seen = 0;
    explore(&run, &steps, gaps, length, &mut seen);
    seen
}

const TOLDS: [Told; 4] = [Told::Ok, Told::Fail, Told::Low, Told::Final];
const LASTS: [Option<Power>; 4] =
    [None, Some(Power::Mains), Some(Power::Battery), Some(Power::Low)];

#[test]
fn one_ups_every_four_events() {
    let seen = explore_all(&world(&[None], 1, Told::Ok), 4);
    assert!(seen > 50_000, "{seen}");
}

#[test]
fn one_ups_every_two_events_after_every_start() {
    for told in TOLDS {
        for last in LASTS {
            for low_is_final in [false, true] {
                let mut world = world(&[last], 1, told);
                world.settings.low_is_final = low_is_final;
                Run::new(&world).rest();
                explore_all(&world, 2);
            }
        }
    }
}

#[test]
fn one_ups_every_three_events_where_low_is_final() {
    let mut world = world(&[None], 1, Told::Ok);
    world.settings.low_is_final = true;
    explore_all(&world, 3);
}

#[test]
fn two_required_feeds_every_three_events() {
    let seen = explore_all(&world(&[None, None], 2, Told::Ok), 3);
    assert!(seen > 10_000, "{seen}");
}

#[test]
fn two_redundant_feeds_every_three_events() {
    explore_all(&world(&[None, None], 1, Told::Ok), 3);
}

#[test]
fn two_feeds_every_event_after_every_start() {
    for told in TOLDS {
        for first in LASTS {
            for second in LASTS {
                for need in [1, 2] {
                    let world = world(&[first, second], need, told);
                    Run::new(&world).rest();
                    explore_all(&world, 1);
                }
            }
        }
    }
}

/// Plays a story of one UPS (`watch` only what `lasts` and `need` say) and gives what was told.
fn play(world: &World, script: impl FnOnce(&mut Run)) -> String {
    let mut run = Run::new(world);
    script(&mut run);
    run.verdict();
    run.story()
}

#[test]
fn an_outage_is_told_once_each_way() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("O").then(1000, "F").then(5000, "O").then(9000, "H");
    });
    assert_eq!(story, "F@1000 O@6000");
}

#[test]
fn unlike_words_are_100_ms_apart_and_the_newest_wins() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("F").then(10, "O").then(10, "F").then(500, "H");
    });
    assert_eq!(story, "F@0");
    let story = play(&world, |run| {
        run.all("F").then(10, "O").then(80, "F O").then(500, "H");
    });
    assert_eq!(story, "F@0 O@100");
    let story = play(&world, |run| {
        run.all("F").then(99, "O").then(0, "L").then(50, "S");
        run.sleep(ms(1000));
    });
    assert_eq!(story, "F@0 L@99 S@149");
}

#[test]
fn low_stays_until_ok_also_for_the_next_generation() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("L").then(1000, "X").then(1000, "F").then(1000, "L");
        run.then(1000, "O").then(1000, "F");
    });
    assert_eq!(story, "L@0 O@4000 F@5000");
}

#[test]
fn ok_at_start_is_told_only_where_the_last_life_told_otherwise() {
    for (told, last, story) in [
        (Told::Ok, None, ""),
        (Told::Ok, Some(Power::Mains), ""),
        (Told::Fail, Some(Power::Battery), "O@10"),
        (Told::Low, Some(Power::Low), "O@10"),
        (Told::Final, Some(Power::Low), ""),
        // Written before the request, and the request never made: told again.
        (Told::Ok, Some(Power::Battery), "F@0 O@100"),
        (Told::Fail, Some(Power::Mains), "O@0"),
    ] {
        let world = world(&[last], 1, told);
        let got = play(&world, |run| {
            run.then(10, "O").then(300, "H");
        });
        assert_eq!(got, story, "{told:?} {last:?}");
    }
}

#[test]
fn shutdown_is_final() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("O").then(500, "S").then(500, "F O F L O");
        run.then(500, "X").then(0, "S F L C");
        run.sleep(ms(50_000));
    });
    assert_eq!(story, "S@500");
}

#[test]
fn blind_on_mains_for_ever_is_no_shutdown() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("O C");
        run.sleep(ms(100_000_000));
        run.all("X");
        run.sleep(ms(100_000_000));
    });
    assert_eq!(story, "");
}

#[test]
fn blind_on_battery_shuts_down_after_blind_after_to_the_nanosecond() {
    for blind in ["C", "X"] {
        for last in ["F", "L"] {
            let world = world(&[None], 1, Told::Ok);
            let mut run = Run::new(&world);
            run.all(last).then(3000, blind);
            run.sleep(ms(15_000) - NANO);
            assert_eq!(run.story(), format!("{last}@0"));
            run.sleep(NANO);
            assert_eq!(run.story(), format!("{last}@0 B@18000"));
        }
    }
}

#[test]
fn seen_again_before_blind_after_is_no_shutdown() {
    for again in ["C R", "X F", "X L", "X C R", "X O", "C X C R", "C X F"] {
        let world = world(&[None], 1, Told::Ok);
        let mut run = Run::new(&world);
        let (lost, back) = again.rsplit_once(' ').unwrap();
        run.all("F").then(1000, lost).then(14_999, back);
        run.sleep(ms(40_000));
        assert!(!run.story().contains('B'), "{again}: {}", run.story());
    }
}

/// Blindness runs from its beginning, whoever notices it again.
#[test]
fn blindness_is_not_prolonged_by_a_second_cause() {
    for (first, second) in [("C", "X"), ("X", "C"), ("X", "X"), ("C", "X C")] {
        let world = world(&[None], 1, Told::Ok);
        let mut run = Run::new(&world);
        run.all("F").then(5000, first).then(10_000, second);
        run.sleep(ms(5000));
        assert_eq!(run.story(), "F@0 B@20000", "{first} {second}");
    }
}

/// A slave restarted while its master is gone for good still goes down.
#[test]
fn a_start_on_battery_that_sees_nothing_shuts_down() {
    for (last, told) in [(Power::Battery, Told::Fail), (Power::Low, Told::Low)] {
        let world = world(&[Some(last)], 1, told);
        let story = play(&world, |run| run.sleep(ms(30_000)));
        assert_eq!(story, "B@15000");
    }
    // Never told (a crash between): told first.
    let world = world(&[Some(Power::Battery)], 1, Told::Ok);
    let story = play(&world, |run| run.sleep(ms(30_000)));
    assert_eq!(story, "F@0 B@15000");
}

#[test]
fn one_redundant_feed_lost_is_no_shutdown() {
    let redundant = world(&[None, None], 1, Told::Ok);
    let story = play(&redundant, |run| {
        run.all("O0 O1").then(1000, "L0").then(1000, "C0");
        run.sleep(ms(100_000));
    });
    assert_eq!(story, "");
    let story = play(&redundant, |run| {
        run.all("O0 O1 F0").then(1000, "F1").then(1000, "C1");
        run.sleep(ms(50_000));
        run.all("L0");
    });
    // Both on battery: F. One of them unseen for long counts as low; with the other low too: S.
    assert_eq!(story, "F@1000 B@52000");
    let required = world(&[None, None], 2, Told::Ok);
    let story = play(&required, |run| {
        run.all("O0 O1").then(1000, "F0").then(1000, "C0");
        run.sleep(ms(50_000));
    });
    assert_eq!(story, "F@1000 B@17000");
}

#[test]
fn ok_of_one_feed_is_no_ok_while_the_other_is_required() {
    let world = world(&[None, None], 2, Told::Ok);
    let story = play(&world, |run| {
        run.all("F0").then(1000, "F1").then(1000, "O0").then(1000, "L1");
        run.then(1000, "O1").then(1000, "H");
    });
    assert_eq!(story, "F@0 L@3000 O@4000");
}

#[test]
fn a_feed_of_weight_0_is_only_watched() {
    let mut world = world(&[None, None], 1, Told::Ok);
    world.feeds[1].0.weight = 0;
    let story = play(&world, |run| {
        run.all("O0 L1").then(1000, "C1");
        run.sleep(ms(50_000));
        run.all("F0");
        run.sleep(ms(50_000));
    });
    assert_eq!(story, "F@51000");
    assert!(!Run::new(&world).all("O0").judge.all_on_mains());
    assert!(Run::new(&world).all("O0 O1").judge.all_on_mains());
    // But its S is everybody's.
    let story = play(&world, |run| {
        run.all("O0 O1").then(5, "S1");
    });
    assert_eq!(story, "S@5");
}

#[test]
fn insists_after_low_or_shutdown_until_mains_return() {
    for letter in ["L", "S"] {
        let world = world(&[None], 1, Told::Ok);
        let mut run = Run::new(&world);
        run.all("F").then(1000, letter);
        run.sleep(ms(60_000) - NANO);
        assert_eq!(run.story(), format!("F@0 {letter}@1000"));
        run.sleep(NANO + ms(130_000));
        let insisted = format!("F@0 {letter}@1000 I@61000 I@121000 I@181000");
        assert_eq!(run.story(), insisted);
        run.all("O");
        run.sleep(ms(200_000));
        let back = if letter == "L" { " O@191000" } else { "" };
        assert_eq!(run.story(), insisted + back);
    }
}

#[test]
fn insists_while_blind_and_where_low_is_final() {
    let mut world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("F C");
        run.sleep(ms(100_000));
    });
    assert_eq!(story, "F@0 B@15000 I@75000");
    world.settings.low_is_final = true;
    let story = play(&world, |run| {
        run.all("L").then(1000, "S").then(1000, "C");
        run.sleep(ms(100_000));
    });
    assert_eq!(story, "L@0 I@60000");
}

/// Mains back and gone again before init could be told: L is still the last word, so insist.
#[test]
fn a_flicker_of_mains_does_not_end_insisting() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("L").then(30, "O").then(30, "F");
        run.sleep(ms(100_000));
    });
    assert_eq!(story, "L@0 I@60060");
}

/// Shut down was said, mains returned, the machine is still up, and mains fail again.
#[test]
fn a_second_outage_after_shutdown_was_said_is_insisted_on() {
    let world = world(&[None], 1, Told::Ok);
    let story = play(&world, |run| {
        run.all("F S").then(1000, "O").then(500_000, "F");
        run.sleep(ms(70_000));
    });
    assert_eq!(story, "F@0 S@0 I@561000");
}

/// Low or S was told by a daemon that is no more.
#[test]
fn a_new_daemon_goes_on_insisting() {
    for told in [Told::Low, Told::Final] {
        let world = world(&[Some(Power::Low)], 1, told);
        let story = play(&world, |run| {
            run.then(1000, "L");
            run.sleep(ms(130_000));
        });
        assert_eq!(story, "I@61000 I@121000", "{told:?}");
        let story = play(&world, |run| {
            run.then(1000, "O").then(300_000, "H");
        });
        let back = if told == Told::Low { "O@1000" } else { "" };
        assert_eq!(story, back);
    }
}

/// A jump from mains to all inputs zero may be a pulled cable: F and C at once, S only later.
#[test]
fn a_jump_has_the_grace_of_the_cable() {
    let mut world = world(&[None], 1, Told::Ok);
    world.feeds[0].0.cable_grace = ms(45_000);
    for (gap, blind_at) in [(0, 60_000), (1999, 61_999), (2000, 17_000)] {
        let mut run = Run::new(&world);
        run.all("O F").then(gap, "C");
        run.sleep(ms(61_999) - ms(gap));
        let story = format!("F@0 B@{blind_at}");
        assert_eq!(run.story(), story);
    }
    // Already on battery for long: no jump.
    let mut run = Run::new(&world);
    run.all("F").then(5000, "L").then(10, "C").then(15_000, "");
    assert_eq!(run.story(), "F@0 L@5000 B@20010");
}

/// The grace is for that loss of contact only.
#[test]
fn the_grace_ends_with_contact() {
    let mut world = world(&[None], 1, Told::Ok);
    world.feeds[0].0.cable_grace = ms(45_000);
    for (again, blind) in [("R", "X"), ("R L", "X"), ("R O F", "X"), ("R", "C")] {
        let mut run = Run::new(&world);
        run.all("O F C").then(3000, again).then(5000, blind);
        run.sleep(ms(15_000));
        assert!(run.story().ends_with(" B@23000"), "{again} {blind}: {}", run.story());
    }
    // The next generation sees it on battery: contact.
    let mut run = Run::new(&world);
    run.all("O F C").then(3000, "X F").then(5000, "X");
    run.sleep(ms(15_000));
    assert_eq!(run.story(), "F@0 B@23000");
}

#[test]
fn nothing_is_known_of_an_unseen_feed() {
    let world = world(&[None, Some(Power::Mains)], 1, Told::Ok);
    let judge = world.judge();
    assert!(!judge.all_on_mains());
    assert_eq!(judge.machine(), Power::Mains);
    assert_eq!(judge.next(NONE), None);
    assert_eq!(judge.feeds().len(), 2);
    assert!(judge.feeds().iter().all(|feed| feed.blind_since == Some(NONE)));
}

#[test]
fn an_event_of_no_ups_changes_nothing_but_s_is_machine_wide() {
    let world = world(&[None], 1, Told::Ok);
    let mut judge = world.judge();
    judge.event(NONE, Event { kind: Kind::Low, ups: 1 });
    assert_eq!(judge.due(NONE), None);
    judge.event(NONE, Event { kind: Kind::Shutdown, ups: 1 });
    assert_eq!(judge.due(NONE).map(|tell| tell.word), Some(Word::Shutdown));
}

fn any_world() -> impl Strategy<Value = World> {
    let feed = (0..4_u32, 0..40_u64, prop_oneof![Just(0), 0..40_u64], 0..4_usize);
    let feed = feed.prop_map(|(weight, blind_after, grace, last)| {
        let settings = FeedSettings {
            weight,
            blind_after: ms(10 * blind_after),
            first_state: ms(0),
            cable_grace: ms(10 * grace),
        };
        (settings, LASTS[last])
    });
    let feeds = prop::collection::vec(feed, 1..4);
    let settings = (1..6_u32, any::<bool>(), 11..60_u64);
    (feeds, settings, 0..4_usize).prop_map(|(feeds, (need, low_is_final, insist), told)| World {
        settings: Settings {
            need,
            low_is_final,
            insist: ms(10 * insist),
            low_is_told: true,
            shutdown_is_told: true,
        },
        feeds,
        told: TOLDS[told],
    })
}

fn any_script() -> impl Strategy<Value = Vec<(u64, usize, bool)>> {
    let gap = prop_oneof![Just(0), 0..12_u64, 0..80_u64, Just(199), Just(200)];
    prop::collection::vec((gap, 0..100_usize, prop::bool::weighted(0.2)), 0..25)
}

/// The steps of a script that are legal, with the time before each.
fn legal(world: &World, script: &[(u64, usize, bool)]) -> Vec<(Duration, Step, bool)> {
    let steps = every_step(world.feeds.len());
    let mut run = Run::new(world);
    let mut legal = Vec::new();
    let mut gap_so_far = 0;
    for (gap, step, deaf) in script {
        gap_so_far += gap;
        let step = steps[step % steps.len()];
        if run.passes(step) {
            legal.push((ms(10 * gap_so_far), step, *deaf));
            gap_so_far = 0;
        }
    }
    legal
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A parent that sleeps until `next` tells the same at the same times as one that looks at the
    /// judge every ten milliseconds: it never oversleeps.
    #[test]
    fn sleeping_until_next_misses_nothing(world in any_world(), script in any_script()) {
        let (mut sleeper, mut ticker) = (Run::new(&world), Run::new(&world));
        let script = legal(&world, &script);
        let rest = (ms(1500), Step::Frame(Kind::Alive, 0), false);
        for (gap, step, _) in script.into_iter().chain([rest]) {
            let until = sleeper.now + gap;
            sleeper.sleep(gap);
            while ticker.now < until {
                ticker.now += ms(10);
                ticker.tell();
            }
            prop_assert_eq!(sleeper.story(), ticker.story());
            sleeper.give(step);
            sleeper.serve();
            ticker.give(step);
            ticker.serve();
        }
        prop_assert_eq!(sleeper.story(), ticker.story());
        sleeper.verdict();
    }

    /// Init cannot be told at times (a gap): what is due stays right, and right until `next`.
    #[test]
    fn what_is_due_is_right_also_while_init_is_deaf(world in any_world(), script in any_script()) {
        let mut run = Run::new(&world);
        for (gap, step, deaf) in legal(&world, &script) {
            if deaf {
                let until = run.now + gap;
                run.check();
                while let Some(next) = run.judge.next(run.now).filter(|next| *next <= until) {
                    run.now = next;
                    run.check();
                }
                run.now = until;
            } else {
                run.serve();
                run.sleep(gap);
            }
            run.give(step);
            run.check();
        }
    }
}

/// What a judge of one UPS tells when these frames come a second apart, and in the two
/// minutes after: `I` = insist.
fn told_of(settings: Settings, kinds: &[Kind]) -> String {
    let feed =
        FeedSettings { weight: 1, blind_after: ms(15_000), first_state: ms(0), cable_grace: ms(0) };
    let mut judge = Judge::new(settings, [Feed::new(feed, None, ms(0))].into_iter(), Told::Ok);
    let mut story = String::new();
    for (second, kind) in kinds.iter().copied().map(Some).chain([None; 120]).enumerate() {
        let now = ms(1000 * (second as u64 + 1));
        if let Some(kind) = kind {
            judge.event(now, Event { kind, ups: 0 });
        }
        while let Some(tell) = judge.due(now) {
            story.push(if tell.insist { 'I' } else { char::from(tell.word.byte()) });
            judge.told(now, tell);
        }
    }
    story
}

#[test]
fn what_is_told_to_nobody_is_not_insisted_on() {
    let settings = |low_is_told, shutdown_is_told| Settings {
        need: 1,
        low_is_final: false,
        insist: ms(60_000),
        low_is_told,
        shutdown_is_told,
    };
    let low = [Kind::Fail, Kind::Low];
    assert_eq!(told_of(settings(true, true), &low), "FLII");
    assert_eq!(told_of(settings(false, true), &low), "FL");
    let shutdown = [Kind::Fail, Kind::Shutdown];
    assert_eq!(told_of(settings(true, false), &shutdown), "FS");
}

/// The parent before this one died between telling and recording. Mains may be back by now, and init may be
/// going down: the one word that is right in both cases. Seen to fail with an empty `shut_down`.
#[test]
fn a_shutdown_decided_before_is_told_again_and_is_the_last_word() {
    for told in [Told::Ok, Told::Fail, Told::Low] {
        let mut judge = world(&[Some(Power::Mains)], 1, told).judge();
        judge.shut_down();
        assert_eq!(judge.last_word(), Word::Shutdown);
        let tell = judge.due(ms(0)).unwrap();
        assert_eq!((tell.word, tell.insist, tell.blind), (Word::Shutdown, false, false));
        judge.told(ms(0), tell);
        judge.event(ms(1000), Event { kind: Kind::Ok, ups: 0 });
        assert_eq!(judge.due(ms(100_000)), None);
    }
}

/// A machine that a rule shut down is turned off at the end of its halt, one that an outage did comes back.
#[test]
fn the_cause_of_a_shutdown_is_the_battery_or_a_rule() {
    let cause = |kinds: &[Kind]| {
        let mut judge = world(&[None], 1, Told::Ok).judge();
        for (second, kind) in (1..).zip(kinds) {
            judge.event(ms(1000 * second), Event { kind: *kind, ups: 0 });
            while let Some(tell) = judge.due(ms(1000 * second)) {
                judge.told(ms(1000 * second), tell);
            }
        }
        judge.cause()
    };
    assert_eq!(cause(&[Kind::Ok]), None);
    assert_eq!(cause(&[Kind::Fail, Kind::Ok]), None);
    assert_eq!(cause(&[Kind::Ok, Kind::Shutdown]), Some((Cause::Rule, ms(2000))));
    assert_eq!(cause(&[Kind::Fail, Kind::Shutdown]), Some((Cause::Outage, ms(2000))));
    assert_eq!(cause(&[Kind::Fail, Kind::Low]), Some((Cause::Outage, ms(2000))));
    // Since when the mains is back counts.
    assert_eq!(cause(&[Kind::Low, Kind::Ok]), Some((Cause::Outage, ms(2000))));
    assert_eq!(cause(&[Kind::Low, Kind::Ok, Kind::Fail]), Some((Cause::Outage, ms(2000))));
    let over = [Kind::Low, Kind::Ok, Kind::Shutdown];
    assert_eq!(cause(&over), Some((Cause::Rule, ms(3000))));
}
