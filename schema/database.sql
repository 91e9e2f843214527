-- The database after all migrations. Written by .ci/dump-schema, never by hand.

CREATE FUNCTION admit_write(writer text, admitted_at timestamp with time zone, known uuid[], valid_ms integer) RETURNS text
    LANGUAGE plpgsql
    SET lock_timeout TO '2s'
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('erasure:' || writer, 0));
  IF EXISTS (SELECT FROM erasures WHERE owner = writer
              AND (completed_at IS NULL OR (known IS NOT NULL AND id <> ALL (known)))) THEN
    RETURN 'ERASED';
  ELSIF clock_timestamp() > admitted_at + valid_ms * interval '1 ms' THEN
    RETURN 'LATE';
  END IF;
  RETURN 'ADMITTED';
END $$;

CREATE FUNCTION admit_write_by_row(writer text, admitted_at timestamp with time zone, known uuid[], valid_ms integer) RETURNS text
    LANGUAGE plpgsql
    SET lock_timeout TO '2s'
    AS $$
BEGIN
  PERFORM FROM locks WHERE name = 'erasure' AND slot = (hashtextextended(writer, 0) & 1023)::integer FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'The table locks lacks rows.';
  ELSIF EXISTS (SELECT FROM erasures WHERE owner = writer
                 AND (completed_at IS NULL OR (known IS NOT NULL AND id <> ALL (known)))) THEN
    RETURN 'ERASED';
  ELSIF clock_timestamp() > admitted_at + valid_ms * interval '1 ms' THEN
    RETURN 'LATE';
  END IF;
  RETURN 'ADMITTED';
END $$;

CREATE FUNCTION complete_earlier_avatar() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  SELECT provider_ref, NEW.position, result_count INTO NEW.provider_ref, NEW.answer_index, NEW.answer_count
    FROM generations WHERE id = NEW.generation_id;
  RETURN NEW;
END $$;

CREATE FUNCTION complete_earlier_erasure() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  WITH gone AS (DELETE FROM owner_streams WHERE owner = OLD.owner AND created_at <= OLD.erased_at RETURNING id)
  DELETE FROM owner_events USING gone WHERE owner_stream_id = gone.id;
  UPDATE events SET owner = s.owner FROM streams s
   WHERE events.owner = OLD.owner AND s.id = events.stream_id AND s.owner <> OLD.owner;
  UPDATE ledger_entries e SET owner = '@/erased', job_id = CASE WHEN e.due_at IS NOT NULL THEN e.job_id END
    FROM ledger_entries r
   WHERE e.owner = OLD.owner AND r.id = e.reservation_id AND r.created_at <= OLD.erased_at;
  DELETE FROM webhooks WHERE owner = OLD.owner AND created_at <= OLD.erased_at;
  DELETE FROM webhook_deliveries d WHERE owner = OLD.owner AND NOT EXISTS (SELECT FROM webhooks w WHERE w.id = d.webhook_id);
  DELETE FROM notices WHERE owner = OLD.owner AND created_at <= OLD.erased_at;
  DELETE FROM client_tokens WHERE owner = OLD.owner AND created_at <= OLD.erased_at;
  RETURN NULL;
END $$;

CREATE FUNCTION complete_earlier_event() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  SELECT owner, pg_current_xact_id()::text::bigint INTO NEW.owner, NEW.transaction_id FROM streams WHERE id = NEW.stream_id;
  RETURN NEW;
END $$;

CREATE FUNCTION record_earlier_answer() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM record_undelivered(NEW.id, NEW.result_count);
  RETURN NULL;
END $$;

CREATE FUNCTION record_undelivered(generation uuid, delivered integer) RETURNS void
    LANGUAGE sql
    AS $$
INSERT INTO avatars (id, owner, generation_id, model_id, position, style, prompt, provider_ref, answer_count, expires_at, status, failure_code)
SELECT gen_random_uuid(), g.owner, g.id, g.model_id, requested.position, requested.style, requested.prompt, g.provider_ref, delivered,
       g.results_expire_at, 'LOST', 'UPSTREAM_FAILED'
  FROM generations g
 CROSS JOIN LATERAL (
   SELECT row_number() OVER (ORDER BY p.ordinality) - 1 AS position, p.value ->> 'style' AS style, p.value ->> 'prompt' AS prompt
     FROM jsonb_array_elements(g.prompts) WITH ORDINALITY AS p, generate_series(1, (p.value ->> 'count')::integer)) requested
 WHERE g.id = generation AND requested.position >= delivered AND requested.position < g.wanted
    ON CONFLICT (generation_id, position) DO NOTHING
$$;

CREATE FUNCTION reset_earlier_picture() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  NEW.thumbhash := NULL;
  NEW.has_content_credentials := false;
  RETURN NEW;
END $$;

CREATE FUNCTION reset_photo_use() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  UPDATE photos SET is_used = false
   WHERE id = OLD.photo_id AND is_used
     AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = OLD.photo_id)
     AND NOT EXISTS (SELECT FROM generations WHERE photo_id = OLD.photo_id);
  RETURN NULL;
END $$;

CREATE FUNCTION styles_of(prompts jsonb) RETURNS text[]
    LANGUAGE sql IMMUTABLE
    AS $$
SELECT ARRAY(SELECT DISTINCT prompt ->> 'style' FROM jsonb_array_elements(prompts) AS prompt WHERE prompt ? 'style' ORDER BY 1)
$$;

CREATE FUNCTION write_styles() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  NEW.styles := styles_of(NEW.prompts);
  RETURN NEW;
END $$;

CREATE TABLE api_keys (
    id text NOT NULL,
    secret_sha256 text NOT NULL,
    owner text NOT NULL,
    name text,
    scopes text[] NOT NULL,
    on_behalf boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT api_keys_behalf_is_plain CHECK (((NOT on_behalf) OR (POSITION(('/'::text) IN (owner)) = 0))),
    CONSTRAINT api_keys_hash_is_whole CHECK ((secret_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT api_keys_scopes_known CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'write'::text, 'admin'::text])))
);

CREATE TABLE audit_log (
    id uuid NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    owner text NOT NULL,
    action text NOT NULL,
    subject text,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);

