//! A broker on a simulated disk, its syncer, its checkpointer and its clients, one turn after the
//! other until the disk goes.

use std::sync::Arc;
use std::time::Duration;

use leveret::broker::access::Change;
use leveret::broker::{
    Broker, BrokerError, BrokerOptions, Command, Effects, FsyncPolicy, OpenConnection,
};
use leveret::ids::{ChannelNumber, ConnectionId, SyncPoint, Timestamp};
use leveret::store::{CheckpointJob, MemoryDisk, Store, StoreError, StoreOptions, SyncRequest};
use leveret::wire::{Method, ShortString, Table, basic, channel, confirm, tx};

use super::client::{Client, Expected, Mode};
use super::clock::Clock;
use super::extras::{self, Side};
use super::model::Model;
use super::random::Random;

/// No work takes so many turns.
const SLICES_MAX: u64 = 1_000_000;

pub(crate) const CHANNEL: ChannelNumber = ChannelNumber(1);

/// How a broker is set up: small, so that everything happens often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub fsync: FsyncPolicy,
    pub store: StoreOptions,
    pub resident_bytes_max: u64,
    pub work_per_turn: u64,
}

impl Setup {
    pub(crate) fn new(random: &mut Random) -> Self {
        let fsync = match random.below(5) {
            0 => FsyncPolicy::Interval(Duration::from_millis(40)),
            1 => FsyncPolicy::Never,
            _ => FsyncPolicy::Always,
        };
        let segment_bytes_max = random.pick(&[4096, 16 << 10]);
        let journal_bytes_max = random.pick(&[3 << 10, 12 << 10, 40 << 10]);
        Self {
            fsync,
            store: StoreOptions {
                segment_bytes_min: 4096,
                segment_bytes_max,
                journal_bytes_max,
                journal_bytes_early: journal_bytes_max / 4,
                journal_bytes_prepared: random.pick(&[4096, 16 << 10]),
                journal_bytes_spare: random.pick(&[0, 4096]),
                shared_bytes_min: random.pick(&[0, 100, 4096]),
                open_files_max: random.pick(&[1, 3, 100]),
            },
            resident_bytes_max: random.pick(&[0, 2 << 10, 20 << 10, 1 << 20]),
            work_per_turn: random.pick(&[1, 8, 64, 16 << 10]),
        }
    }

    pub(crate) fn open(
        &self,
        disk: &MemoryDisk,
        clock: &Clock,
    ) -> Result<(Broker, u64), BrokerError> {
        let (store, recovery) = Store::examine(Arc::new(disk.clone()), self.store)?;
        let options = BrokerOptions {
            fsync: self.fsync,
            resident_bytes_max: self.resident_bytes_max,
            outbox_bytes_max: 50_000,
            reading: Some(clock.reading()),
            work_per_turn: self.work_per_turn,
            ..BrokerOptions::default()
        };
        let damaged = recovery.damaged();
        let mut broker = Broker::open(store, recovery, options)?;
        broker.settle_start()?;
        Ok((broker, damaged))
    }
}

/// Why a world ends.
pub(crate) enum End {
    /// The disk failed, as it was told to.
    Disk,
    /// There was no room: publishes wait from now on, which clients here do not expect.
    NoRoom,
    /// A promise was broken.
    Broken(String),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        if error.is_passing() { Self::NoRoom } else { Self::Disk }
    }
}

impl From<String> for End {
    fn from(what: String) -> Self {
        Self::Broken(what)
    }
}

pub(crate) struct World<'a> {
    pub broker: Broker,
    pub model: &'a mut Model,
    pub random: &'a mut Random,
    pub clients: Vec<Client>,
    pub clients_made: u64,
    effects: Effects,
    /// The broker's time when it began, and the uptime at that moment.
    began: (Timestamp, u64),
    pub side: Side,
    promises: bool,
    /// The clients of the other queues have come.
    beside: bool,
    requests: Vec<(u64, SyncRequest)>,
    synced: Option<SyncPoint>,
    job: Option<(u64, CheckpointJob)>,
    job_done: bool,
}

impl<'a> World<'a> {
    pub(crate) fn new(
        broker: Broker,
        setup: &Setup,
        model: &'a mut Model,
        random: &'a mut Random,
    ) -> Self {
        Self {
            began: (broker.now(), model.clock.reading().uptime),
            side: Side::default(),
            broker,
            model,
            random,
            clients: Vec::new(),
            clients_made: 0,
            effects: Effects::default(),
            promises: setup.fsync == FsyncPolicy::Always,
            requests: Vec::new(),
            beside: false,
            synced: None,
            job: None,
            job_done: false,
        }
    }

