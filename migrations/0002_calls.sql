-- What happened. A call's row is the fold of its facts; both are written in one transaction.

CREATE TABLE calls (
    id                  uuid PRIMARY KEY,
    organization_id     uuid,
    agent_id            uuid,
    endpoint            text,
    node                text NOT NULL,
    number_id           uuid,
    assignment_id       uuid,
    trunk               text,
    region              text,
    class               text,
    day                 date,
    quota               text NOT NULL DEFAULT 'none'
        CONSTRAINT call_quota_is_known CHECK (quota IN ('none', 'reserved', 'committed', 'refunded')),
    refusal             text,
    refusal_sentence    text,
    -- the record
    facts               integer NOT NULL DEFAULT 0,
    origin              text CONSTRAINT call_origin_is_phone_or_api CHECK (origin IN ('phone', 'api')),
    emergency           boolean NOT NULL DEFAULT false,
    agent_channel       text,
    customer_channel    text,
    requested_at        timestamptz,
    decided_at          timestamptz,
    agent_dialled_at    timestamptz,
    agent_ringing_at    timestamptz,
    agent_answered_at   timestamptz,
    customer_dialled_at timestamptz,
    invite_sent_at      timestamptz,
    early_media_at      timestamptz,
    ringing_at          timestamptz,
    answered_at         timestamptz,
    hangup_asked_at     timestamptz,
    agent_ended_at      timestamptz,
    customer_ended_at   timestamptz,
    ended_at            timestamptz,
    first_end           text CONSTRAINT call_first_end_is_agent_or_customer CHECK (first_end IN ('agent', 'customer')),
    hung_up_by          text CONSTRAINT call_hung_up_by_is_known CHECK (hung_up_by IN ('agent', 'customer', 'api', 'system')),
    cause               integer,
    sip_code            integer,
    disposition         text,
    settled_at          timestamptz,
    estimated           boolean NOT NULL DEFAULT false,
    ring_ms             bigint,
    talk_ms             bigint,
    -- what is counted is somebody's, and stands in a day
    CONSTRAINT counted_call_has_agent_number_and_day CHECK (quota = 'none' OR (
        organization_id IS NOT NULL AND agent_id IS NOT NULL AND number_id IS NOT NULL AND assignment_id IS NOT NULL
        AND day IS NOT NULL)),
    CONSTRAINT call_agent_has_an_organization CHECK ((agent_id IS NULL) = (organization_id IS NULL)),
    CONSTRAINT call_number_is_of_an_assignment CHECK ((number_id IS NULL) = (assignment_id IS NULL)),
    CONSTRAINT call_agent_is_of_the_same_organization
        FOREIGN KEY (agent_id, organization_id) REFERENCES agents (id, organization_id),
    CONSTRAINT call_assignment_is_of_its_agent_and_number
        FOREIGN KEY (assignment_id, agent_id, number_id) REFERENCES assignments (id, agent_id, number_id)
) WITH (fillfactor = 80);
CREATE INDEX calls_unfinished ON calls (node) WHERE settled_at IS NULL;
CREATE INDEX calls_of_organization ON calls (organization_id, id);
CREATE INDEX calls_of_agent ON calls (agent_id, id);
CREATE INDEX calls_of_number ON calls (number_id, id);
COMMENT ON TABLE calls IS 'Every call, refused ones too. Written by the daemon: the fold of call_facts.';
COMMENT ON COLUMN calls.organization_id IS 'Empty if the phone belonged to no agent.';
COMMENT ON COLUMN calls.day IS 'The day of the organization on which it is counted.';
COMMENT ON COLUMN calls.quota IS 'none, reserved, committed (an INVITE left), refunded (none ever left).';

CREATE TABLE call_numbers (
    call_id     uuid PRIMARY KEY REFERENCES calls,
    dialled     text CONSTRAINT dialled_is_at_most_80_characters CHECK (length(dialled) <= 80),
    destination e164,
    presented   e164
);
COMMENT ON TABLE call_numbers IS 'People''s numbers, apart from the log: delete a row to forget whom a call went to.';

CREATE TABLE call_facts (
    call_id uuid NOT NULL REFERENCES calls,
    seq     integer NOT NULL CONSTRAINT fact_seq_is_not_negative CHECK (seq >= 0),
    at      timestamptz NOT NULL,
    kind    text NOT NULL,
    body    jsonb NOT NULL,
    PRIMARY KEY (call_id, seq)
);
COMMENT ON TABLE call_facts IS 'What happened to each call, in order. Only ever added to.';

CREATE FUNCTION cordboard_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'facts are only ever added'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'facts_are_only_added', TABLE = TG_TABLE_NAME;
END $$;
CREATE TRIGGER facts_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON call_facts
    FOR EACH STATEMENT EXECUTE FUNCTION cordboard_refuse_change();

CREATE TABLE call_decisions (
    call_id uuid PRIMARY KEY REFERENCES calls,
    body    jsonb NOT NULL
);
COMMENT ON TABLE call_decisions IS 'Every number that was weighed for a call, with every reason.';
