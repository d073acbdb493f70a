-- What became of the calls of a day, summed up once the day is over. The sums are only a shorter way to the same figures: they
-- can be deleted at any time, and are made again from `calls` by whoever asks next. Nothing of this is on the way of a call.

CREATE TABLE metric_days (
    organization_id uuid NOT NULL REFERENCES organizations,
    day             date NOT NULL,
    calls           bigint NOT NULL,
    summed_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, day)
);
COMMENT ON TABLE metric_days IS 'Days that are over and summed up. Delete a row to have the day summed up anew.';
COMMENT ON COLUMN metric_days.calls IS 'Calls of that day, refused ones too.';

-- One row for what calls have in common. `calls`: the rules let them out. `attempts`: an INVITE left for the carrier.
CREATE TABLE metric_sums (
    organization_id uuid NOT NULL,
    day             date NOT NULL,
    number_id       uuid,
    agent_id        uuid,
    region          text,
    calls           bigint NOT NULL,
    attempts        bigint NOT NULL,
    answered        bigint NOT NULL,
    refused         bigint NOT NULL,
    talked          bigint NOT NULL,
    talk_ms         bigint NOT NULL,
    CONSTRAINT metric_sum_is_of_a_day FOREIGN KEY (organization_id, day) REFERENCES metric_days ON DELETE CASCADE
);
CREATE INDEX metric_sums_of_day ON metric_sums (organization_id, day);
CREATE INDEX metric_sums_of_number ON metric_sums (number_id, day);
CREATE INDEX metric_sums_of_agent ON metric_sums (agent_id, day);
COMMENT ON TABLE metric_sums IS 'Sums of a day by number, agent and country. Written by cordboard_sum_days.';
COMMENT ON COLUMN metric_sums.talked IS 'Answered calls of which is known how long they took; talk_ms is the sum of that.';

CREATE TABLE metric_hours (
    organization_id uuid NOT NULL,
    day             date NOT NULL,
    hour            timestamptz,
    whose           text NOT NULL CONSTRAINT metric_hour_is_of_all_a_number_or_an_agent CHECK (whose IN ('all', 'number', 'agent')),
    number_id       uuid,
    agent_id        uuid,
    calls           bigint NOT NULL,
    attempts        bigint NOT NULL,
    answered        bigint NOT NULL,
    refused         bigint NOT NULL,
    talked          bigint NOT NULL,
    talk_ms         bigint NOT NULL,
    CONSTRAINT metric_hour_is_of_a_day FOREIGN KEY (organization_id, day) REFERENCES metric_days ON DELETE CASCADE
);
CREATE INDEX metric_hours_of_day ON metric_hours (organization_id, day);
CREATE INDEX metric_hours_of_all ON metric_hours (organization_id, day) WHERE whose = 'all';
CREATE INDEX metric_hours_of_number ON metric_hours (number_id, day) WHERE whose = 'number';
CREATE INDEX metric_hours_of_agent ON metric_hours (agent_id, day) WHERE whose = 'agent';
COMMENT ON TABLE metric_hours IS 'Sums of the hours of a day: of all calls, by number, and by agent. Written by cordboard_sum_days.';
COMMENT ON COLUMN metric_hours.hour IS 'When the hour began. A day on which clocks are set back has one of them twice.';