CREATE TABLE avatar_downloads (
    id uuid NOT NULL,
    owner text NOT NULL,
    avatar_ids uuid[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    variant text DEFAULT 'original'::text NOT NULL
);

CREATE TABLE avatar_renditions (
    id uuid NOT NULL,
    avatar_id uuid NOT NULL,
    name text NOT NULL,
    byte_size integer NOT NULL,
    sha256 text NOT NULL,
    read_at timestamp with time zone DEFAULT now() NOT NULL,
    media_token text
);

CREATE TABLE avatars (
    id uuid NOT NULL,
    owner text NOT NULL,
    generation_id uuid NOT NULL,
    model_id uuid,
    "position" smallint NOT NULL,
    status text DEFAULT 'PENDING'::text NOT NULL,
    style text NOT NULL,
    prompt text,
    source_url text,
    expires_at timestamp with time zone,
    due_at timestamp with time zone,
    lease uuid,
    tries integer DEFAULT 0 NOT NULL,
    last_error text,
    width integer,
    height integer,
    byte_size integer,
    content_type text,
    sha256 text,
    placeholder text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    source_url_at timestamp with time zone DEFAULT now() NOT NULL,
    failing_since timestamp with time zone,
    failure_code text,
    media_token text,
    preview_sha256 text,
    check_at timestamp with time zone DEFAULT now() NOT NULL,
    damaged_at timestamp with time zone,
    result_ref text,
    provider_ref text,
    answer_index smallint,
    answer_count smallint,
    favorite boolean DEFAULT false NOT NULL,
    thumbhash text,
    has_content_credentials boolean DEFAULT false NOT NULL,
    CONSTRAINT avatars_damaged_was_stored CHECK (((damaged_at IS NULL) OR (status = 'STORED'::text))),
    CONSTRAINT avatars_delayed_is_failing CHECK (((status <> 'DELAYED'::text) OR (failing_since IS NOT NULL))),
    CONSTRAINT avatars_failure_known CHECK (((failure_code IS NULL) OR (failure_code = ANY (ARRAY['RESULT_UNREACHABLE'::text, 'RESULT_UNUSABLE'::text, 'RESULT_EXPIRED'::text, 'UPSTREAM_FAILED'::text])))),
    CONSTRAINT avatars_finished_is_not_due CHECK (((status = ANY (ARRAY['PENDING'::text, 'DELAYED'::text])) OR (damaged_at IS NOT NULL) OR ((due_at IS NULL) AND (source_url IS NULL)))),
    CONSTRAINT avatars_status_known CHECK ((status = ANY (ARRAY['PENDING'::text, 'DELAYED'::text, 'STORED'::text, 'LOST'::text]))),
    CONSTRAINT avatars_stored_is_whole CHECK (((status <> 'STORED'::text) OR ((width IS NOT NULL) AND (height IS NOT NULL) AND (byte_size IS NOT NULL) AND (content_type IS NOT NULL) AND (sha256 IS NOT NULL) AND (placeholder IS NOT NULL)))),
    CONSTRAINT avatars_unfinished_is_due CHECK (((status <> ALL (ARRAY['PENDING'::text, 'DELAYED'::text])) OR (due_at IS NOT NULL)))
);

CREATE TABLE bulk_retries (
    owner text NOT NULL,
    key text NOT NULL,
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    settled_at timestamp with time zone,
    failure_code text,
    failure_message text
);

CREATE TABLE client_tokens (
    id uuid NOT NULL,
    secret_sha256 text NOT NULL,
    owner text NOT NULL,
    key_id text,
    scopes text[] NOT NULL,
    model_id uuid,
    generation_id uuid,
    uses_left integer,
    uploads_left integer NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT client_tokens_counts CHECK (((uses_left >= 0) AND (uploads_left >= 0))),
    CONSTRAINT client_tokens_hash_is_whole CHECK ((secret_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT client_tokens_scopes_known CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'write'::text])))
);

