use super::*;
use tokio::io::{DuplexStream, duplex};

const DONE: u8 = 0x65;

fn wire() -> (Wire, DuplexStream) {
    let (own, other) = duplex(1 << 20);
    (Wire::new(Box::new(own), Duration::from_secs(5)), other)
}

fn message(id: u32, operation: &[u8]) -> Vec<u8> {
    value(SEQUENCE, &[&number(INTEGER, id), operation])
}

fn result(tag: u8, code: u32, said: &str, more: &[u8]) -> Vec<u8> {
    let parts = [
        number(ENUMERATED, code),
        value(OCTETS, &[]),
        value(OCTETS, &[said.as_bytes()]),
    ];
    value(tag, &[&parts.concat(), more])
}

/// What a wire makes of some bytes when it has asked once.
async fn answer(bytes: &[u8]) -> io::Result<Outcome> {
    let (mut wire, mut other) = wire();
    other.write_all(bytes).await?;
    other.shutdown().await?;
    wire.ask(&value(0x60, &[]), &[]).await
}

#[tokio::test]
async fn answers_come_whole_however_they_arrive() {
    let entry = message(1, &value(ENTRY, &[&[7; 300]]));
    let all = [&entry[..], &message(1, &result(DONE, 0, "", &[]))].concat();
    for step in [1, 2, 3, 7, 299, all.len()] {
        let (mut wire, mut other) = wire();
        wire.send(&value(0x63, &[]), &[]).await.unwrap();
        let sending = async {
            for some in all.chunks(step) {
                other.write_all(some).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let receiving = async {
            let first = wire.receive().await.unwrap();
            assert_eq!((first.tag, first.content), (ENTRY, &[7; 300][..]), "{step}");
            assert_eq!(wire.receive().await.unwrap().outcome(), Ok(Outcome::default()));
        };
        tokio::join!(sending, receiving);
    }
}

#[tokio::test]
async fn an_outcome_s_parts_are_read_in_whatever_order_they_stand() {
    let page = value(SEQUENCE, &[&number(INTEGER, 0), &value(OCTETS, &[b"next"])]);
    let other = value(SEQUENCE, &[&value(OCTETS, &[b"1.2"])]);
    let more = [
        value(0x87, &[b"token"]),
        value(0x8b, &[b"unknown"]),
        value(0xa3, &[&value(OCTETS, &[b"ldap://x"])]),
    ];
    let done = result(0x61, 14, "said\0", &more.concat());
    let controls = value(0xa0, &[&other, &control(PAGED, &page)]);
    let outcome = answer(&value(SEQUENCE, &[&number(INTEGER, 1), &done, &controls])).await;
    let expected = Outcome {
        code: 14,
        text: "said".into(),
        referrals: vec!["ldap://x".into()],
        token: Some(b"token".to_vec()),
        cookie: b"next".to_vec(),
    };
    assert_eq!(outcome.unwrap(), expected);
}

#[tokio::test]
async fn an_answer_to_another_request_is_nobody_s() {
    let (mut wire, mut other) = wire();
    wire.send(&value(0x63, &[]), &[]).await.unwrap();
    for (id, code) in [(1, 1), (7, 2), (2, 3)] {
        other
            .write_all(&message(id, &result(DONE, code, "", &[])))
            .await
            .unwrap();
    }
    assert_eq!(wire.ask(&value(0x63, &[]), &[]).await.unwrap().code, 3);
}

#[tokio::test]
async fn a_controller_that_takes_its_leave_is_lost() {
    let error = answer(&message(0, &result(EXTENDED, 52, "shutting down", &[])))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
}

#[tokio::test]
async fn what_is_not_ldap_is_told_at_once() {
    let whole = message(1, &result(DONE, 0, "", &[]));
    let cases: [&[u8]; 8] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        // No definite length; longer than is taken; longer than anything is.
        &[0x30, 0x80, 2, 1, 1],
        &[0x30, 0x84, 0x04, 0, 0, 1],
        &[0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 0],
        // Nothing in it; a number below zero; an operation that is cut; no text.
        &[0x30, 0],
        &[0x30, 4, 2, 1, 0xff, 5],
        &[0x30, 5, 2, 1, 1, DONE, 9],
        &message(1, &value(DONE, &[&number(ENUMERATED, 0)])),
    ];
    for bytes in cases {
        let error = answer(bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        assert_eq!(error.to_string(), "what was answered is not LDAP");
    }
    for end in 0..whole.len() {
        let error = answer(&whole[..end]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{end}");
    }
}

#[tokio::test]
async fn nothing_that_came_before_tls_is_taken_into_it() {
    let (mut wire, mut other) = wire();
    let bytes = [
        message(1, &result(EXTENDED, 0, "", &[])),
        message(2, &result(0x61, 0, "", &[])),
    ]
    .concat();
    other.write_all(&bytes).await.unwrap();
    assert_eq!(wire.ask(&value(0x77, &[]), &[]).await.unwrap().code, 0);
    assert_eq!(wire.into_stream().err().unwrap().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
    let (own, _other) = duplex(1 << 20);
    let mut wire = Wire::new(Box::new(own), Duration::from_millis(20));
    let error = wire.ask(&value(0x60, &[]), &[]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
