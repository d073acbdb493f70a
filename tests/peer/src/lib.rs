//! A small SIP phone and carrier.
