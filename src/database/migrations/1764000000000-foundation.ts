import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The columns that a training and a generation have in common; jobs/job.entity.ts says what each means. */
const jobColumns = `
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "provider" text NOT NULL,
  "status" text NOT NULL DEFAULT 'QUEUED',
  "progress" smallint NOT NULL DEFAULT 0,
  "estimated_ready_at" timestamptz,
  "failure_code" text,
  "failure_message" text,
  "failure_retryable" boolean,
  "attempt" integer NOT NULL DEFAULT 0,
  "provider_ref" text,
  "submitted_at" timestamptz,
  "deadline_at" timestamptz,
  "due_at" timestamptz,
  "lease" uuid,
  "polls" integer NOT NULL DEFAULT 0,
  "tries" integer NOT NULL DEFAULT 0,
  "last_error" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now()`;

/** Wrong states that both tables refuse. */
const jobChecks = (table: string, running: string) => `
  CONSTRAINT "${table}_progress_range" CHECK (progress BETWEEN 0 AND 100),
  CONSTRAINT "${table}_failed_says_why" CHECK ((status = 'FAILED') = (failure_code IS NOT NULL)),
  CONSTRAINT "${table}_failure_whole" CHECK ((failure_code IS NULL) = (failure_message IS NULL) AND (failure_code IS NULL) = (failure_retryable IS NULL)),
  CONSTRAINT "${table}_running_has_ref" CHECK (status NOT IN (${running}) OR provider_ref IS NOT NULL),
  CONSTRAINT "${table}_waiting_is_due" CHECK (status IN ('READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED') OR due_at IS NOT NULL),
  CONSTRAINT "${table}_attempted_in_flight" CHECK (status NOT IN ('SUBMITTING', 'UNCERTAIN') OR attempt > 0)`;

/** Photos, models, generations, avatars, their submissions, events and idempotency keys. */
export class Foundation1764000000000 implements MigrationInterface {
  readonly name = 'Foundation1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of tables) await runner.query(statement);
    for (const statement of indexes) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'DROP TABLE "upstream_accounts", "idempotency_keys", "events", "streams", "doomed_media", "submissions", "avatars", "generations", "model_photos", "models", "photos"',
    );
  }
}

