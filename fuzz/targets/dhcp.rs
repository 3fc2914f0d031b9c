//! DHCP answers: whoever is on the network sends anything.
#![no_main]

#[allow(dead_code)]
#[path = "../../crates/init/src/network/dhcp/message.rs"]
mod message;

use libfuzzer_sys::fuzz_target;
use lifeboat_machine::Mac;
use message::Answer;

/// Those of the seeds.
const MAC: Mac = Mac([0x52, 0x54, 0x00, 0x0b, 0x0a, 0x07]);
const TRANSACTION: u32 = 0x1234;

fuzz_target!(|data: &[u8]| match message::answer(data, MAC, TRANSACTION) {
    Some(Answer::Offer(lease) | Answer::Ack(lease)) => {
        assert!(lease.prefix <= 32 && lease.renew < lease.duration && !lease.renew.is_zero());
        assert!(lease.all_routes().iter().all(|((_, prefix), _)| *prefix <= 32));
        // It goes into resolv.conf.
        assert!(lease.domain.is_none_or(|name| !name.contains(['\n', ' '])));
    }
    Some(Answer::Nak { reason }) => assert!(!reason.chars().any(char::is_control)),
    None => {}
});
