//! Weighs a million security descriptors, so many of them different, and prints how many milliseconds that took. What the
//! benchmark `descriptors` runs.

use entra_sspr::directory::access::Token;
use entra_sspr::directory::scan::Weigher;
use entra_sspr::directory::sid::SidBuf;
use std::error::Error;
use std::time::Instant;

/// The descriptor of an ordinary user, as a domain controller gave it.
const USER: &str = include_str!("user.hex");

fn main() -> Result<(), Box<dyn Error>> {
    let different: u32 = std::env::args().nth(1).ok_or("how many different ones?")?.parse()?;
    let bytes: Vec<u8> = (0..USER.trim().len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&USER[at..at + 2], 16))
        .collect::<Result<_, _>>()?;
    let token: Token = ["S-1-5-21-1-2-3-1104", "S-1-1-0", "S-1-5-11"]
        .iter()
        .map(|sid| sid.parse::<SidBuf>())
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .collect();
    let tokens = [token];
    let mut weigher = Weigher::new(&tokens);
    let mut one = bytes;
    let begun = Instant::now();
    let mut refused = 0u32;
    for n in 0..1_000_000u32 {
        // The last number of the last entry's trustee makes it another one.
        let at = one.len() - 4;
        one[at..].copy_from_slice(&(n % different).to_le_bytes());
        let weighed = weigher.weigh(&one, entra_sspr::directory::rights::USER, None);
        let weighed = weighed.ok_or("an unreadable descriptor")?;
        refused += u32::from(weighed[0].is_refused());
    }
    println!("{}", begun.elapsed().as_secs_f64() * 1000.0);
    eprintln!("{refused} refused");
    Ok(())
}