    /// So many steps: turns with a few commands each, syncs and checkpoints some time later.
    pub(crate) fn run(&mut self, steps: u64) -> Result<(), End> {
        self.first_turn()?;
        for _ in 0..steps {
            match self.random.below(10) {
                0 | 1 if !self.requests.is_empty() => self.sync()?,
                2 if self.job.is_some() => self.run_job()?,
                _ => self.turn()?,
            }
        }
        Ok(())
    }

    /// Turns without clients, until there is nothing left to do.
    pub(crate) fn idle(&mut self) -> Result<(), End> {
        for _ in 0..4 {
            self.begin_turn()?;
            self.end_turn()?;
            self.sync()?;
            self.run_job()?;
        }
        Ok(())
    }

    /// A last checkpoint, and the mark that all is in order.
    pub(crate) fn close(mut self) -> Result<(), End> {
        self.run_job()?;
        self.begin_turn()?;
        self.end_turn()?;
        let turn = self.model.turn;
        if self.broker.is_checkpointing() {
            self.run_job()?;
            self.broker.checkpoint_done()?;
        }
        self.broker.close_store()?;
        self.model.durable = turn;
        Ok(())
    }

    fn turn(&mut self) -> Result<(), End> {
        // What a client has read makes room for deliveries: these come before its next command.
        let quiet = self.clients.iter().all(|client| client.drained == 0);
        self.begin_turn()?;
        let alone = self.random.percent(5) && quiet && super::commands::alone(self);
        if !alone {
            let commands = 1 + self.random.below(6);
            self.commands(commands)?;
        }
        self.end_turn()
    }

    /// Commands of one turn, but for what takes several: what others do before that is done is not
    /// in the order that the model has.
    fn commands(&mut self, count: u64) -> Result<(), End> {
        for _ in 0..count {
            super::commands::command(self);
            while self.broker.has_long_work() {
                self.end_slice(false)?;
            }
        }
        Ok(())
    }

    fn begin_turn(&mut self) -> Result<(), End> {
        self.model.turn += 1;
        self.model.clock.pass(self.model.turn, self.random);
        self.broker.read_clocks(self.now(), self.model.clock.reading());
        if let Some(point) = self.synced.take() {
            self.broker.synced(point, &mut self.effects);
        }
        if std::mem::take(&mut self.job_done) {
            self.broker.checkpoint_done()?;
        }
        if self.beside {
            extras::begin_turn(self);
        }
        for place in 0..self.clients.len() {
            let drained = std::mem::take(&mut self.clients[place].drained);
            if drained > 0 {
                self.apply(place, Command::Drained(drained));
            }
        }
        Ok(())
    }

    /// Ends the turn, and the further ones that long work takes. What the clients have asked for in
    /// it is done when the last of these is written.
    fn end_turn(&mut self) -> Result<(), End> {
        self.end_slice(true)?;
        let mut slices = 0;
        while self.broker.is_working() {
            slices += 1;
            assert!(slices < SLICES_MAX, "the work does not end");
            self.end_slice(true)?;
        }
        self.model.written = self.model.turn;
        self.model.clock.written();
        self.model.extras.operator.end_turn(&self.broker, self.promises);
        Ok(())
    }

    fn end_slice(&mut self, last: bool) -> Result<(), End> {
        let now = self.now();
        let request = self.broker.end_turn(now, &mut self.effects)?;
        let done = self.model.turn - u64::from(!last || self.broker.is_working());
        self.requests.extend(request.map(|request| (done, request)));
        let urgent = self.effects.take_urgent().any(|(to, _)| to != extras::HELD);
        if self.broker.holds_outputs() || urgent {
            return Err(End::NoRoom); // the clients learn nothing more
        }
        for (to, outputs) in self.effects.take() {
            let client = self.clients.iter_mut().find(|client| client.id == to);
            match client {
                Some(client) => outputs
                    .iter()
                    .try_for_each(|output| client.receive(self.model, output, self.promises))?,
                None if !extras::is_beside(to) => {}
                None => outputs.iter().try_for_each(|output| {
                    self.side.receive(to, self.model, output, self.promises)
                })?,
            }
        }
        if let Some(job) = self.broker.checkpoint(now)? {
            self.job = Some((done, job));
        }
        Ok(())
    }

