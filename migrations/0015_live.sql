-- What happens, told as it happens: to streams, and to webhooks.

-- In which transaction a fact was written. Transactions commit in another order than they begin, so "all after the last one I saw"
-- misses what commits late; "all below the oldest transaction that still runs" misses nothing. The default costs a call no
-- statement. What was there before is nobody's news, and stays empty.
ALTER TABLE call_facts ADD COLUMN transaction xid8;
ALTER TABLE call_facts ALTER COLUMN transaction SET DEFAULT pg_current_xact_id();
CREATE INDEX call_facts_news ON call_facts (transaction) WHERE transaction IS NOT NULL;
COMMENT ON COLUMN call_facts.transaction IS 'In which transaction it was written; empty: before there were events.';

CREATE TABLE webhooks (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL REFERENCES organizations,
    url             text NOT NULL
        CONSTRAINT webhook_url_is_an_address CHECK (url ~ '^https?://[^\s]+$' AND length(url) <= 2000),
    events          text[]
        CONSTRAINT webhook_events_are_names_of_events CHECK (cordboard_each_matches(events, '^[a-z]+\.[a-z_]+$')),
    enabled         boolean NOT NULL DEFAULT true,
    disabled_reason text,
    since           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text,
    UNIQUE (id, organization_id)
);
CREATE INDEX webhooks_of_organization ON webhooks (organization_id);
COMMENT ON TABLE webhooks IS 'Where events are sent.';
COMMENT ON COLUMN webhooks.events IS 'Which, such as {call.answered,call.ended}; empty: all.';
COMMENT ON COLUMN webhooks.enabled IS 'false: nothing is sent and no new events are put aside; what waits already waits on.';
COMMENT ON COLUMN webhooks.disabled_reason IS 'Why, if Cordboard switched it off by itself.';
COMMENT ON COLUMN webhooks.since IS 'What was written in this transaction or later is news to it.';

CREATE TABLE webhook_secrets (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    organization_id uuid NOT NULL,
    webhook_id      uuid NOT NULL,
    secret          text NOT NULL CONSTRAINT webhook_secret_is_whsec CHECK (secret ~ '^whsec_[A-Za-z0-9+/=]{32,100}$'),
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz,
    CONSTRAINT webhook_secret_is_of_a_webhook
        FOREIGN KEY (webhook_id, organization_id) REFERENCES webhooks (id, organization_id) ON DELETE CASCADE
);
CREATE INDEX webhook_secrets_of_webhook ON webhook_secrets (webhook_id);
CREATE UNIQUE INDEX webhook_has_one_lasting_secret ON webhook_secrets (webhook_id) WHERE expires_at IS NULL;
COMMENT ON TABLE webhook_secrets IS 'With what deliveries are signed: with each that is not over.';
COMMENT ON COLUMN webhook_secrets.expires_at IS 'When an old one is over; empty: the one that stays.';

-- How it goes; apart, because it changes with mere use and is on no trail.
CREATE TABLE webhook_states (
    webhook_id      uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    failures        integer NOT NULL DEFAULT 0 CONSTRAINT webhook_failures_are_not_negative CHECK (failures >= 0),
    failing_since   timestamptz,
    resting_until   timestamptz,
    last_success_at timestamptz,
    FOREIGN KEY (webhook_id, organization_id) REFERENCES webhooks (id, organization_id) ON DELETE CASCADE
);
COMMENT ON TABLE webhook_states IS 'How deliveries go. Written by the daemon.';
COMMENT ON COLUMN webhook_states.failures IS 'Attempts that failed since the last that did not.';
COMMENT ON COLUMN webhook_states.resting_until IS 'Nothing is sent before.';

-- Switched on again, it hears of what happens from then on, and nothing is held against it.
CREATE FUNCTION cordboard_webhook_enabled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    NEW.since := pg_current_xact_id();
    NEW.disabled_reason := NULL;
    UPDATE webhook_states SET failures = 0, failing_since = NULL, resting_until = NULL WHERE webhook_id = NEW.id;
    RETURN NEW;
