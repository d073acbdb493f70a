//! Asterisk's own tables between SIP and Q.850, measured one by one.

/// The cause of a leg whose far end answered with this SIP status (`hangup_sip2cause`).
pub(crate) fn of_status(status: u16) -> u16 {
    match status {
        404 | 485 | 604 => 1,
        420 => 3,
        486 | 600 => 17,
        408 => 18,
        480 | 483 => 19,
        403 | 603 => 21,
        410 => 22,
        302 => 23,
        502 => 27,
        484 => 28,
        501 => 29,
        503 | 513 => 34,
        500 => 38,
        409 => 41,
        488 | 606 => 58,
        504 => 102,
        _ => 127,
    }
}

/// The SIP status with which an unanswered phone is turned away (`hangup_cause2sip`).
pub(crate) fn to_status(cause: u16) -> u16 {
    match cause {
        1..=3 => 404,
        17 => 486,
        18 => 408,
        19 | 20 | 31 => 480,
        21 => 403,
        22 => 410,
        27 => 502,
        28 => 484,
        29 => 501,
        34 | 38 | 42 | 44 => {
            if cause == 38 {
                500
            } else {
                503
            }
        }
        58 => 488,
        127 => 500,
        _ => 603,
    }
}
