use super::*;

/// One request as init's header file lays it out: four native ints at 0, 4, 8 and 12, then 368 bytes.
fn request(command: i32, runlevel: u8, sleeptime: i32, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 384];
    bytes[0..4].copy_from_slice(&0x0309_1969_i32.to_ne_bytes());
    bytes[4..8].copy_from_slice(&command.to_ne_bytes());
    bytes[8..12].copy_from_slice(&i32::from(runlevel).to_ne_bytes());
    bytes[12..16].copy_from_slice(&sleeptime.to_ne_bytes());
    bytes[16..16 + data.len()].copy_from_slice(data);
    bytes
}

#[test]
fn power_commands_are_one_request_each() {
    for (command, number) in
        [(Command::PowerFail, 2), (Command::PowerFailNow, 3), (Command::PowerOk, 4)]
    {
        let message = Message::new(command, 5);
        assert_eq!(message.bytes(), request(number, 0, 5, b""));
        assert_eq!(message.bytes().len(), 384);
    }
}

#[cfg(target_endian = "little")]
#[test]
fn power_fail_byte_for_byte() {
    let message = Message::new(Command::PowerFail, 5);
    let (header, data) = message.bytes().split_at(16);
    assert_eq!(header, b"\x69\x19\x09\x03\x02\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00");
    assert_eq!(data, [0; 368]);
}

/// Alone it would halt without cutting the power; apart, the two could be torn.
#[test]
fn runlevel_0_is_two_requests_in_one_message_and_poweroff_comes_first() {
    let message = Message::new(Command::Runlevel(b'0'), 9);
    let expected = [request(6, 0, 9, b"INIT_HALT=POWEROFF\0"), request(1, b'0', 9, b"")];
    assert_eq!(message.bytes(), expected.concat());
    assert_eq!(message.bytes().len(), 768);
}

#[test]
fn other_runlevels_are_one_request() {
    for level in *b"123456sSabcu" {
        let message = Message::new(Command::Runlevel(level), 1);
        assert_eq!(message.bytes(), request(1, level, 1, b""));
    }
}

/// init keeps it from every request as its grace between TERM and KILL.
#[test]
fn sleeptime_is_as_given_and_never_0() {
    for command in [
        Command::PowerFail,
        Command::PowerFailNow,
        Command::PowerOk,
        Command::Runlevel(b'0'),
        Command::Runlevel(b'1'),
    ] {
        for sleep_time in 0..=u8::MAX {
            let message = Message::new(command, sleep_time);
            for request in message.bytes().chunks(384) {
                let field = i32::from_ne_bytes(request[12..16].try_into().unwrap());
                assert_eq!(field, i32::from(sleep_time).max(1), "{command:?}");
            }
        }
    }
}

#[test]
fn data_stays_in_its_request() {
    let mut message = Message::new(Command::PowerOk, 1);
    message.length = 0;
    message.push(6, 0, 1, &[b'x'; 1000]);
    assert_eq!(message.bytes(), request(6, 0, 1, &[b'x'; 368]));
    message.push(4, 0, 1, b"");
    assert_eq!(message.bytes()[384..], request(4, 0, 1, b""));
}
