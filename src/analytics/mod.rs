//! What became of the calls of a number, or of many: which numbers and days are asked for, how figures add up, and what they are
//! called. Pure: figures come from [`store::analytics`](crate::store::analytics), and the day from the database's clock.
//!
//! | word | what is counted |
//! |---|---|
//! | calls | what the rules let out |
//! | attempts | calls of which an INVITE left for the carrier |
//! | answered | attempts that the customer picked up |
//! | success rate | answered of attempts, 0 to 1; none without attempts |
//! | average duration | how long the two talked, over answered calls that are over; none without such |
//! | refused | what the rules did not let out. It has no number, so it is counted only where no number is asked for |
//!
//! A day is the organization's: the one on which the call is counted. An hour is the organization's too.

mod asked;
mod figures;
mod log;
mod report;

pub use asked::{Asked, Days, MOST_DAYS, MOST_NUMBERS, NumberName, Span, WrongQuestion};
pub use figures::{Figures, Key, Sums};
pub use log::{Found, LogLine, WrongLine, columns, read_line};
pub use report::{AgentName, Candidate, Compared, Comparison, Dashboard, HourOfDay, NumberLabel, Place, Rates};
