//! What a broker says when it is asked to stop.

use rustix::process::{Pid, Signal, kill_process};

use crate::clients::{declare, send};
use crate::process::Home;
use leveret::client::Client;
use leveret::wire::confirm;

#[test]
fn a_stop_says_how_confirms_shared_syncs() {
    let home = Home::new();
    let mut broker = home.start(false);
    declare(home.address);
    let mut client = Client::connect(home.address, "guest", "guest").unwrap();
    let channel = client.open_channel(1).unwrap();
    client.call(channel, confirm::Select { no_wait: false }).unwrap();
    for number in 0..100 {
        send(&mut client, channel, (0, 0, number), 10);
    }
    client.flush().unwrap();
    client.receive(std::time::Duration::from_secs(30)).unwrap().expect("a confirm");
    let id = Pid::from_raw(i32::try_from(broker.id()).unwrap()).unwrap();
    kill_process(id, Signal::TERM).unwrap();
    assert!(broker.ends().success());
    let said = home.last_words();
    let line = said.lines().find(|line| line.contains(" syncs of "));
    let line = line.unwrap_or_else(|| panic!("not a word about syncs: {said}"));
    assert!(line.contains(" entries, ") && line.ends_with(" us at most"), "{line}");
}
