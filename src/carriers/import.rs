//! Takes a carrier's list in, or looks at it. One page is one transaction; between pages nothing is held, so an import that dies
//! is gone on with from the page that it had not taken in, and one that runs twice finds nothing to do.

use super::drift::{self, Drift};
use super::{CarrierError, Client};
use crate::config::Carrier;
use crate::core::ids::OrganizationId;
use crate::core::number::E164;
use crate::inventory::listed::{Entry, Listed, Page};
use crate::numbering::ExtraPrefix;
use crate::store::carriers::{self, Counts, Fate, Import, ImportId, Taken, Target};
use crate::store::{Actor, Scope, Store, StoreError, Transaction};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// No list has more pages; a carrier that never comes to an end is not read for ever.
const PAGES_MAX: usize = 10_000;
/// So many of our own numbers are read at a time.
const BATCH: u32 = 1000;

/// Why an import or a look came to no end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The carrier.
    #[error("page {page}: {error}")]
    Carrier {
        /// Which page, from 1.
        page: i32,
        /// What is the matter.
        #[source]
        error: CarrierError,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Two imports of the same numbers at the same time.
    #[error("another import from this carrier is under way, and was faster; look what it did and begin again")]
    Contested,
    /// A page leads back to one before it.
    #[error("page {page} leads back to a page that was read already; ask the carrier")]
    Circle {
        /// Which page, from 1.
        page: i32,
    },
    /// It has no end.
    #[error("the list has more than {PAGES_MAX} pages; ask for larger ones: carrier.page_size")]
    Endless,
}

/// In whose name the numbers are read and written, and whose they become.
#[derive(Clone, Debug)]
pub struct Desk<'a> {
    /// The records.
    pub store: &'a Store,
    /// What its transactions see.
    pub scope: Scope,
    /// Who does it.
    pub actor: Actor,
    /// Whose numbers; none: the inventory's.
    pub organization: Option<OrganizationId>,
    /// What the settings add to the numbering plans.
    pub extra: &'a [ExtraPrefix],
}

impl Desk<'_> {
    async fn begin(&self) -> Result<Transaction, StoreError> {
        self.store.begin_as(self.scope, &self.actor).await
    }
}

/// How to go about it.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// From the first page, even if an import was interrupted.
    pub restart: bool,
    /// Everything is tried and nothing is kept.
    pub dry_run: bool,
    /// So many pages at most; the rest is for the next time.
    pub pages_max: usize,
}

impl Default for Way {
    fn default() -> Self {
        Self { restart: false, dry_run: false, pages_max: PAGES_MAX }
    }
}

/// What came of it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CarrierImportReport")]
pub struct Report {
    /// All pages were read; if not, ask again, and it goes on.
    pub finished: bool,
    /// Everything was tried and nothing was kept.
    pub dry_run: bool,
    /// It went on behind this many pages of an interrupted import.
    pub resumed_after: i32,
    /// Pages read, with those before the interruption.
    pub pages: i32,
    /// How many numbers the carrier says there are; null if it does not.
    pub total: Option<i64>,
    /// What became of the entries, with those before the interruption.
    #[serde(flatten)]
    pub counts: Counts,
    /// What the list had more or fewer at its end than at its beginning: somebody bought or gave back numbers meanwhile, and
    /// another import will tell.
    pub changed_meanwhile: bool,
    /// The import, if it is kept.
    #[serde(skip)]
    pub import: Option<ImportId>,
    /// Of a dry run: what would become of the entries.
    #[serde(skip)]
    pub rows: Vec<Taken>,
}

/// Takes a carrier's list in. `progress` is told after each page.
///
/// # Errors
///
/// If the carrier or the database give up, or somebody else does the same. What was taken in before stands.
pub async fn import(
    client: &Client,
    carrier: &Carrier,
    desk: &Desk<'_>,
    way: Way,
    mut progress: impl FnMut(&Report) + Send,
) -> Result<Report, ImportError> {
    let target = Target { organization: desk.organization, kind: client.kind(), trunk: carrier.trunk.clone() };
    let (mut at, mut seen) = open(carrier, desk, way).await?;
    let mut report = Report { resumed_after: at.pages, dry_run: way.dry_run, ..Report::default() };
    let mut cursors = BTreeSet::new();
    for _ in 0..way.pages_max.min(PAGES_MAX) {
        let number = at.pages + 1;
        let failed = |error| ImportError::Carrier { page: number, error };
        let page = match client.page(at.cursor.as_deref(), at.page_size, desk.extra).await {
            // A page is remembered here longer than there.
            Err(error) if error.is_stale() && at.cursor.is_some() && report.resumed_after == at.pages => {
                let mut transaction = desk.begin().await?;
                carriers::restart(&mut transaction, at.id, carrier.page_size).await?;
                transaction.commit().await?;
                (at, seen) = open(carrier, desk, way).await?;
                report.resumed_after = 0;
                continue;
            }
            answer => answer.map_err(failed)?,
        };
        if page.next.as_ref().is_some_and(|next| !cursors.insert(next.clone())) {
            return Err(ImportError::Circle { page: number });
        }
        let total = page.total.and_then(|total| i64::try_from(total).ok());
        report.changed_meanwhile |= at.total.zip(total).is_some_and(|(before, now)| before != now);
        let taken = take(desk, &target, &at, &page, &mut seen, total, way.dry_run).await?;
        at.counts.add(Counts::of(&taken));
        at = Import { pages: number, cursor: page.next, total: at.total.or(total), ..at };
        report =
            Report { finished: at.cursor.is_none(), pages: at.pages, total: at.total, counts: at.counts, ..report };
        report.import = (!way.dry_run).then_some(at.id);
        if way.dry_run {
            report.rows.extend(taken.into_iter().filter(Taken::is_remarkable));
        }
        progress(&report);
        if report.finished {
            return Ok(report);
        }
    }
    if way.pages_max >= PAGES_MAX { Err(ImportError::Endless) } else { Ok(report) }
}

