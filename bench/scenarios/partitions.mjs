const days = 8;
const eventsEach = 8;
const owners = 1_000;
const eventsPerPrune = 5_000;

const perRound = 790;

/** The statements of `events` on a table, and their values for an event and the number of the call. */
const statementsOf = (table) => [
  {
    what: 'append an event',
    text: `INSERT INTO ${table} (stream_id, sequence, kind, subject_id, generation_id, payload, created_at, owner, transaction_id)
      VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), $7, pg_current_xact_id()::text::bigint)`,
    values: (event, number) => [
      ...[event.stream_id, eventsEach + number, event.kind, event.subject_id, event.generation_id],
      ...[event.payload, event.owner],
    ],
  },
  {
    what: 'the events of a stream after a cursor',
    text: `SELECT * FROM ${table} WHERE stream_id = $1 AND sequence > $2 ORDER BY sequence LIMIT 100`,
    values: ({ stream_id: streamId }) => [streamId, eventsEach / 2],
  },
  {
    what: 'the oldest event of a stream',
    text: `SELECT min(sequence) FROM ${table} WHERE stream_id = $1`,
    values: ({ stream_id: streamId }) => [streamId],
  },
  {
    what: 'whether an owner has new events',
    text: `SELECT EXISTS (SELECT FROM ${table} WHERE owner = $1 AND transaction_id >= $2) AS is_new`,
    values: ({ owner, last }) => [owner, last],
  },
  {
    what: 'delete a stream with its events',
    text: `DELETE FROM ${table} WHERE stream_id = $1`,
    values: ({ stream_id: streamId }) => [streamId],
  },
];

const columns = `stream_id uuid NOT NULL, sequence bigint NOT NULL, kind text NOT NULL, subject_id uuid NOT NULL,
  generation_id uuid, payload jsonb NOT NULL, created_at timestamptz NOT NULL, owner text, transaction_id bigint`;

/** ADR 42: `events` as a plain table and with a partition for each day, beside each other. */
export const partitions = {
  name: 'partitions',
  title:
    'Events in a plain table and in partitions by day: statements in µs, deletion of a day in ms and MB of WAL, sizes in MB',
  run: async ({ database, options }) => {
    const client = await database.pool.connect();
    try {
      await client.query('SET synchronous_commit = off');
      await fill(client, options.events);
      const rows = [...(await measureStatements(client, options)), ...(await measureDeletion(client))];
      return { rows, samples: rows };
    } finally {
      await client.query('DROP TABLE IF EXISTS plain_events, daily_events');
      client.release();
    }
  },
};

/** Streams of 8 events, each in an hour of one of 8 days; transactions have 1 event. */
async function fill(client, count) {
  await client.query(`CREATE TABLE plain_events (${columns}, PRIMARY KEY (stream_id, sequence))`);
  await client.query(
    `CREATE TABLE daily_events (${columns}, PRIMARY KEY (stream_id, sequence, created_at)) PARTITION BY RANGE (created_at)`,
  );
  // The newest is that of the present day, in which events are appended.
  for (let day = 0; day < days; day += 1)
    await client.query(
      `DO $$ BEGIN EXECUTE format('CREATE TABLE daily_events_${day} PARTITION OF daily_events FOR VALUES FROM (%L) TO (%L)',
         date_trunc('day', now()) - interval '${day} days', date_trunc('day', now()) - interval '${day - 1} days'); END $$`,
    );
  for (const table of ['plain_events', 'daily_events']) {
    await client.query(
      `CREATE INDEX ${table}_of_generation ON ${table} (generation_id) WHERE generation_id IS NOT NULL;
       CREATE INDEX ${table}_of_owner ON ${table} (owner, transaction_id);
       CREATE INDEX ${table}_old ON ${table} (created_at)`,
    );
  }
  await client.query(
    `INSERT INTO plain_events
     SELECT md5('stream' || stream)::uuid, sequence, 'GENERATION', md5('stream' || stream)::uuid, md5('stream' || stream)::uuid,
            jsonb_build_object('id', md5('stream' || stream)::uuid, 'status', 'GENERATING', 'progress', sequence * 10, 'attempt', 1, 'requested', 4,
              'createdAt', now(), 'updatedAt', now(), 'prompts', jsonb_build_array(jsonb_build_object('style', 'realistic', 'count', 4))),
            date_trunc('day', now()) - interval '1 day' * (${days - 1} - stream * ${days} / $1::int)
              + interval '1 day' * ((stream * ${days} % $1::int)::float8 / $1::int * 0.04 + sequence * 0.0001),
            'owner' || stream % ${owners}, stream * ${eventsEach} + sequence
       FROM generate_series(0, $1::int - 1) stream, generate_series(1, ${eventsEach}) sequence
      ORDER BY stream, sequence`,
    [Math.floor(count / eventsEach)],
  );
  await client.query('INSERT INTO daily_events SELECT * FROM plain_events ORDER BY created_at');
  await client.query('VACUUM ANALYZE plain_events, daily_events');
}