-- A call's id begins with the millisecond in which it was asked for, so a piece of time is a piece of each index that ends in the
-- id, and no index on a time is needed.
CREATE FUNCTION cordboard_first_id(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT encode(overlay('\x00000000000000000000000000000000'::bytea
        PLACING substring(int8send(greatest(extract(epoch FROM at) * 1000, 0)::bigint) FROM 3) FROM 1 FOR 6), 'hex')::uuid
$$;
COMMENT ON FUNCTION cordboard_first_id IS 'No call that was asked for at this time or later has a lower id.';

-- Sums up days that are over and of which no call is open: the newest first, for so long. As the owner of the tables: a tenant may
-- read the sums, and not write them. Answers how many such days are left.
CREATE FUNCTION cordboard_sum_days(tenant uuid, first date, last date, budget_ms integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    zone     text;
    days     date[];
    a_day    date;
    summed   integer := 0;
    began    timestamptz := clock_timestamp();
    low      uuid;
    high     uuid;
    counted  bigint;
BEGIN
    -- Within this function everybody is its owner; the role stands where SET ROLE has put it.
    IF current_setting('role') = 'cordboard_tenant' AND tenant IS DISTINCT FROM cordboard_organization() THEN
        RETURN 0;
    END IF;
    SELECT time_zone INTO zone FROM organizations WHERE id = tenant;
    -- An hour later, so that what was admitted at the last moment is there.
    SELECT array_agg(d::date ORDER BY d DESC) INTO days
    FROM generate_series(first::timestamp,
        least(last, ((clock_timestamp() - interval '1 hour') AT TIME ZONE zone)::date - 1)::timestamp, interval '1 day') d
    WHERE NOT EXISTS (SELECT FROM metric_days m WHERE m.organization_id = tenant AND m.day = d::date)
        AND NOT EXISTS (SELECT FROM calls c WHERE c.settled_at IS NULL AND c.organization_id = tenant AND c.day = d::date);
    IF days IS NULL THEN
        RETURN 0;
    END IF;
    -- Somebody else is at it.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('cordboard_sum_days ' || tenant, 0)) THEN
        RETURN cardinality(days);
    END IF;
    FOREACH a_day IN ARRAY days LOOP
        -- One at least, or a question would never be answered.
        EXIT WHEN summed > 0 AND clock_timestamp() - began > budget_ms * interval '1 ms';
        -- What was written down late, after an outage, has an id of the time at which it was asked for.
        low := cordboard_first_id(a_day::timestamp AT TIME ZONE zone - interval '1 day');
        high := cordboard_first_id((a_day + 1)::timestamp AT TIME ZONE zone + interval '1 hour');
        INSERT INTO metric_days (organization_id, day, calls) VALUES (tenant, a_day, 0) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            CONTINUE;
        END IF;
        WITH c AS MATERIALIZED (
            SELECT c.number_id, c.agent_id, c.region, date_trunc('hour', c.requested_at, zone) AS hour,
                count(*) FILTER (WHERE c.refusal IS NULL) AS calls,
                count(*) FILTER (WHERE c.refusal IS NULL AND (c.invite_sent_at IS NOT NULL OR c.answered_at IS NOT NULL)) AS attempts,
                count(*) FILTER (WHERE c.refusal IS NULL AND c.answered_at IS NOT NULL) AS answered,
                count(c.refusal) AS refused,
                count(c.talk_ms) FILTER (WHERE c.refusal IS NULL AND c.answered_at IS NOT NULL) AS talked,
                coalesce(sum(c.talk_ms) FILTER (WHERE c.refusal IS NULL AND c.answered_at IS NOT NULL), 0)::bigint AS talk_ms
            FROM calls c
            WHERE c.organization_id = tenant AND c.id >= low AND c.id < high AND c.day = a_day
            GROUP BY 1, 2, 3, 4
        ), sums AS (
            INSERT INTO metric_sums (organization_id, day, number_id, agent_id, region, calls, attempts, answered, refused,
                talked, talk_ms)
            SELECT tenant, a_day, number_id, agent_id, region, sum(calls), sum(attempts), sum(answered), sum(refused),
                sum(talked), sum(talk_ms)
            FROM c GROUP BY number_id, agent_id, region
        ), hours AS (
            INSERT INTO metric_hours (organization_id, day, hour, whose, number_id, agent_id, calls, attempts, answered, refused,
                talked, talk_ms)
            SELECT tenant, a_day, hour,
                CASE WHEN grouping(number_id) = 0 THEN 'number' WHEN grouping(agent_id) = 0 THEN 'agent' ELSE 'all' END,
                number_id, agent_id, sum(calls), sum(attempts), sum(answered), sum(refused), sum(talked), sum(talk_ms)
            FROM c GROUP BY GROUPING SETS ((hour), (hour, number_id), (hour, agent_id))
        )
        SELECT coalesce(sum(calls + refused), 0) INTO counted FROM c;
        UPDATE metric_days SET calls = counted WHERE organization_id = tenant AND day = a_day;
        summed := summed + 1;
    END LOOP;
    RETURN cardinality(days) - summed;
END $$;

-- Numbers that stood as caller on calls of the tenant, and that nobody has here. Only our side of a call is looked at: whom it went
-- to is in another column. As the owner: whether some other tenant has a number is known, and not told.
CREATE INDEX calls_without_number ON calls (organization_id, id) WHERE number_id IS NULL AND refusal IS NULL;
CREATE FUNCTION cordboard_unknown_callers(tenant uuid, since timestamptz)
    RETURNS TABLE (e164 text, calls bigint, first_seen timestamptz, last_seen timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF current_setting('role') = 'cordboard_tenant' AND tenant IS DISTINCT FROM cordboard_organization() THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT n.presented::text, count(*), min(c.requested_at), max(c.requested_at)
    FROM calls c JOIN call_numbers n ON n.call_id = c.id
    WHERE c.organization_id = tenant AND c.number_id IS NULL AND c.refusal IS NULL AND c.id >= cordboard_first_id(since)
        AND n.presented IS NOT NULL AND NOT EXISTS (SELECT FROM numbers x WHERE x.e164 = n.presented)
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1000;
END $$;

-- Which of these numbers are nobody's here: what a list from elsewhere names is asked like this.
CREATE FUNCTION cordboard_nobodys(wanted text[]) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT w FROM unnest(wanted) w WHERE NOT EXISTS (SELECT FROM numbers x WHERE x.e164 = w)
$$;

-- A page of calls with a rare end would else be looked for among all the others. What most calls come to is left out, and so is
-- every call until it is over: one entry for a third of the calls, made when all is done. An agent's are told apart within the
-- index, without a look at the calls.
CREATE INDEX calls_by_end ON calls (organization_id, disposition, id, agent_id) WHERE disposition NOT IN ('answered', 'no_answer');

ALTER TABLE metric_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON metric_days TO cordboard_tenant USING (organization_id = cordboard_organization());
ALTER TABLE metric_sums ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON metric_sums TO cordboard_tenant USING (organization_id = cordboard_organization());
ALTER TABLE metric_hours ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON metric_hours TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT ON metric_days, metric_sums, metric_hours TO cordboard_tenant;