CREATE TABLE media_deletions (
    key text NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE VIEW doomed_media AS
 SELECT media_deletions.key,
    media_deletions.tries,
    media_deletions.due_at,
    media_deletions.created_at
   FROM media_deletions;

CREATE TABLE erased_spending (
    owner text NOT NULL,
    day date NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL
);

CREATE TABLE erasures (
    id uuid NOT NULL,
    owner text,
    erased_at timestamp with time zone DEFAULT now() NOT NULL,
    completed_at timestamp with time zone,
    due_at timestamp with time zone DEFAULT now(),
    photos integer DEFAULT 0 NOT NULL,
    models integer DEFAULT 0 NOT NULL,
    generations integer DEFAULT 0 NOT NULL,
    avatars integer DEFAULT 0 NOT NULL,
    CONSTRAINT erasures_due_while_owned CHECK (((owner IS NULL) = (due_at IS NULL))),
    CONSTRAINT erasures_forgotten_is_complete CHECK (((owner IS NOT NULL) OR (completed_at IS NOT NULL)))
);

CREATE TABLE events (
    stream_id uuid NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    generation_id uuid,
    payload jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    owner text,
    transaction_id bigint,
    CONSTRAINT events_kind_known CHECK ((kind = ANY (ARRAY['MODEL'::text, 'GENERATION'::text, 'AVATAR'::text, 'AVATAR_CHANGED'::text, 'NOTICE'::text, 'DELETED'::text])))
);

CREATE TABLE exports (
    id uuid NOT NULL,
    owner text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE generations (
    id uuid NOT NULL,
    owner text NOT NULL,
    provider text NOT NULL,
    status text DEFAULT 'QUEUED'::text NOT NULL,
    progress smallint DEFAULT 0 NOT NULL,
    estimated_ready_at timestamp with time zone,
    failure_code text,
    failure_message text,
    failure_retryable boolean,
    attempt integer DEFAULT 0 NOT NULL,
    provider_ref text,
    submitted_at timestamp with time zone,
    deadline_at timestamp with time zone,
    due_at timestamp with time zone,
    lease uuid,
    polls integer DEFAULT 0 NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    model_id uuid,
    photo_id uuid,
    prompts jsonb NOT NULL,
    wanted smallint NOT NULL,
    results_expire_at timestamp with time zone,
    completed_at timestamp with time zone,
    consent_version text,
    consent_at timestamp with time zone,
    resends smallint DEFAULT 0 NOT NULL,
    not_found_since timestamp with time zone,
    not_found_count integer DEFAULT 0 NOT NULL,
    last_running_at timestamp with time zone,
    result_count smallint,
    ordered_positions smallint[],
    styles text[],
    queued_at timestamp with time zone DEFAULT now() NOT NULL,
    start_by timestamp with time zone,
    pace jsonb,
    queue_rank smallint DEFAULT 1 NOT NULL,
    CONSTRAINT generations_attempted_in_flight CHECK (((status <> ALL (ARRAY['SUBMITTING'::text, 'UNCERTAIN'::text])) OR (attempt > 0))),
    CONSTRAINT generations_completed_is_whole CHECK (((status = ANY (ARRAY['COMPLETED'::text, 'PARTIAL'::text])) = (completed_at IS NOT NULL))),
    CONSTRAINT generations_consent_whole CHECK (((consent_version IS NULL) = (consent_at IS NULL))),
    CONSTRAINT generations_ended_has_ref CHECK (((status <> ALL (ARRAY['COMPLETED'::text, 'PARTIAL'::text])) OR (provider_ref IS NOT NULL) OR (ordered_positions IS NOT NULL))),
    CONSTRAINT generations_failed_says_why CHECK ((((status <> 'FAILED'::text) OR (failure_code IS NOT NULL)) AND ((failure_code IS NULL) OR (status = ANY (ARRAY['PARTIAL'::text, 'FAILED'::text]))))),
    CONSTRAINT generations_failure_whole CHECK ((((failure_code IS NULL) = (failure_message IS NULL)) AND ((failure_code IS NULL) = (failure_retryable IS NULL)))),
    CONSTRAINT generations_progress_range CHECK (((progress >= 0) AND (progress <= 100))),
    CONSTRAINT generations_queue_rank_known CHECK (((queue_rank >= 0) AND (queue_rank <= 2))),
    CONSTRAINT generations_running_has_ref CHECK (((status <> ALL (ARRAY['GENERATING'::text, 'STORING'::text])) OR (provider_ref IS NOT NULL))),
    CONSTRAINT generations_status_known CHECK ((status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text, 'UNCERTAIN'::text, 'GENERATING'::text, 'STORING'::text, 'COMPLETED'::text, 'PARTIAL'::text, 'FAILED'::text, 'CANCELLED'::text]))),
    CONSTRAINT generations_waiting_is_due CHECK (((status = ANY (ARRAY['READY'::text, 'COMPLETED'::text, 'PARTIAL'::text, 'FAILED'::text, 'CANCELLED'::text])) OR (due_at IS NOT NULL))),
    CONSTRAINT generations_wanted_range CHECK (((wanted >= 1) AND (wanted <= 1000)))
);

CREATE TABLE idempotency_keys (
    owner text NOT NULL,
    key text NOT NULL,
    operation text NOT NULL,
    input_sha256 text NOT NULL,
    result_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE installation (
    id integer NOT NULL,
    engine text,
    migrator uuid,
    migrating_until timestamp with time zone,
    store_id uuid,
    store_marked_at timestamp with time zone,
    required_migrations text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT installation_id_only CHECK ((id = 1))
);

CREATE TABLE learned_durations (
    provider text NOT NULL,
    work text NOT NULL,
    job_class text NOT NULL,
    bins jsonb NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT learned_durations_work_known CHECK ((work = ANY (ARRAY['TRAINING'::text, 'GENERATION'::text])))
);

CREATE TABLE ledger_entries (
    id uuid NOT NULL,
    owner text NOT NULL,
    reservation_id uuid NOT NULL,
    job_kind text NOT NULL,
    job_id uuid,
    attempt integer NOT NULL,
    kind text NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    due_at timestamp with time zone,
    CONSTRAINT ledger_entries_due CHECK (((due_at IS NULL) OR (kind = 'RESERVED'::text))),
    CONSTRAINT ledger_entries_job_kind_known CHECK ((job_kind = ANY (ARRAY['model'::text, 'generation'::text]))),
    CONSTRAINT ledger_entries_kind_known CHECK ((kind = ANY (ARRAY['RESERVED'::text, 'SPENT'::text, 'RELEASED'::text]))),
    CONSTRAINT ledger_entries_positive CHECK ((amount > 0)),
    CONSTRAINT ledger_entries_reservation CHECK (((kind = 'RESERVED'::text) = (reservation_id = id)))
);

CREATE TABLE locks (
    name text NOT NULL,
    slot integer NOT NULL
);

CREATE TABLE migrations (
    id integer NOT NULL,
    "timestamp" bigint NOT NULL,
    name character varying NOT NULL
);

CREATE SEQUENCE migrations_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE migrations_id_seq OWNED BY migrations.id;

CREATE TABLE model_photos (
    model_id uuid NOT NULL,
    photo_id uuid NOT NULL,
    "position" smallint NOT NULL
);

CREATE TABLE models (
    id uuid NOT NULL,
    owner text NOT NULL,
    provider text NOT NULL,
    status text DEFAULT 'QUEUED'::text NOT NULL,
    progress smallint DEFAULT 0 NOT NULL,
    estimated_ready_at timestamp with time zone,
    failure_code text,
    failure_message text,
    failure_retryable boolean,
    attempt integer DEFAULT 0 NOT NULL,
    provider_ref text,
    submitted_at timestamp with time zone,
    deadline_at timestamp with time zone,
    due_at timestamp with time zone,
    lease uuid,
    polls integer DEFAULT 0 NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    last_error text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    photo_count smallint NOT NULL,
    ready_at timestamp with time zone,
    consent_version text,
    consent_at timestamp with time zone,
    resends smallint DEFAULT 0 NOT NULL,
    not_found_since timestamp with time zone,
    not_found_count integer DEFAULT 0 NOT NULL,
    last_running_at timestamp with time zone,
    queued_at timestamp with time zone DEFAULT now() NOT NULL,
    start_by timestamp with time zone,
    pace jsonb,
    queue_rank smallint DEFAULT 1 NOT NULL,
    CONSTRAINT models_attempted_in_flight CHECK (((status <> ALL (ARRAY['SUBMITTING'::text, 'UNCERTAIN'::text])) OR (attempt > 0))),
    CONSTRAINT models_consent_whole CHECK (((consent_version IS NULL) = (consent_at IS NULL))),
    CONSTRAINT models_failed_says_why CHECK ((((status <> 'FAILED'::text) OR (failure_code IS NOT NULL)) AND ((failure_code IS NULL) OR (status = 'FAILED'::text)))),
    CONSTRAINT models_failure_whole CHECK ((((failure_code IS NULL) = (failure_message IS NULL)) AND ((failure_code IS NULL) = (failure_retryable IS NULL)))),
    CONSTRAINT models_progress_range CHECK (((progress >= 0) AND (progress <= 100))),
    CONSTRAINT models_queue_rank_known CHECK (((queue_rank >= 0) AND (queue_rank <= 2))),
    CONSTRAINT models_ready_is_whole CHECK (((status = 'READY'::text) = (ready_at IS NOT NULL))),
    CONSTRAINT models_running_has_ref CHECK (((status <> ALL (ARRAY['TRAINING'::text, 'READY'::text])) OR (provider_ref IS NOT NULL))),
    CONSTRAINT models_status_known CHECK ((status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text, 'UNCERTAIN'::text, 'TRAINING'::text, 'READY'::text, 'FAILED'::text, 'CANCELLED'::text]))),
    CONSTRAINT models_type_known CHECK ((type = ANY (ARRAY['MAN'::text, 'WOMAN'::text, 'COUPLE'::text, 'DOG'::text, 'CAT'::text]))),
    CONSTRAINT models_waiting_is_due CHECK (((status = ANY (ARRAY['READY'::text, 'COMPLETED'::text, 'PARTIAL'::text, 'FAILED'::text, 'CANCELLED'::text])) OR (due_at IS NOT NULL)))
);