END $$;
CREATE TRIGGER webhook_enabled BEFORE UPDATE ON webhooks
    FOR EACH ROW WHEN (NEW.enabled AND NOT OLD.enabled) EXECUTE FUNCTION cordboard_webhook_enabled();

CREATE TABLE webhook_deliveries (
    id              uuid PRIMARY KEY DEFAULT cordboard_uuid_v7(),
    n               bigint GENERATED ALWAYS AS IDENTITY,
    organization_id uuid NOT NULL,
    webhook_id      uuid NOT NULL,
    event           text NOT NULL,
    call_id         uuid NOT NULL,
    seq             integer NOT NULL,
    state           text NOT NULL DEFAULT 'pending'
        CONSTRAINT delivery_state_is_known CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_at         timestamptz,
    last_status     integer,
    last_error      text,
    done_at         timestamptz,
    FOREIGN KEY (webhook_id, organization_id) REFERENCES webhooks (id, organization_id) ON DELETE CASCADE,
    CONSTRAINT event_is_delivered_once UNIQUE (webhook_id, call_id, seq, event)
) WITH (fillfactor = 80);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, n) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_of_call_pending ON webhook_deliveries (webhook_id, call_id, n) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (webhook_id, n);
CREATE INDEX webhook_deliveries_done ON webhook_deliveries (done_at) WHERE state <> 'pending';
COMMENT ON TABLE webhook_deliveries IS
    'The outbox: which events are to be sent where. What they say is read when they are sent, so no phone number stands here.';
COMMENT ON COLUMN webhook_deliveries.due_at IS 'When it may be tried next. Whoever tries moves it on first, so that nobody else does.';
COMMENT ON COLUMN webhook_deliveries.attempts IS 'How often it was tried since it was put aside, or sent again by hand.';

-- How far the facts have been put aside: all transactions before this one.
CREATE TABLE webhook_cursor (
    one  boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_cursor CHECK (one),
    next xid8 NOT NULL
);
INSERT INTO webhook_cursor (next) VALUES (pg_current_xact_id());
COMMENT ON TABLE webhook_cursor IS 'How far the facts were put aside for webhooks. Whoever does it locks the row.';

-- == what tenants may ==

ALTER TABLE webhooks ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON webhooks TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
GRANT SELECT, INSERT, UPDATE (url, events, enabled), DELETE ON webhooks TO cordboard_tenant;
ALTER TABLE webhook_secrets ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON webhook_secrets TO cordboard_tenant
    USING (organization_id = cordboard_organization()) WITH CHECK (organization_id = cordboard_organization());
-- Not secret: it can be set, and not read.
GRANT SELECT (id, organization_id, webhook_id, created_at, expires_at), INSERT, UPDATE (expires_at)
    ON webhook_secrets TO cordboard_tenant;
ALTER TABLE webhook_states ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON webhook_states FOR SELECT TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT ON webhook_states TO cordboard_tenant;
ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON webhook_deliveries FOR SELECT TO cordboard_tenant USING (organization_id = cordboard_organization());
GRANT SELECT ON webhook_deliveries TO cordboard_tenant;

-- What a tenant can do to the outbox, and it is on record; what the daemon does to it is mere use.
CREATE FUNCTION cordboard_send_again(organization uuid, webhook uuid, delivery uuid) RETURNS SETOF webhook_deliveries
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    was text;
BEGIN
    -- It runs with the owner's rights, whom no policy binds.
    IF current_setting('role') = 'cordboard_tenant' AND organization IS DISTINCT FROM cordboard_organization() THEN
        RETURN;
    END IF;
    SELECT d.state INTO was FROM webhook_deliveries d
    WHERE d.organization_id = organization AND d.webhook_id = webhook AND d.id = delivery FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY UPDATE webhook_deliveries d SET state = 'pending', attempts = 0, due_at = now(), done_at = NULL
        WHERE d.id = delivery RETURNING d.*;
    PERFORM cordboard_audit_note(organization, 'update', 'webhook_deliveries', delivery::text,
        jsonb_build_object('state', was), jsonb_build_object('state', 'pending'));
END $$;

SELECT cordboard_audit_table(name) FROM unnest('{webhooks,webhook_secrets}'::regclass[]) name;