const tables = [
  `CREATE TABLE "photos" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "status" text NOT NULL,
  "filename" text,
  "source_url" text,
  "source_sha256" text,
  "width" integer,
  "height" integer,
  "byte_size" integer,
  "problems" jsonb NOT NULL DEFAULT '[]',
  "due_at" timestamptz,
  "lease" uuid,
  "tries" integer NOT NULL DEFAULT 0,
  "purge_at" timestamptz,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "photos_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "photos_status_known" CHECK (status IN ('AWAITING_UPLOAD', 'FETCHING', 'READY', 'REJECTED', 'PURGED')),
  CONSTRAINT "photos_ready_is_whole" CHECK (status <> 'READY' OR (width IS NOT NULL AND height IS NOT NULL AND byte_size IS NOT NULL)),
  CONSTRAINT "photos_fetching_is_due" CHECK (status <> 'FETCHING' OR (source_url IS NOT NULL AND due_at IS NOT NULL)),
  CONSTRAINT "photos_url_while_fetching" CHECK (status = 'FETCHING' OR source_url IS NULL)
)`,
  `CREATE TABLE "models" (${jobColumns},
  "name" text NOT NULL,
  "type" text NOT NULL,
  "photo_count" smallint NOT NULL,
  "ready_at" timestamptz,
  CONSTRAINT "models_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "models_status_known" CHECK (status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING', 'READY', 'FAILED', 'CANCELLED')),
  CONSTRAINT "models_type_known" CHECK (type IN ('MAN', 'WOMAN', 'COUPLE', 'DOG', 'CAT')),
  CONSTRAINT "models_ready_is_whole" CHECK ((status = 'READY') = (ready_at IS NOT NULL)),
  ${jobChecks('models', `'TRAINING', 'READY'`)}
)`,
  `CREATE TABLE "model_photos" (
  "model_id" uuid NOT NULL,
  "photo_id" uuid NOT NULL,
  "position" smallint NOT NULL,
  CONSTRAINT "model_photos_pkey" PRIMARY KEY ("model_id", "photo_id"),
  CONSTRAINT "model_photos_position_once" UNIQUE ("model_id", "position"),
  CONSTRAINT "model_photos_model" FOREIGN KEY ("model_id") REFERENCES "models" ("id") ON DELETE CASCADE,
  CONSTRAINT "model_photos_photo" FOREIGN KEY ("photo_id") REFERENCES "photos" ("id") ON DELETE CASCADE
)`,
  `CREATE TABLE "generations" (${jobColumns},
  "model_id" uuid,
  "photo_id" uuid,
  "prompts" jsonb NOT NULL,
  "wanted" smallint NOT NULL,
  "results_expire_at" timestamptz,
  "completed_at" timestamptz,
  CONSTRAINT "generations_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "generations_status_known" CHECK (status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'GENERATING', 'STORING', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED')),
  CONSTRAINT "generations_wanted_range" CHECK (wanted BETWEEN 1 AND 1000),
  CONSTRAINT "generations_completed_is_whole" CHECK ((status IN ('COMPLETED', 'PARTIAL')) = (completed_at IS NOT NULL)),
  CONSTRAINT "generations_model" FOREIGN KEY ("model_id") REFERENCES "models" ("id") ON DELETE CASCADE,
  CONSTRAINT "generations_photo" FOREIGN KEY ("photo_id") REFERENCES "photos" ("id") ON DELETE SET NULL,
  ${jobChecks('generations', `'GENERATING', 'STORING', 'COMPLETED', 'PARTIAL'`)}
)`,
  `CREATE TABLE "avatars" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "generation_id" uuid NOT NULL,
  "model_id" uuid,
  "position" smallint NOT NULL,
  "status" text NOT NULL DEFAULT 'PENDING',
  "style" text NOT NULL,
  "prompt" text,
  "source_url" text,
  "expires_at" timestamptz,
  "due_at" timestamptz,
  "lease" uuid,
  "tries" integer NOT NULL DEFAULT 0,
  "last_error" text,
  "width" integer,
  "height" integer,
  "byte_size" integer,
  "content_type" text,
  "sha256" text,
  "placeholder" text,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "avatars_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "avatars_position_once" UNIQUE ("generation_id", "position"),
  CONSTRAINT "avatars_status_known" CHECK (status IN ('PENDING', 'STORED', 'LOST')),
  CONSTRAINT "avatars_pending_is_due" CHECK ((status = 'PENDING') = (due_at IS NOT NULL) AND (status = 'PENDING') = (source_url IS NOT NULL)),
  CONSTRAINT "avatars_stored_is_whole" CHECK (status <> 'STORED' OR (width IS NOT NULL AND height IS NOT NULL AND byte_size IS NOT NULL AND content_type IS NOT NULL AND sha256 IS NOT NULL AND placeholder IS NOT NULL)),
  CONSTRAINT "avatars_generation" FOREIGN KEY ("generation_id") REFERENCES "generations" ("id") ON DELETE CASCADE,
  CONSTRAINT "avatars_model" FOREIGN KEY ("model_id") REFERENCES "models" ("id") ON DELETE CASCADE
)`,
  `CREATE TABLE "submissions" (
  "id" uuid NOT NULL,
  "model_id" uuid,
  "generation_id" uuid,
  "attempt" integer NOT NULL,
  "provider" text NOT NULL,
  "account" text NOT NULL,
  "outcome" text NOT NULL DEFAULT 'CALLING',
  "provider_ref" text,
  "http_status" smallint,
  "correlation_id" text,
  "evidence" text,
  "called_at" timestamptz NOT NULL DEFAULT now(),
  "answered_at" timestamptz,
  "photos_fetched_at" timestamptz,
  CONSTRAINT "submissions_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "submissions_one_job" CHECK ((model_id IS NULL) <> (generation_id IS NULL)),
  CONSTRAINT "submissions_outcome_known" CHECK (outcome IN ('CALLING', 'ACCEPTED', 'REFUSED', 'NOT_EXECUTED', 'UNKNOWN')),
  CONSTRAINT "submissions_accepted_has_ref" CHECK (outcome <> 'ACCEPTED' OR provider_ref IS NOT NULL),
  CONSTRAINT "submissions_model" FOREIGN KEY ("model_id") REFERENCES "models" ("id") ON DELETE CASCADE,
  CONSTRAINT "submissions_generation" FOREIGN KEY ("generation_id") REFERENCES "generations" ("id") ON DELETE CASCADE
)`,
  `CREATE TABLE "doomed_media" (
  "key" text NOT NULL,
  "tries" integer NOT NULL DEFAULT 0,
  "due_at" timestamptz NOT NULL DEFAULT now(),
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "doomed_media_pkey" PRIMARY KEY ("key")
)`,
  `CREATE TABLE "streams" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "sequence" bigint NOT NULL DEFAULT 0,
  "ended_at" timestamptz,
  CONSTRAINT "streams_pkey" PRIMARY KEY ("id")
)`,
  `CREATE TABLE "events" (
  "stream_id" uuid NOT NULL,
  "sequence" bigint NOT NULL,
  "kind" text NOT NULL,
  "subject_id" uuid NOT NULL,
  "generation_id" uuid,
  "payload" jsonb NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "events_pkey" PRIMARY KEY ("stream_id", "sequence"),
  CONSTRAINT "events_kind_known" CHECK (kind IN ('MODEL', 'GENERATION', 'AVATAR', 'DELETED')),
  CONSTRAINT "events_stream" FOREIGN KEY ("stream_id") REFERENCES "streams" ("id") ON DELETE CASCADE
)`,
  `CREATE TABLE "idempotency_keys" (
  "owner" text NOT NULL,
  "key" text NOT NULL,
  "operation" text NOT NULL,
  "input_sha256" text NOT NULL,
  "result_id" uuid NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("owner", "key")
)`,
  `CREATE TABLE "upstream_accounts" (
  "account" text NOT NULL,
  "provider" text NOT NULL,
  "poll_tokens" double precision NOT NULL,
  "submit_tokens" double precision NOT NULL,
  "poll_refilled_at" timestamptz NOT NULL DEFAULT now(),
  "submit_refilled_at" timestamptz NOT NULL DEFAULT now(),
  "paused_until" timestamptz,
  "failures" integer NOT NULL DEFAULT 0,
  "broken_until" timestamptz,
  "credits_available" integer,
  "credits_seen_at" timestamptz,
  CONSTRAINT "upstream_accounts_pkey" PRIMARY KEY ("account")
)`,
];