CREATE TABLE notices (
    id uuid NOT NULL,
    owner text NOT NULL,
    kind text NOT NULL,
    message text NOT NULL,
    subject text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notices_kind_known CHECK ((kind = ANY (ARRAY['WEBHOOK_DISABLED'::text, 'SPENDING_LIMIT_NEAR'::text])))
);

CREATE TABLE owner_events (
    owner_stream_id uuid NOT NULL,
    sequence bigint NOT NULL,
    stream_id uuid NOT NULL,
    stream_sequence bigint NOT NULL,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE owner_streams (
    id uuid NOT NULL,
    owner text NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    complete_from bigint DEFAULT 1 NOT NULL,
    numbered_until text NOT NULL,
    numbered_at timestamp with time zone DEFAULT now() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE photo_servers (
    id uuid NOT NULL,
    public_url text NOT NULL,
    serving_since timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    interrupted_at timestamp with time zone,
    CONSTRAINT photo_servers_period CHECK ((serving_since <= last_seen_at))
);

CREATE TABLE photos (
    id uuid NOT NULL,
    owner text NOT NULL,
    status text NOT NULL,
    filename text,
    source_url text,
    source_sha256 text,
    width integer,
    height integer,
    byte_size integer,
    problems jsonb DEFAULT '[]'::jsonb NOT NULL,
    due_at timestamp with time zone,
    lease uuid,
    tries integer DEFAULT 0 NOT NULL,
    purge_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    is_used boolean DEFAULT false NOT NULL,
    media_token text,
    CONSTRAINT photos_fetching_is_due CHECK (((status <> 'FETCHING'::text) OR ((source_url IS NOT NULL) AND (due_at IS NOT NULL)))),
    CONSTRAINT photos_ready_is_whole CHECK (((status <> 'READY'::text) OR ((width IS NOT NULL) AND (height IS NOT NULL) AND (byte_size IS NOT NULL)))),
    CONSTRAINT photos_status_known CHECK ((status = ANY (ARRAY['AWAITING_UPLOAD'::text, 'FETCHING'::text, 'READY'::text, 'REJECTED'::text, 'PURGED'::text]))),
    CONSTRAINT photos_url_while_fetching CHECK (((status = 'FETCHING'::text) OR (source_url IS NULL)))
);

CREATE TABLE quota_reservations (
    id uuid NOT NULL,
    owner text NOT NULL,
    day date NOT NULL,
    job_id uuid NOT NULL,
    after_attempt integer DEFAULT 0 NOT NULL,
    trainings integer DEFAULT 0 NOT NULL,
    avatars integer DEFAULT 0 NOT NULL,
    returned_at timestamp with time zone,
    CONSTRAINT quota_reservations_of_something CHECK (((trainings >= 0) AND (avatars >= 0) AND ((trainings + avatars) > 0)))
);

CREATE TABLE rate_counts (
    subject text NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    counts jsonb NOT NULL
);

CREATE TABLE rate_windows (
    subject text NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    count integer NOT NULL,
    CONSTRAINT rate_windows_counted CHECK ((count > 0))
);

CREATE TABLE streams (
    id uuid NOT NULL,
    owner text NOT NULL,
    sequence bigint DEFAULT 0 NOT NULL,
    ended_at timestamp with time zone
);

CREATE TABLE submission_pauses (
    provider text NOT NULL,
    paused_at timestamp with time zone
);

CREATE TABLE submissions (
    id uuid NOT NULL,
    model_id uuid,
    generation_id uuid,
    attempt integer NOT NULL,
    provider text NOT NULL,
    account text NOT NULL,
    outcome text DEFAULT 'CALLING'::text NOT NULL,
    provider_ref text,
    http_status smallint,
    correlation_id text,
    evidence text,
    called_at timestamp with time zone DEFAULT now() NOT NULL,
    answered_at timestamp with time zone,
    photos_fetched_at timestamp with time zone,
    photo_url text,
    trainings integer DEFAULT 0 NOT NULL,
    avatars integer DEFAULT 0 NOT NULL,
    credits_available integer,
    job_deleted_at timestamp with time zone,
    duration_ms integer,
    CONSTRAINT submissions_accepted_has_ref CHECK (((outcome <> 'ACCEPTED'::text) OR (provider_ref IS NOT NULL) OR ((model_id IS NULL) AND (generation_id IS NULL)))),
    CONSTRAINT submissions_detached_is_anonymous CHECK (((model_id IS NOT NULL) OR (generation_id IS NOT NULL) OR ((provider_ref IS NULL) AND (correlation_id IS NULL) AND (evidence IS NULL) AND (job_deleted_at IS NULL)))),
    CONSTRAINT submissions_one_job CHECK (((model_id IS NULL) OR (generation_id IS NULL))),
    CONSTRAINT submissions_outcome_known CHECK ((outcome = ANY (ARRAY['CALLING'::text, 'ACCEPTED'::text, 'REFUSED'::text, 'NOT_EXECUTED'::text, 'UNKNOWN'::text])))
);

CREATE TABLE timeline_entries (
    id uuid NOT NULL,
    owner text NOT NULL,
    model_id uuid,
    generation_id uuid,
    attempt integer NOT NULL,
    kind text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    status text,
    failure_code text,
    polls integer,
    outcome text,
    http_status smallint,
    duration_ms integer,
    correlation_id text,
    CONSTRAINT timeline_entries_kind_known CHECK ((kind = ANY (ARRAY['REQUESTED'::text, 'SUBMITTED'::text, 'POLLED'::text, 'STATUS_CHANGED'::text, 'AVATAR_STORED'::text, 'DOWNLOAD_FAILED'::text, 'ACTED_ON'::text]))),
    CONSTRAINT timeline_entries_one_job CHECK ((num_nonnulls(model_id, generation_id) = 1)),
    CONSTRAINT timeline_entries_polled_is_whole CHECK (((kind <> 'POLLED'::text) OR ((polls IS NOT NULL) AND (outcome IS NOT NULL) AND (duration_ms IS NOT NULL))))
);

CREATE TABLE upstream_accounts (
    account text NOT NULL,
    provider text NOT NULL,
    poll_tokens double precision NOT NULL,
    submit_tokens double precision NOT NULL,
    poll_refilled_at timestamp with time zone DEFAULT now() NOT NULL,
    submit_refilled_at timestamp with time zone DEFAULT now() NOT NULL,
    paused_until timestamp with time zone,
    credits_available integer,
    credits_seen_at timestamp with time zone,
    poll_failing uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    poll_failing_since timestamp with time zone,
    poll_open_until timestamp with time zone,
    submit_failing uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    submit_failing_since timestamp with time zone,
    submit_open_until timestamp with time zone,
    reach_failing uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    reach_failing_since timestamp with time zone,
    reach_open_until timestamp with time zone,
    submit_paused_at timestamp with time zone,
    submit_pause_reason text,
    probe_at timestamp with time zone,
    probes integer DEFAULT 0 NOT NULL,
    trial_at timestamp with time zone,
    watch_tokens double precision DEFAULT '0'::double precision NOT NULL,
    watch_refilled_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT upstream_accounts_pause_known CHECK ((submit_pause_reason = ANY (ARRAY['UPSTREAM_AUTH'::text, 'UPSTREAM_CREDITS'::text, 'OPERATOR'::text]))),
    CONSTRAINT upstream_accounts_pause_whole CHECK (((submit_paused_at IS NULL) = (submit_pause_reason IS NULL)))
);

CREATE TABLE webhook_deliveries (
    id uuid NOT NULL,
    owner text NOT NULL,
    webhook_id uuid NOT NULL,
    number bigint NOT NULL,
    stream_id uuid NOT NULL,
    event_type text NOT NULL,
    subject_id text NOT NULL,
    body text NOT NULL,
    status text DEFAULT 'PENDING'::text NOT NULL,
    next_attempt_at timestamp with time zone,
    tries integer DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    attempts jsonb DEFAULT '[]'::jsonb NOT NULL,
    replayed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    failed_at timestamp with time zone,
    CONSTRAINT webhook_deliveries_pending_next CHECK (((status = 'PENDING'::text) = (next_attempt_at IS NOT NULL))),
    CONSTRAINT webhook_deliveries_status_known CHECK ((status = ANY (ARRAY['PENDING'::text, 'DELIVERED'::text, 'FAILED'::text])))
);

CREATE TABLE webhooks (
    id uuid NOT NULL,
    owner text NOT NULL,
    due_at timestamp with time zone,
    lease uuid,
    tries integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    url text NOT NULL,
    description text,
    event_types text[] NOT NULL,
    status text DEFAULT 'ENABLED'::text NOT NULL,
    disabled_reason text,
    secret text NOT NULL,
    old_secret text,
    old_secret_expires_at timestamp with time zone,
    owner_stream_id uuid NOT NULL,
    "position" bigint NOT NULL,
    follow_at timestamp with time zone DEFAULT now() NOT NULL,
    last_number bigint DEFAULT 0 NOT NULL,
    failing_since timestamp with time zone,
    rest_until timestamp with time zone,
    key_id text,
    succeeded_at timestamp with time zone,
    is_slow boolean DEFAULT false NOT NULL,
    CONSTRAINT webhooks_status_known CHECK ((status = ANY (ARRAY['ENABLED'::text, 'PAUSED'::text, 'DISABLED'::text])))
);

ALTER TABLE ONLY migrations ALTER COLUMN id SET DEFAULT nextval('migrations_id_seq'::regclass);

ALTER TABLE ONLY api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY avatar_downloads
    ADD CONSTRAINT avatar_downloads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY avatar_renditions
    ADD CONSTRAINT avatar_renditions_once UNIQUE (avatar_id, name);

ALTER TABLE ONLY avatar_renditions
    ADD CONSTRAINT avatar_renditions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY avatars
    ADD CONSTRAINT avatars_pkey PRIMARY KEY (id);

ALTER TABLE ONLY avatars
    ADD CONSTRAINT avatars_position_once UNIQUE (generation_id, "position");

ALTER TABLE ONLY bulk_retries
    ADD CONSTRAINT bulk_retries_pkey PRIMARY KEY (owner, key, job_id);

ALTER TABLE ONLY client_tokens
    ADD CONSTRAINT client_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY erased_spending
    ADD CONSTRAINT erased_spending_pkey PRIMARY KEY (owner, day, currency);

ALTER TABLE ONLY erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (id);

ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (stream_id, sequence);

ALTER TABLE ONLY exports
    ADD CONSTRAINT exports_pkey PRIMARY KEY (id);

ALTER TABLE ONLY generations
    ADD CONSTRAINT generations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner, key);

ALTER TABLE ONLY installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (id);

ALTER TABLE ONLY learned_durations
    ADD CONSTRAINT learned_durations_pkey PRIMARY KEY (provider, work, job_class);

ALTER TABLE ONLY ledger_entries
    ADD CONSTRAINT ledger_entries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY locks
    ADD CONSTRAINT locks_pkey PRIMARY KEY (name, slot);

ALTER TABLE ONLY media_deletions
    ADD CONSTRAINT media_deletions_pkey PRIMARY KEY (key);

ALTER TABLE ONLY migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY model_photos
    ADD CONSTRAINT model_photos_pkey PRIMARY KEY (model_id, photo_id);

ALTER TABLE ONLY model_photos
    ADD CONSTRAINT model_photos_position_once UNIQUE (model_id, "position");

ALTER TABLE ONLY models
    ADD CONSTRAINT models_pkey PRIMARY KEY (id);

ALTER TABLE ONLY notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY owner_events
    ADD CONSTRAINT owner_events_pkey PRIMARY KEY (owner_stream_id, sequence);

ALTER TABLE ONLY owner_streams
    ADD CONSTRAINT owner_streams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY photo_servers
    ADD CONSTRAINT photo_servers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY photos
    ADD CONSTRAINT photos_pkey PRIMARY KEY (id);

ALTER TABLE ONLY quota_reservations
    ADD CONSTRAINT quota_reservations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY rate_counts
    ADD CONSTRAINT rate_counts_pkey PRIMARY KEY (subject, ends_at);

ALTER TABLE ONLY rate_windows
    ADD CONSTRAINT rate_windows_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY streams
    ADD CONSTRAINT streams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY submission_pauses
    ADD CONSTRAINT submission_pauses_pkey PRIMARY KEY (provider);

ALTER TABLE ONLY submissions
    ADD CONSTRAINT submissions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY timeline_entries
    ADD CONSTRAINT timeline_entries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY upstream_accounts
    ADD CONSTRAINT upstream_accounts_pkey PRIMARY KEY (account);

ALTER TABLE ONLY webhook_deliveries
    ADD CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY webhooks
    ADD CONSTRAINT webhooks_pkey PRIMARY KEY (id);

CREATE INDEX api_keys_of_owner ON api_keys USING btree (owner);

CREATE INDEX audit_log_of_owner ON audit_log USING btree (owner, at);

CREATE INDEX audit_log_old ON audit_log USING btree (at);

CREATE INDEX avatar_downloads_of_owner ON avatar_downloads USING btree (owner);

CREATE INDEX avatar_downloads_old ON avatar_downloads USING btree (expires_at);

CREATE INDEX avatar_renditions_unread ON avatar_renditions USING btree (read_at);

CREATE INDEX avatars_check ON avatars USING btree (check_at) WHERE (status = 'STORED'::text);

CREATE INDEX avatars_failing_due ON avatars USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (failing_since IS NOT NULL));

