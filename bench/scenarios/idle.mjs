import { setTimeout as pause } from 'node:timers/promises';
import { countStatements } from '../lib/database.mjs';
import { cpuMs } from '../lib/processes.mjs';
import { startProduct } from '../lib/servers.mjs';

/** Until the garbage collector has compacted what the start left behind. */
const settleMs = 60_000;
const measuredMs = 60_000;

export const idle = {
  name: 'idle',
  title: 'The product without any request or job, with default settings',
  run: async (bench) => {
    const proxy = await countStatements(bench.database.url);
    const server = await startProduct(bench, { DATABASE_URL: proxy.url });
    await pause(settleMs);
    const before = { cpu: cpuMs(server.pid), statements: proxy.count(), at: Date.now() };
    await pause(measuredMs);
    const ms = Date.now() - before.at;
    const row = {
      server: server.id,
      'start ms': server.startMs,
      '% of a core': ((cpuMs(server.pid) - before.cpu) / ms) * 100,
      'statements in 5 s': ((proxy.count() - before.statements) / ms) * 5_000,
      'memory MB': (await server.memory()) / 1024 / 1024,
    };
    await server.stop();
    proxy.close();
    return { rows: [row], samples: [] };
  },
};
