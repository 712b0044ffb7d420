//! The machine's clocks, and by how much the broker's time may be wrong after what became of them.

use leveret::clock::Reading;
use leveret::ids::Timestamp;

use super::random::Random;

/// What the wall clock shows at first.
const BEGIN: u64 = 1_700_000_000_000;

/// The broker does not take less for a step of the wall clock, in milliseconds.
const SMALL: u64 = 50;

/// The clocks of a machine that the process, the power and people do to what they like.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// The time that has really passed.
    pub real: u64,
    booted: u64,
    /// The wall clock is ahead of real time by so much.
    ahead: i64,
    /// Steps of the wall clock: the turn that noticed, and how far.
    steps: Vec<(u64, u64)>,
    /// The broker's time and the real time of the first start; none before.
    base: Option<(Timestamp, u64)>,
    /// The turn that journaled the first sample.
    sampled: Option<u64>,
    /// A sample was journaled under this boot. Before, only the wall clock can tell the time.
    noted: bool,
    /// By how much the broker's time may differ from real time: what nobody could know.
    pub unknown: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            real: BEGIN,
            booted: BEGIN - 77,
            ahead: 0,
            steps: Vec::new(),
            base: None,
            sampled: None,
            noted: false,
            unknown: 0,
        }
    }

    pub(crate) fn reading(&self) -> Reading {
        let wall = self.real.saturating_add_signed(self.ahead);
        Reading { wall, uptime: self.real - self.booted }
    }

    fn step(&mut self, random: &mut Random) -> u64 {
        let far = random.pick(&[100, 3_600_000, 86_400_000 * 365]);
        let far = i64::try_from(SMALL + random.below(far)).expect("it is small");
        self.ahead += if random.percent(50) { far } else { -far };
        far.unsigned_abs()
    }

    /// Another process has lived for a while, and may have noted what it noticed.
    pub(crate) fn adopt(&mut self, other: &Self) {
        (self.real, self.booted, self.ahead) = (other.real, other.booted, other.ahead);
        let new = other.steps.iter().skip(self.steps.len());
        self.steps.extend(new.map(|(_, far)| (u64::MAX, *far)));
    }

    /// Time passes while the broker runs, and at times somebody sets the wall clock.
    pub(crate) fn pass(&mut self, turn: u64, random: &mut Random) {
        self.real += match random.below(200) {
            0 => random.below(20_000), // suspended
            _ => random.below(30),
        };
        if random.below(100) == 0 {
            let far = self.step(random);
            self.steps.push((turn, far));
        }
        for (noticed, _) in self.steps.iter_mut().filter(|(noticed, _)| *noticed == u64::MAX) {
            *noticed = turn;
        }
        self.sampled.get_or_insert(turn);
    }

    /// A turn is written.
    pub(crate) fn written(&mut self) {
        self.noted = true;
    }

    /// The process is killed, or the power goes: then steps may be forgotten that were noticed after
    /// the turn `durable`, and those while the machine is off are not noticed at all.
    pub(crate) fn interrupt(&mut self, power: bool, durable: u64, random: &mut Random) {
        self.real += random.below(300);
        let mut far = 0;
        if power {
            self.real += random.pick(&[0, 50, 5_000]);
            self.booted = self.real - random.below(20);
        }
        if random.percent(10) {
            far = self.step(random);
        }
        if !power && self.noted {
            // Noticed by the next process; who knows how far that gets.
            self.steps.push((u64::MAX, far));
            return;
        }
        let durable = if self.noted { durable } else { 0 };
        let forgotten = self.steps.iter().filter(|(turn, _)| *turn > durable).map(second);
        // Steps that come to less than that are not noted.
        self.unknown += far + forgotten.sum::<u64>() + if power { SMALL } else { 0 };
        self.steps.clear();
        self.noted &= !power;
    }

    /// A broker has begun with this time, after turns of which those up to `sure` are there.
    pub(crate) fn began(&mut self, time: Timestamp, sure: u64) -> Result<(), String> {
        let known = self.sampled.is_some_and(|turn| turn <= sure);
        let Some((base, real)) = self.base.filter(|_| known) else {
            // No sample need be there: then time begins anew, or goes on.
            self.base = Some((time, self.real));
            self.sampled = None;
            return Ok(());
        };
        let expected = base.0 + (self.real - real);
        if time.0.abs_diff(expected) > self.unknown {
            return Err(format!(
                "the broker begins at {}, not at {expected} (or up to {} off)",
                time.0, self.unknown
            ));
        }
        Ok(())
    }

    /// Whether time has begun for good: its first sample is among the turns up to `sure`.
    pub(crate) fn is_known(&self, sure: u64) -> bool {
        self.sampled.is_some_and(|turn| turn <= sure)
    }
}

fn second((_, far): &(u64, u64)) -> u64 {
    *far
}