CREATE INDEX avatars_failing_expiring_of_owner ON avatars USING btree (owner, expires_at, due_at) WHERE ((due_at IS NOT NULL) AND (failing_since IS NOT NULL));

CREATE INDEX avatars_failing_of_owner ON avatars USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (failing_since IS NOT NULL));

CREATE INDEX avatars_fresh_due ON avatars USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (failing_since IS NULL));

CREATE INDEX avatars_fresh_expiring_of_owner ON avatars USING btree (owner, expires_at, due_at) WHERE ((due_at IS NOT NULL) AND (failing_since IS NULL));

CREATE INDEX avatars_fresh_of_owner ON avatars USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (failing_since IS NULL));

CREATE INDEX avatars_of_generation ON avatars USING btree (generation_id, id);

CREATE INDEX avatars_of_model ON avatars USING btree (model_id, id);

CREATE INDEX avatars_of_owner ON avatars USING btree (owner, id) WHERE (status = 'STORED'::text);

CREATE INDEX avatars_of_owner_by_favorite ON avatars USING btree (owner, favorite, id) WHERE (status = 'STORED'::text);

CREATE INDEX avatars_of_owner_by_style ON avatars USING btree (owner, style, favorite, id) WHERE (status = 'STORED'::text);

CREATE INDEX bulk_retries_unsettled ON bulk_retries USING btree (owner, key, job_id) WHERE (settled_at IS NULL);

