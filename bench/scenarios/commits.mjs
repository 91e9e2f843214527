import pg from 'pg';
import { quantile } from '../lib/report.mjs';

const rowsEach = 100;

/** What the disk of PostgreSQL allows: transactions of one update that each wait until they are durable, of different rows. */
export const commits = {
  name: 'commits',
  title: 'Updates of different rows a second, each a transaction that waits for the disk',
  run: async ({ database, options }) => {
    const counts = options.connections;
    await database.rows(
      `CREATE TABLE commits AS SELECT id, 0 AS value FROM generate_series(0, ${Math.max(...counts) * rowsEach - 1}) id`,
    );
    await database.rows('ALTER TABLE commits ADD PRIMARY KEY (id)');
    try {
      const rows = [];
      for (const count of counts)
        rows.push({ connections: count, ...(await measure(database.url, count, options.seconds)) });
      return { rows, samples: rows };
    } finally {
      await database.rows('DROP TABLE commits');
    }
  },
};

async function measure(url, count, seconds) {
  const clients = Array.from({ length: count }, () => new pg.Client(url));
  await Promise.all(clients.map((client) => client.connect()));
  const times = [];
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1_000;
  await Promise.all(
    clients.map(async (client, index) => {
      for (let number = 0; performance.now() < endMs; number += 1) {
        const fromMs = performance.now();
        const values = [index * rowsEach + (number % rowsEach)];
        await client.query({
          name: 'update',
          text: 'UPDATE commits SET value = value + 1 WHERE id = $1',
          values,
        });
        times.push(performance.now() - fromMs);
      }
    }),
  );
  const passed = (performance.now() - startedMs) / 1_000;
  await Promise.all(clients.map((client) => client.end()));
  return {
    'a second': times.length / passed,
    'p50 ms': quantile(times, 0.5),
    'p99 ms': quantile(times, 0.99),
  };
}
