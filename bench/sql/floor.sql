-- A floor with a past: one large tenant, ten small ones beside it, and functions that make the calls of a day. Nothing here is
-- part of Cordboard.

CREATE TABLE IF NOT EXISTS bench_seats (
    i bigint, organization_id uuid, agent_id uuid, endpoint text, numbers uuid[], assignments uuid[], presented text[],
    PRIMARY KEY (organization_id, i)
);

CREATE OR REPLACE PROCEDURE bench_floor(agents int, per_agent int) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trunks (name) VALUES ('carrier');
    INSERT INTO organizations (slug, name, country, time_zone) VALUES ('floor', 'Floor', 'US', 'America/New_York');
    INSERT INTO organizations (slug, name, country, time_zone)
    SELECT 'small-' || i, 'Small ' || i, 'US', 'America/New_York' FROM generate_series(1, 10) i;
    INSERT INTO agents (organization_id, name, endpoint)
    SELECT o.id, 'Agent ' || i, o.slug || '-' || lpad(i::text, 4, '0')
    FROM organizations o, generate_series(1, CASE o.slug WHEN 'floor' THEN agents ELSE 2 END) i;
    INSERT INTO numbers (organization_id, e164, region, metadata)
    SELECT g.organization_id, '+1' || (2125550000 + row_number() OVER (ORDER BY g.endpoint, k)), 'US',
        jsonb_build_object('team', 'team-' || (row_number() OVER (ORDER BY g.endpoint, k)) % 20)
    FROM agents g, generate_series(1, per_agent) k;
    INSERT INTO assignments (organization_id, agent_id, number_id, daily_limit, starts_at)
    SELECT g.organization_id, g.id, n.id, 1000, now() - interval '200 days'
    FROM (SELECT *, row_number() OVER (ORDER BY endpoint) AS i FROM agents) g
    JOIN numbers n ON n.e164 IN (SELECT '+1' || (2125550000 + (g.i - 1) * per_agent + k) FROM generate_series(1, per_agent) k);
    INSERT INTO bench_seats
    SELECT row_number() OVER (PARTITION BY g.organization_id ORDER BY g.endpoint) AS i, g.organization_id, g.id AS agent_id,
        g.endpoint, array_agg(a.number_id ORDER BY n.e164) AS numbers, array_agg(a.id ORDER BY n.e164) AS assignments,
        array_agg(n.e164::text ORDER BY n.e164) AS presented
    FROM agents g JOIN assignments a ON a.agent_id = g.id JOIN numbers n ON n.id = a.number_id
    GROUP BY g.id;
END $$;

-- The calls of one tenant on one day, in the order in which they were asked for: most on weekdays, by daylight, by the busier
-- agents; a third answered. What is not yet over of today is not made.
CREATE OR REPLACE FUNCTION bench_day(tenant text, a_day date, wanted int) RETURNS bigint LANGUAGE sql AS $$
    WITH place AS MATERIALIZED (
        SELECT o.id, (SELECT count(*) FROM bench_seats s WHERE s.organization_id = o.id) AS seats FROM organizations o WHERE o.slug = tenant
    ), drawn AS MATERIALIZED (
        SELECT p.id AS tenant_id, least(p.seats, 1 + floor(power(random(), 0.8) * p.seats)::bigint) AS seat, random() AS which, random() AS hour, random() AS hour2, random() AS minute, random() AS fate,
            random() AS land, random() AS talk, random() AS ring, random() AS whom
        FROM place p, generate_series(1, wanted) g
    ), made AS MATERIALIZED (
        SELECT d.*, s.*, 1 + floor(d.which * cardinality(s.numbers))::int AS k,
            (a_day + make_interval(hours => 8 + floor((d.hour + d.hour2) * 6)::int, secs => d.minute * 3600))
                AT TIME ZONE 'America/New_York' AS at,
            CASE WHEN d.fate < 0.33 THEN 'answered' WHEN d.fate < 0.70 THEN 'no_answer' WHEN d.fate < 0.80 THEN 'cancelled'
                WHEN d.fate < 0.87 THEN 'busy' WHEN d.fate < 0.91 THEN 'rejected' WHEN d.fate < 0.94 THEN 'agent_unavailable'
                WHEN d.fate < 0.96 THEN 'unallocated' WHEN d.fate < 0.98 THEN 'refused' WHEN d.fate < 0.9995 THEN 'congestion'
                WHEN d.fate < 0.99999 THEN 'failed' ELSE 'unknown_outcome' END AS disposition,
            CASE WHEN d.land < 0.80 THEN 'US' WHEN d.land < 0.92 THEN 'CA' WHEN d.land < 0.97 THEN 'GB' ELSE 'MX' END AS land_code
        FROM drawn d JOIN bench_seats s ON s.organization_id = d.tenant_id AND s.i = d.seat
    ), timed AS MATERIALIZED (
        SELECT m.*, encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid AS id,
            disposition = 'refused' AS refused, disposition NOT IN ('refused', 'agent_unavailable') AS sent, disposition = 'answered' AS answered,
            make_interval(secs => 3 + 20 * ring) AS rang, (-ln(1 - talk) * 120000)::bigint AS talk_ms
        FROM made m WHERE at < now() - interval '10 minutes'
    ), calls AS (
        INSERT INTO calls (id, organization_id, agent_id, endpoint, node, number_id, assignment_id, trunk, region, class, day, quota,
            refusal, refusal_sentence, facts, origin, agent_channel, customer_channel, requested_at, decided_at,
            customer_dialled_at, invite_sent_at, ringing_at, answered_at, agent_ended_at, customer_ended_at, ended_at, first_end,
            hung_up_by, cause, sip_code, disposition, settled_at, ring_ms, talk_ms)
        SELECT id, organization_id, agent_id, endpoint, 'pbx1', CASE WHEN NOT refused THEN numbers[k] END,
            CASE WHEN NOT refused THEN assignments[k] END, CASE WHEN NOT refused THEN 'carrier' END, land_code,
            'geographic_or_mobile', a_day, CASE WHEN refused THEN 'none' WHEN sent THEN 'committed' ELSE 'refunded' END,
            CASE WHEN refused THEN 'country_not_allowed' END,
            CASE WHEN refused THEN 'Calls to this country are not allowed from your numbers.' END,
            CASE WHEN refused THEN 2 ELSE 8 END, 'phone', 'agent-' || id, CASE WHEN sent THEN id || '-c-1' END, at,
            at + interval '5 ms', CASE WHEN sent THEN at + interval '9 ms' END, CASE WHEN sent THEN at + interval '12 ms' END,
            CASE WHEN sent THEN at + interval '1 s' END, CASE WHEN answered THEN at + rang END, over, over, over, 'customer',
            'customer', 16, NULL, disposition, over, CASE WHEN sent THEN (extract(epoch FROM rang) * 1000)::bigint END,
            CASE WHEN answered THEN talk_ms END
        FROM (SELECT *, at + CASE WHEN refused THEN interval '6 ms' WHEN answered THEN rang + talk_ms * interval '1 ms' ELSE rang END AS over
            FROM timed) t ORDER BY id
        RETURNING id
    ), numbers AS (
        INSERT INTO call_numbers (call_id, dialled, destination, presented)
        SELECT id, '1' || to_number, '+1' || to_number, CASE WHEN NOT refused THEN presented[k] END
        FROM (SELECT *, (3125550000 + floor(whom * 9000000))::bigint::text AS to_number FROM timed) t ORDER BY id
    )
    SELECT count(*) FROM calls
$$;