CREATE INDEX client_tokens_of_owner ON client_tokens USING btree (owner, expires_at);

CREATE INDEX client_tokens_old ON client_tokens USING btree (expires_at);

CREATE INDEX client_tokens_revoked ON client_tokens USING btree (expires_at) WHERE (revoked_at IS NOT NULL);

CREATE INDEX erased_spending_old ON erased_spending USING btree (day);

CREATE INDEX erasures_due ON erasures USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX erasures_of_owner ON erasures USING btree (owner) WHERE (owner IS NOT NULL);

CREATE UNIQUE INDEX erasures_running ON erasures USING btree (owner) WHERE (completed_at IS NULL);

CREATE INDEX events_of_generation ON events USING btree (generation_id) WHERE (generation_id IS NOT NULL);

CREATE INDEX events_of_owner ON events USING btree (owner, transaction_id);

CREATE INDEX events_old ON events USING btree (created_at);

CREATE INDEX exports_of_owner ON exports USING btree (owner);

CREATE INDEX exports_old ON exports USING btree (expires_at);

CREATE INDEX generations_due ON generations USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX generations_followed_deadline ON generations USING btree (deadline_at) WHERE ((due_at IS NOT NULL) AND (status = 'GENERATING'::text));

CREATE INDEX generations_followed_due ON generations USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'GENERATING'::text));

CREATE INDEX generations_followed_of_owner ON generations USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'GENERATING'::text));

CREATE INDEX generations_of_model ON generations USING btree (model_id, id);

CREATE INDEX generations_of_owner ON generations USING btree (owner, id);

CREATE INDEX generations_of_owner_by_status ON generations USING btree (owner, status, id);

CREATE INDEX generations_of_owner_by_styles ON generations USING btree (owner, styles, status, id);

CREATE INDEX generations_of_photo ON generations USING btree (photo_id) WHERE (photo_id IS NOT NULL);

CREATE INDEX generations_queue_of_owner ON generations USING btree (owner, queue_rank, queued_at, id) WHERE (status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text]));

