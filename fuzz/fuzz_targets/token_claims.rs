//! Access tokens that a caller supplies.
#![no_main]

use entra_sspr::session::config::Config;
use entra_sspr::session::credential::Supplied;
use entra_sspr::session::claims::Claims;
use entra_sspr::session::tokens::Audience;
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|text: &str| {
    if let Ok(claims) = Claims::of(text) {
        claims.permissions();
        claims.delegated();
    }
    for audience in [Audience::Graph, Audience::Portal] {
        let _ = Supplied::new(&Config::default(), audience, &Zeroizing::new(text.to_string()));
    }
});
