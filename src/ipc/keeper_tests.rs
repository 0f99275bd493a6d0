use super::*;
use crate::ipc::judge::{Feed, FeedSettings, Settings};
use crate::ipc::told::Told;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A warden that says what a test has it say, and a monitor that says nothing.
#[derive(Default)]
struct World {
    said: Vec<Said>,
}

impl Outside for World {
    fn read(&mut self, _: &mut [u8]) -> Option<usize> {
        None
    }
    fn pass_log(&mut self, _: Duration) -> Result<(), Malformed> {
        Ok(())
    }
    fn discard(&mut self) {}
    fn warden(&mut self) -> Option<Said> {
        self.said.pop()
    }
    fn order(&mut self, _: u8) -> bool {
        true
    }
    fn ready(&self) -> bool {
        true
    }
    fn open(&self, _: Tell) -> bool {
        true
    }
    fn tick(&mut self, _: Duration) {}
    fn tell(&mut self, _: Duration, _: Tell) -> bool {
        true
    }
    fn record(&mut self, _: Word, _: &Judge) -> bool {
        true
    }
    fn say(&mut self, _: Note) {}
}

/// With a monitor that runs.
fn keeper() -> (Keeper, World) {
    let feed =
        FeedSettings { weight: 1, blind_after: ms(15_000), first_state: ms(0), cable_grace: ms(0) };
    let settings = Settings {
        need: 1,
        low_is_final: false,
        insist: ms(60_000),
        low_is_told: true,
        shutdown_is_told: true,
    };
    let feeds = [Feed::new(feed, None, ms(0))].into_iter();
    let guard = Guard::new([("ups", ms(0))].into_iter());
    let mut keeper = Keeper::new(guard, Judge::new(settings, feeds, Told::Ok), ms(0));
    let mut world = World::default();
    says(&mut keeper, &mut world, Said::Ready);
    assert_eq!(keeper.stage, Stage::Running);
    (keeper, world)
}

fn says(keeper: &mut Keeper, world: &mut World, said: Said) {
    world.said.push(said);
    keeper.turn(ms(1), world);
}

#[test]
fn a_monitor_that_was_asked_says_by_its_end_what_became_of_the_slaves() {
    for (status, slaves) in
        [(EXIT_SERVED, Some(Slaves::Served)), (EXIT_UNSERVED, Some(Slaves::Missing)), (1, None)]
    {
        let (mut keeper, mut world) = keeper();
        keeper.part();
        assert_eq!(keeper.parted(ms(1)), None);
        says(&mut keeper, &mut world, Said::Dead(0x80 | status));
        assert_eq!(keeper.parted(ms(1)), slaves);
    }
}

/// Else a monitor that was taken over could say so months before, and nobody would be told at the end.
#[test]
fn one_that_was_not_asked_says_nothing_by_it_and_the_next_is_waited_for() {
    let (mut keeper, mut world) = keeper();
    says(&mut keeper, &mut world, Said::Dead(0x80 | EXIT_SERVED));
    assert_eq!(keeper.stage, Stage::Running);
    keeper.part();
    assert_eq!(keeper.parted(ms(1)), None);
    says(&mut keeper, &mut world, Said::Dead(0x80 | EXIT_UNSERVED));
    assert_eq!(keeper.parted(ms(1)), Some(Slaves::Missing));
}

/// Else a halt on battery would wait ten minutes for what cannot come.
#[test]
fn without_a_warden_nobody_is_waited_for() {
    let (mut keeper, mut world) = keeper();
    keeper.part();
    says(&mut keeper, &mut world, Said::Gone);
    assert_eq!(keeper.parted(ms(1)), Some(Slaves::Missing));
}