CREATE INDEX generations_queued_deadline ON generations USING btree (deadline_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX generations_queued_due ON generations USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX generations_queued_in_turn ON generations USING btree (owner, queue_rank, queued_at, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX generations_queued_of_owner ON generations USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX generations_queued_start_by ON generations USING btree (start_by) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text) AND (start_by IS NOT NULL));

CREATE UNIQUE INDEX generations_ref_once ON generations USING btree (provider, provider_ref) WHERE (provider_ref IS NOT NULL);

CREATE INDEX generations_running_of_owner ON generations USING btree (owner) WHERE (status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text, 'UNCERTAIN'::text, 'GENERATING'::text, 'STORING'::text]));

CREATE INDEX generations_storing_due ON generations USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'STORING'::text));

CREATE INDEX generations_unsettled_due ON generations USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = ANY (ARRAY['SUBMITTING'::text, 'UNCERTAIN'::text])));

CREATE INDEX generations_watched_due ON generations USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = ANY (ARRAY['PARTIAL'::text, 'FAILED'::text])));

CREATE INDEX generations_watched_of_owner ON generations USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = ANY (ARRAY['PARTIAL'::text, 'FAILED'::text])));

CREATE INDEX idempotency_keys_old ON idempotency_keys USING btree (created_at);

CREATE INDEX ledger_entries_of_job ON ledger_entries USING btree (job_id) WHERE (job_id IS NOT NULL);

CREATE INDEX ledger_entries_of_owner ON ledger_entries USING btree (owner, id);

CREATE UNIQUE INDEX ledger_entries_one_end ON ledger_entries USING btree (reservation_id) WHERE (kind <> 'RESERVED'::text);

CREATE INDEX ledger_entries_open ON ledger_entries USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX ledger_entries_open_of_owner ON ledger_entries USING btree (owner, currency, amount) WHERE (due_at IS NOT NULL);

CREATE INDEX ledger_entries_spent ON ledger_entries USING btree (owner, currency, created_at, amount) WHERE (kind = 'SPENT'::text);

CREATE INDEX media_deletions_due ON media_deletions USING btree (due_at);

CREATE INDEX model_photos_of_photo ON model_photos USING btree (photo_id);

CREATE INDEX models_due ON models USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX models_followed_deadline ON models USING btree (deadline_at) WHERE ((due_at IS NOT NULL) AND (status = 'TRAINING'::text));

CREATE INDEX models_followed_due ON models USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'TRAINING'::text));

CREATE INDEX models_followed_of_owner ON models USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'TRAINING'::text));

CREATE INDEX models_of_owner ON models USING btree (owner, id);

CREATE INDEX models_of_owner_by_name ON models USING btree (owner, lower((name COLLATE "C")), id);

CREATE INDEX models_of_owner_by_status ON models USING btree (owner, status, type, id);

CREATE INDEX models_of_owner_by_status_and_name ON models USING btree (owner, status, type, lower((name COLLATE "C")), id);

CREATE INDEX models_queue_of_owner ON models USING btree (owner, queue_rank, queued_at, id) WHERE (status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text]));

CREATE INDEX models_queued_deadline ON models USING btree (deadline_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX models_queued_due ON models USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX models_queued_in_turn ON models USING btree (owner, queue_rank, queued_at, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX models_queued_of_owner ON models USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text));

CREATE INDEX models_queued_start_by ON models USING btree (start_by) WHERE ((due_at IS NOT NULL) AND (status = 'QUEUED'::text) AND (start_by IS NOT NULL));

CREATE UNIQUE INDEX models_ref_once ON models USING btree (provider, provider_ref) WHERE (provider_ref IS NOT NULL);

CREATE INDEX models_running_of_owner ON models USING btree (owner) WHERE (status = ANY (ARRAY['QUEUED'::text, 'SUBMITTING'::text, 'UNCERTAIN'::text, 'TRAINING'::text]));

CREATE INDEX models_unsettled_due ON models USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = ANY (ARRAY['SUBMITTING'::text, 'UNCERTAIN'::text])));

CREATE INDEX models_watched_due ON models USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'FAILED'::text));

CREATE INDEX models_watched_of_owner ON models USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'FAILED'::text));

CREATE INDEX notices_of_owner ON notices USING btree (owner, id);

CREATE INDEX notices_old ON notices USING btree (created_at);

CREATE INDEX owner_events_old ON owner_events USING btree (created_at);

CREATE UNIQUE INDEX owner_streams_owner ON owner_streams USING btree (owner);

CREATE INDEX photo_servers_of_url ON photo_servers USING btree (public_url, last_seen_at);

CREATE INDEX photos_due ON photos USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX photos_due_of_owner ON photos USING btree (owner, due_at) WHERE (due_at IS NOT NULL);

CREATE INDEX photos_of_owner ON photos USING btree (owner, id);

CREATE INDEX photos_of_owner_by_status ON photos USING btree (owner, status, id);

CREATE INDEX photos_of_owner_to_purge ON photos USING btree (owner, id) WHERE (purge_at IS NOT NULL);

CREATE INDEX photos_of_owner_unused ON photos USING btree (owner, id) WHERE ((purge_at IS NOT NULL) AND (NOT is_used));

CREATE INDEX photos_to_purge ON photos USING btree (purge_at) WHERE (purge_at IS NOT NULL);

CREATE INDEX quota_reservations_of_job ON quota_reservations USING btree (job_id);

CREATE INDEX quota_reservations_of_owner ON quota_reservations USING btree (owner, day);

CREATE INDEX quota_reservations_old ON quota_reservations USING btree (day);

CREATE INDEX rate_counts_old ON rate_counts USING btree (ends_at);

CREATE INDEX rate_windows_old ON rate_windows USING btree (ends_at);

CREATE INDEX streams_of_owner ON streams USING btree (owner);

CREATE INDEX submissions_detached ON submissions USING btree (called_at) WHERE ((model_id IS NULL) AND (generation_id IS NULL));

CREATE INDEX submissions_evidence_old ON submissions USING btree (called_at) WHERE (evidence IS NOT NULL);

CREATE INDEX submissions_of_deleted ON submissions USING btree (job_deleted_at) WHERE (job_deleted_at IS NOT NULL);

CREATE UNIQUE INDEX submissions_of_generation ON submissions USING btree (generation_id, attempt) WHERE (generation_id IS NOT NULL);