type Seen = BTreeMap<E164, (i32, i32)>;

/// Where it begins: a dry run always at the beginning, because it leaves nothing to go on from.
async fn open(carrier: &Carrier, desk: &Desk<'_>, way: Way) -> Result<(Import, Seen), StoreError> {
    let mut transaction = desk.begin().await?;
    let mut at = carriers::begin(&mut transaction, &carrier.name, desk.organization, carrier.page_size).await?;
    if way.dry_run {
        // Taken back with the transaction, if it was not there.
        let fresh = Import { cursor: None, pages: 0, total: None, counts: Counts::default(), ..at };
        return Ok((Import { page_size: carrier.page_size, ..fresh }, Seen::new()));
    }
    if way.restart && at.pages > 0 {
        carriers::restart(&mut transaction, at.id, carrier.page_size).await?;
        at = carriers::begin(&mut transaction, &carrier.name, desk.organization, carrier.page_size).await?;
    }
    let seen = carriers::seen(&mut transaction, at.id).await?;
    transaction.commit().await?;
    Ok((at, seen))
}

/// One page, in one transaction.
async fn take(
    desk: &Desk<'_>,
    target: &Target,
    at: &Import,
    page: &Page,
    seen: &mut Seen,
    total: Option<i64>,
    dry_run: bool,
) -> Result<Vec<Taken>, ImportError> {
    let number = at.pages + 1;
    let mut taken = Vec::with_capacity(page.entries.len());
    let mut good: Vec<(u32, &Listed)> = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        match sift(entry, number, seen) {
            Ok(listed) => good.push((entry.place, listed)),
            Err((fate, message)) => taken.push(Taken::not(number, entry, fate, message)),
        }
    }
    let mut transaction = desk.begin().await?;
    taken.extend(carriers::take(&mut transaction, target, number, &good).await?);
    taken.sort_by_key(|one| one.place);
    if dry_run {
        return Ok(taken);
    }
    if !carriers::turn(&mut transaction, at, &taken, page.next.as_deref(), total).await? {
        return Err(ImportError::Contested);
    }
    transaction.commit().await?;
    Ok(taken)
}

/// What can be taken in, or why not.
fn sift<'a>(entry: &'a Entry, page: i32, seen: &mut Seen) -> Result<&'a Listed, (Fate, String)> {
    let listed = entry.read.as_ref().map_err(|wrong| (Fate::Error, wrong.clone()))?;
    let here = (page, i32::try_from(entry.place).unwrap_or(i32::MAX));
    if let Some((page, place)) = seen.get(&listed.e164) {
        return Err((Fate::Skipped, format!("the carrier listed it already: page {page}, place {place}")));
    }
    if !listed.standing.is_usable() {
        return Err((Fate::Skipped, format!("the carrier says that it is {}", listed.standing.as_str())));
    }
    seen.insert(listed.e164, here);
    Ok(listed)
}

/// What differs between a carrier's list and ours, and the entries of theirs that make no sense.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CarrierDrift")]
pub struct Look {
    /// Pages read.
    pub pages: i32,
    /// What differs.
    #[serde(flatten)]
    pub drift: Drift,
    /// What could not be compared.
    pub errors: Vec<Taken>,
}

/// Reads a carrier's whole list and compares it with ours. Nothing is written.
///
/// # Errors
///
/// If the carrier or the database give up.
pub async fn look(
    client: &Client,
    carrier: &Carrier,
    desk: &Desk<'_>,
    mut progress: impl FnMut(i32, usize) + Send,
) -> Result<Look, ImportError> {
    let mut theirs = BTreeMap::new();
    let (mut look, mut cursor, mut cursors) = (Look::default(), None, BTreeSet::new());
    loop {
        let number = look.pages + 1;
        let failed = |error| ImportError::Carrier { page: number, error };
        let page = client.page(cursor.as_deref(), carrier.page_size, desk.extra).await.map_err(failed)?;
        look.pages = number;
        for entry in &page.entries {
            match &entry.read {
                Ok(listed) => {
                    theirs.entry(listed.e164).or_insert_with(|| listed.clone());
                }
                Err(wrong) => look.errors.push(Taken::not(number, entry, Fate::Error, wrong.clone())),
            }
        }
        progress(number, theirs.len());
        cursor = page.next;
        match &cursor {
            None => break,
            Some(next) if !cursors.insert(next.clone()) => return Err(ImportError::Circle { page: number }),
            Some(_) if cursors.len() >= PAGES_MAX => return Err(ImportError::Endless),
            Some(_) => {}
        }
    }
    let mut ours = Vec::new();
    loop {
        let mut transaction = desk.begin().await?;
        let after = ours.last().map(|our: &carriers::Ours| our.e164);
        let batch = carriers::ours(&mut transaction, desk.organization, after, BATCH).await?;
        let last = batch.len() < BATCH as usize;
        ours.extend(batch);
        if last {
            break;
        }
    }
    let here: BTreeSet<E164> = ours.iter().map(|our| our.e164).collect();
    let strangers: Vec<E164> = theirs.keys().filter(|e164| !here.contains(e164)).copied().collect();
    let mut elsewhere = BTreeMap::new();
    for batch in strangers.chunks(BATCH as usize) {
        let mut transaction = desk.begin().await?;
        elsewhere.extend(carriers::owners(&mut transaction, batch).await?);
    }
    look.drift = drift::compare(client.kind(), &theirs, &ours, &elsewhere);
    Ok(look)
}