    /// The syncer: the newest request covers the others.
    fn sync(&mut self) -> Result<(), End> {
        let Some((turn, request)) = self.requests.pop() else { return Ok(()) };
        self.requests.clear();
        request.run()?;
        self.model.durable = self.model.durable.max(turn);
        self.synced = Some(request.point);
        Ok(())
    }

    /// The checkpointer: what the snapshot holds is durable.
    fn run_job(&mut self) -> Result<(), End> {
        let Some((turn, job)) = self.job.take() else { return Ok(()) };
        job.run()?;
        self.model.durable = self.model.durable.max(turn);
        self.job_done = true;
        Ok(())
    }

    pub(crate) fn apply(&mut self, place: usize, command: Command) {
        let from = self.clients[place].id;
        self.apply_from(from, command);
    }

    pub(crate) fn apply_from(&mut self, from: ConnectionId, command: Command) {
        self.broker.apply(self.now(), from, command, &mut self.effects);
    }

    /// An operator changes something.
    pub(crate) fn change(&mut self, change: Change) {
        self.broker.change(vec![change], &mut self.effects).expect("it can be changed");
    }

    /// The broker's time.
    fn now(&self) -> Timestamp {
        let (began, uptime) = self.began;
        Timestamp(began.0 + self.model.clock.reading().uptime - uptime)
    }

    /// Sends a method and notes what is to come of it.
    pub(crate) fn call(&mut self, place: usize, method: impl Into<Method>, expected: Expected) {
        self.clients[place].expected.push_back(expected);
        self.apply(place, Command::Method(CHANNEL, method.into()));
    }

    pub(crate) fn send(&mut self, place: usize, method: impl Into<Method>) {
        self.apply(place, Command::Method(CHANNEL, method.into()));
    }

    /// The clients come, and may do something before the first checkpoint.
    fn first_turn(&mut self) -> Result<(), End> {
        self.begin_turn()?;
        for mode in [Mode::Confirm, Mode::Confirm, Mode::Plain, Mode::Transaction] {
            self.open_client(mode);
        }
        self.beside = true;
        extras::begin(self);
        let commands = self.random.below(6);
        self.commands(commands)?;
        self.end_turn()
    }

    pub(crate) fn open_client(&mut self, mode: Mode) {
        self.clients_made += 1;
        let place = self.clients.len();
        self.clients.push(Client::new(self.clients_made, mode));
        let open = OpenConnection {
            peer: "simulation".to_owned(),
            user: ShortString::clipped("guest"),
            virtual_host: ShortString::clipped("/"),
            client_properties: Table::default(),
            channel_max: 8,
            facts: Default::default(),
        };
        self.clients[place].expected.push_back(Expected::Nothing);
        self.apply(place, Command::Open(Box::new(open)));
        self.call(place, channel::Open::default(), Expected::Nothing);
        let prefetch_count = self.random.pick(&[0, 1, 5, 50]);
        let qos = basic::Qos { prefetch_count, ..Default::default() };
        self.call(place, qos, Expected::Nothing);
        match mode {
            Mode::Plain => {}
            Mode::Confirm => self.call(place, confirm::Select::default(), Expected::Nothing),
            Mode::Transaction => self.call(place, tx::Select::default(), Expected::Nothing),
        }
    }

    /// The world ends: see [`Self::end_of`].
    pub(crate) fn end(&mut self) {
        for place in 0..self.clients.len() {
            self.end_of(place);
        }
    }

    /// A client goes: what waits behind an answer for its consumers that do not acknowledge may be
    /// gone unseen.
    pub(crate) fn end_of(&mut self, place: usize) {
        let client = &self.clients[place];
        let consumers = client.consumers.values().filter(|one| one.no_ack && client.waits());
        let instances: Vec<_> = consumers.map(|consumer| consumer.instance).collect();
        for instance in instances {
            for (_, copy) in self.model.copies_mut(instance).filter(|(_, copy)| !copy.held) {
                copy.gone.get_or_insert(u64::MAX);
            }
        }
    }

    /// A turn failed: what it did without an acknowledgement may have happened unseen.
    pub(crate) fn fail_turn(&mut self) {
        self.model.turn += 1;
        self.model.extras.unseen_gets += self.side.gets;
        let instances: Vec<_> = self
            .clients
            .iter()
            .flat_map(|client| client.consumers.values())
            .filter(|consumer| consumer.no_ack)
            .map(|consumer| consumer.instance)
            .collect();
        for instance in instances {
            self.model.purge(instance, false);
        }
    }
}