CREATE UNIQUE INDEX submissions_of_model ON submissions USING btree (model_id, attempt) WHERE (model_id IS NOT NULL);

CREATE UNIQUE INDEX submissions_ref_once ON submissions USING btree (provider, provider_ref) WHERE (provider_ref IS NOT NULL);

CREATE INDEX submissions_unanswered ON submissions USING btree (called_at) WHERE (outcome = 'CALLING'::text);

CREATE INDEX timeline_entries_of_generation ON timeline_entries USING btree (generation_id, id) WHERE (generation_id IS NOT NULL);

CREATE INDEX timeline_entries_of_model ON timeline_entries USING btree (model_id, id) WHERE (model_id IS NOT NULL);

CREATE INDEX webhook_deliveries_by_status ON webhook_deliveries USING btree (webhook_id, status, id);

CREATE INDEX webhook_deliveries_of_owner ON webhook_deliveries USING btree (owner, id);

CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries USING btree (webhook_id, id);

CREATE INDEX webhook_deliveries_old ON webhook_deliveries USING btree (created_at) WHERE (status <> 'PENDING'::text);

CREATE UNIQUE INDEX webhook_deliveries_once ON webhook_deliveries USING btree (webhook_id, number);

CREATE INDEX webhook_deliveries_pending ON webhook_deliveries USING btree (webhook_id, stream_id, number) WHERE (status = 'PENDING'::text);

CREATE INDEX webhook_deliveries_pending_age ON webhook_deliveries USING btree (webhook_id, created_at) WHERE (status = 'PENDING'::text);

CREATE INDEX webhooks_due ON webhooks USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'ENABLED'::text) AND (tries = 0) AND (NOT is_slow));

CREATE INDEX webhooks_due_of_owner ON webhooks USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'ENABLED'::text) AND (tries = 0) AND (NOT is_slow));

CREATE INDEX webhooks_failing_due ON webhooks USING btree (due_at) WHERE ((due_at IS NOT NULL) AND (status = 'ENABLED'::text) AND ((tries > 0) OR is_slow));

CREATE INDEX webhooks_failing_due_of_owner ON webhooks USING btree (owner, due_at) WHERE ((due_at IS NOT NULL) AND (status = 'ENABLED'::text) AND ((tries > 0) OR is_slow));

CREATE INDEX webhooks_of_key ON webhooks USING btree (key_id) WHERE ((status = 'ENABLED'::text) AND (key_id IS NOT NULL));

CREATE INDEX webhooks_of_owner ON webhooks USING btree (owner, id);

CREATE INDEX webhooks_to_follow ON webhooks USING btree (follow_at) WHERE (status = 'ENABLED'::text);

CREATE TRIGGER avatars_earlier BEFORE INSERT ON avatars FOR EACH ROW WHEN (((new.provider_ref IS NULL) AND (new.status = 'PENDING'::text))) EXECUTE FUNCTION complete_earlier_avatar();

CREATE TRIGGER avatars_earlier_picture BEFORE UPDATE OF sha256 ON avatars FOR EACH ROW WHEN (((new.sha256 <> old.sha256) AND (NOT (new.thumbhash IS DISTINCT FROM old.thumbhash)) AND (new.has_content_credentials = old.has_content_credentials))) EXECUTE FUNCTION reset_earlier_picture();

CREATE TRIGGER erasures_earlier AFTER UPDATE OF owner ON erasures FOR EACH ROW WHEN (((old.owner IS NOT NULL) AND (new.owner IS NULL))) EXECUTE FUNCTION complete_earlier_erasure();

CREATE TRIGGER events_earlier BEFORE INSERT ON events FOR EACH ROW WHEN ((new.owner IS NULL)) EXECUTE FUNCTION complete_earlier_event();

CREATE TRIGGER generations_earlier_answer AFTER UPDATE OF result_count ON generations FOR EACH ROW WHEN ((new.result_count IS NOT NULL)) EXECUTE FUNCTION record_earlier_answer();

CREATE TRIGGER generations_photo_use AFTER DELETE ON generations FOR EACH ROW WHEN ((old.photo_id IS NOT NULL)) EXECUTE FUNCTION reset_photo_use();

CREATE TRIGGER generations_styles BEFORE INSERT ON generations FOR EACH ROW EXECUTE FUNCTION write_styles();

CREATE TRIGGER model_photos_use AFTER DELETE ON model_photos FOR EACH ROW EXECUTE FUNCTION reset_photo_use();

ALTER TABLE ONLY avatars
    ADD CONSTRAINT avatars_generation FOREIGN KEY (generation_id) REFERENCES generations(id) ON DELETE CASCADE;

ALTER TABLE ONLY avatars
    ADD CONSTRAINT avatars_model FOREIGN KEY (model_id) REFERENCES models(id) ON DELETE CASCADE;

ALTER TABLE ONLY bulk_retries
    ADD CONSTRAINT bulk_retries_key FOREIGN KEY (owner, key) REFERENCES idempotency_keys(owner, key) ON DELETE CASCADE;

ALTER TABLE ONLY events
    ADD CONSTRAINT events_stream FOREIGN KEY (stream_id) REFERENCES streams(id) ON DELETE CASCADE;

ALTER TABLE ONLY generations
    ADD CONSTRAINT generations_model FOREIGN KEY (model_id) REFERENCES models(id) ON DELETE CASCADE;

ALTER TABLE ONLY generations
    ADD CONSTRAINT generations_photo FOREIGN KEY (photo_id) REFERENCES photos(id) ON DELETE SET NULL;

ALTER TABLE ONLY model_photos
    ADD CONSTRAINT model_photos_model FOREIGN KEY (model_id) REFERENCES models(id) ON DELETE CASCADE;

ALTER TABLE ONLY model_photos
    ADD CONSTRAINT model_photos_photo FOREIGN KEY (photo_id) REFERENCES photos(id) ON DELETE CASCADE;

ALTER TABLE ONLY timeline_entries
    ADD CONSTRAINT timeline_entries_generation FOREIGN KEY (generation_id) REFERENCES generations(id) ON DELETE CASCADE;

ALTER TABLE ONLY timeline_entries
    ADD CONSTRAINT timeline_entries_model FOREIGN KEY (model_id) REFERENCES models(id) ON DELETE CASCADE;