const indexes = [
  `CREATE INDEX "photos_due" ON "photos" ("due_at") WHERE due_at IS NOT NULL`,
  `CREATE INDEX "photos_to_purge" ON "photos" ("purge_at") WHERE purge_at IS NOT NULL`,
  `CREATE INDEX "photos_of_owner" ON "photos" ("owner", "id")`,
  `CREATE INDEX "model_photos_of_photo" ON "model_photos" ("photo_id")`,
  `CREATE INDEX "models_due" ON "models" ("due_at") WHERE due_at IS NOT NULL`,
  `CREATE INDEX "models_of_owner" ON "models" ("owner", "id")`,
  `CREATE INDEX "models_learned" ON "models" ("provider", "type", "ready_at") WHERE ready_at IS NOT NULL`,
  `CREATE UNIQUE INDEX "models_ref_once" ON "models" ("provider", "provider_ref") WHERE provider_ref IS NOT NULL`,
  `CREATE INDEX "generations_due" ON "generations" ("due_at") WHERE due_at IS NOT NULL`,
  `CREATE INDEX "generations_of_owner" ON "generations" ("owner", "id")`,
  `CREATE INDEX "generations_of_model" ON "generations" ("model_id", "id")`,
  `CREATE INDEX "generations_of_photo" ON "generations" ("photo_id") WHERE photo_id IS NOT NULL`,
  `CREATE UNIQUE INDEX "generations_ref_once" ON "generations" ("provider", "provider_ref") WHERE provider_ref IS NOT NULL`,
  `CREATE INDEX "avatars_due" ON "avatars" ("expires_at", "due_at") WHERE due_at IS NOT NULL`,
  `CREATE INDEX "avatars_of_generation" ON "avatars" ("generation_id", "id")`,
  `CREATE INDEX "avatars_of_model" ON "avatars" ("model_id", "id")`,
  `CREATE UNIQUE INDEX "submissions_of_model" ON "submissions" ("model_id", "attempt") WHERE model_id IS NOT NULL`,
  `CREATE UNIQUE INDEX "submissions_of_generation" ON "submissions" ("generation_id", "attempt") WHERE generation_id IS NOT NULL`,
  `CREATE UNIQUE INDEX "submissions_ref_once" ON "submissions" ("provider", "provider_ref") WHERE provider_ref IS NOT NULL`,
  `CREATE INDEX "doomed_media_due" ON "doomed_media" ("due_at")`,
  `CREATE INDEX "events_old" ON "events" ("created_at")`,
  `CREATE INDEX "streams_of_owner" ON "streams" ("owner")`,
  `CREATE INDEX "idempotency_keys_old" ON "idempotency_keys" ("created_at")`,
];