/** Prepared statements, in rounds that alternate between the tables: the lowest mean of a round. */
async function measureStatements(client, { rounds }) {
  const { rows: events } = await client.query(
    `SELECT *, (SELECT max(transaction_id) FROM plain_events) AS last FROM plain_events
      WHERE sequence = 1 ORDER BY md5(stream_id::text) LIMIT ${perRound * (rounds + 1)}`,
  );
  const daily = statementsOf('daily_events');
  const rows = [];
  for (const [index, statement] of statementsOf('plain_events').entries()) {
    const times = { plain: [], partitions: [] };
    for (let round = 0; round <= rounds; round += 1) {
      const some = events.slice(round * perRound, (round + 1) * perRound);
      for (const [kind, each] of Object.entries({ plain: statement, partitions: daily[index] })) {
        const us = await microseconds(client, `${kind} ${index}`, each, some);
        // The first round plans the statements.
        if (round > 0) times[kind].push(us);
      }
    }
    const { plain, partitions: parts } = times;
    rows.push({ what: statement.what, plain: Math.min(...plain), partitions: Math.min(...parts) });
  }
  return rows;
}

async function microseconds(client, name, { text, values }, events) {
  const startedMs = performance.now();
  for (const [number, event] of events.entries())
    await client.query({ name, text, values: values(event, number + 1) });
  return ((performance.now() - startedMs) * 1_000) / events.length;
}

async function measureDeletion(client) {
  const value = async (text) => Number(Object.values((await client.query(text)).rows[0])[0]);
  const timed = async (work) => {
    const before = await value(`SELECT pg_current_wal_insert_lsn() - '0/0'`);
    const startedMs = performance.now();
    await work();
    return {
      ms: performance.now() - startedMs,
      walMb: ((await value(`SELECT pg_current_wal_insert_lsn() - '0/0'`)) - before) / 1e6,
    };
  };
  const megabytes = (name) =>
    value(
      `SELECT sum(pg_total_relation_size(oid)) / 1e6 FROM pg_class WHERE relkind = 'r' AND relname ~ '^${name}'`,
    );
  const sizes = { plain: await megabytes('plain_events'), partitions: await megabytes('daily_events') };
  const end = `date_trunc('day', now()) - interval '${days - 2} days'`;
  const deleted = await value(`SELECT count(*) FROM plain_events WHERE created_at < ${end}`);
  const plain = await timed(async () => {
    for (;;) {
      const { rowCount } = await client.query(
        `WITH old AS (SELECT stream_id, sequence FROM plain_events WHERE created_at < ${end} ORDER BY created_at LIMIT ${eventsPerPrune})
         DELETE FROM plain_events e USING old WHERE e.stream_id = old.stream_id AND e.sequence = old.sequence`,
      );
      if (rowCount < eventsPerPrune) return;
    }
  });
  const vacuum = await timed(() => client.query('VACUUM plain_events'));
  const daily = await timed(() => client.query(`DROP TABLE daily_events_${days - 1}`));
  return [
    { what: `delete a day (${deleted} events), ms`, plain: plain.ms, partitions: daily.ms },
    { what: 'its VACUUM, ms', plain: vacuum.ms, partitions: 0 },
    { what: 'its WAL with VACUUM, MB', plain: plain.walMb + vacuum.walMb, partitions: daily.walMb },
    { what: 'table and indexes before, MB', ...sizes },
  ];
}
