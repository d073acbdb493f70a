//! Figures of days that are not summed up, read from the calls themselves.

use super::{Question, add, sums};
use crate::analytics::{Figures, Place, Span};
use crate::store::StoreError;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

// $1 organization, $2 and $3 first and last day, $4 zone; then numbers, then agent. A call that was written down more than two hours
// after it was asked for, and beyond midnight, is only there when its day is summed up.
macro_rules! live {
    ($whose:literal) => {
        concat!(
            "WITH c AS MATERIALIZED (
                SELECT c.day, c.number_id, c.agent_id, c.region, date_trunc('hour', c.requested_at, $4) AS hour,
                    count(*) FILTER (WHERE c.refusal IS NULL) AS calls,
                    count(*) FILTER (WHERE c.refusal IS NULL AND (c.invite_sent_at IS NOT NULL OR c.answered_at IS NOT NULL)) AS attempts,
                    count(*) FILTER (WHERE c.refusal IS NULL AND c.answered_at IS NOT NULL) AS answered,
                    count(c.refusal) AS refused,
                    count(c.talk_ms) FILTER (WHERE c.refusal IS NULL AND c.answered_at IS NOT NULL) AS talked,
                    coalesce(sum(c.talk_ms) FILTER (WHERE c.refusal IS NULL AND c.answered_at IS NOT NULL), 0) AS talk_ms
                FROM calls c
                WHERE ",
            $whose,
            " AND c.id >= cordboard_first_id($2::date::timestamp AT TIME ZONE $4 - interval '2 hours')
                    AND c.id < cordboard_first_id(($3::date + 1)::timestamp AT TIME ZONE $4 + interval '1 hour')
                    AND c.day >= $2 AND c.day <= $3
                GROUP BY 1, 2, 3, 4, 5
            )
            SELECT CASE WHEN grouping(day) = 0 THEN 'day' WHEN grouping(number_id) = 0 THEN 'number'
                WHEN grouping(agent_id) = 0 THEN 'agent' WHEN grouping(region) = 0 THEN 'country'
                WHEN grouping(hour) = 0 THEN 'hour' ELSE 'all' END AS kind,
                day, number_id, agent_id, region, hour, extract(hour FROM hour AT TIME ZONE $4)::integer AS clock, ",
            sums!(),
            " FROM c GROUP BY GROUPING SETS ((), (day), (number_id), (agent_id), (region), (hour)) HAVING count(*) > 0"
        )
    };
}

const OF_ALL: &str = live!("c.organization_id = $1");
const OF_NUMBERS: &str = live!("c.organization_id = $1 AND c.number_id = ANY($5)");
const OF_AGENT: &str = live!("c.organization_id = $1 AND c.agent_id = $5");
const OF_AGENT_AND_NUMBERS: &str = live!("c.organization_id = $1 AND c.agent_id = $6 AND c.number_id = ANY($5)");

/// Reads the calls of these days.
pub(super) async fn read(
    connection: &mut PgConnection,
    question: &Question,
    place: &Place,
    span: Span,
    figures: &mut Figures,
) -> Result<(), StoreError> {
    let numbers = question.numbers.as_ref().map(|numbers| numbers.iter().map(|number| number.0).collect::<Vec<_>>());
    let statement = match (&numbers, question.agent) {
        (None, None) => OF_ALL,
        (Some(_), None) => OF_NUMBERS,
        (None, Some(_)) => OF_AGENT,
        (Some(_), Some(_)) => OF_AGENT_AND_NUMBERS,
    };
    let mut query = sqlx::query(statement)
        .bind(question.organization.0)
        .bind(span.first.to_sqlx())
        .bind(span.last.to_sqlx())
        .bind(&place.time_zone);
    if let Some(numbers) = numbers {
        query = query.bind(numbers);
    }
    if let Some(agent) = question.agent {
        query = query.bind(agent.0);
    }
    add(&query.fetch_all(connection).await?, figures)
}
