import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readConfig } from '../../src/read-config';
import type { Job } from '../support/client';
import { likeness } from '../support/command-line';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending } from '../support/faults-jobs';
import { ReplicatedPostgres } from '../support/replicated-postgres';
import { rowsAt } from '../support/test-server';
import { eventually, until } from '../support/until';

jest.setTimeout(180_000);

let servers: ReplicatedPostgres;
let environment: FaultsEnvironment;

beforeAll(async () => {
  servers = await ReplicatedPostgres.start();
  const settings = { DATABASE_REPLICA_URL: servers.standbyUrl };
  environment = await FaultsEnvironment.open({ databaseUrl: servers.url, gateways: 2, settings });
});

afterAll(async () => {
  await environment.stop();
  await servers.stop();
});

/** Trains a model with this key; repeated until there is an answer. */
const train = (photoIds: string[], key: string): Promise<Job> =>
  eventually(
    'an answer',
    () => environment.client.train({ photoIds, idempotencyKey: key }),
    () => true,
  );

/** Whether a job has succeeded, or its photos could not be served to the avatar service during the outage. */
const isKnown = ({ status, failure }: Job): boolean =>
  status === 'READY' || failure?.code === 'PHOTO_UNREACHABLE';

/** How many trainings are ordered at a time until a gateway has made a paid call. */
const maxWaiting = 3;

/** How many ids the journal has had. */
async function journaledIds(): Promise<number> {
  const names = await readdir(environment.journalDir);
  const texts = await Promise.all(names.map((name) => readFile(join(environment.journalDir, name), 'utf8')));
  return texts.join('').split('"ref":').length;
}

/** Writes a number into the database, into the account of no gateway. When this returns, the write is acknowledged. */
const writeCredits = (credits: number): Promise<unknown> =>
  environment.rows(
    `INSERT INTO upstream_accounts (account, provider, poll_tokens, submit_tokens, credits_available) VALUES ('other', 'other', 0, 0, $1)
         ON CONFLICT (account) DO UPDATE SET credits_available = $1`,
    [credits],
  );

/** The number, as the operator's overview shows it. */
const readCredits = async (): Promise<number | null | undefined> => {
  const { operator } = await environment.client.request<{
    operator: { accounts: { account: string; creditsAvailable: number | null }[] };
  }>('{ operator { accounts { account creditsAvailable } } }');
  return operator.accounts.find(({ account }) => account === 'other')?.creditsAvailable;
};

const usesReplica = async (): Promise<boolean> =>
  (await environment.gateway.metric('likeness_database_replica_used')) === 1;

/** What the log says about the replica. */
const said = (): string[] =>
  environment.gateway.log.map(({ msg }) => msg).filter((msg) => msg.includes('costly reads'));
const begin = 'the replica cannot be used or is late; costly reads use the primary';
const end = 'costly reads use the replica again';

/** What `likeness doctor` says about standbys and the replica. */
const examine = async (replicaUrl = servers.standbyUrl): Promise<string[]> => {
  const settings = {
    DATABASE_URL: servers.url,
    DATABASE_REPLICA_URL: replicaUrl,
    DATA_DIR: environment.dataDir,
  };
  const { out } = await likeness(settings, 'doctor', '--json');
  const findings = JSON.parse(out) as { check: string; result: string; detail: string }[];
  return findings
    .filter(({ check }) => check === 'standbys' || check === 'replica')
    .map(({ check, result, detail }) => `${check} ${result} ${detail.replace(/\d+ bytes/, 'n bytes')}`);
};

/** Waits until the log has as many beginnings as ends, and the replica is used. */
const untilUsed = (): Promise<unknown> =>
  eventually(
    'the use of the replica',
    async () => {
      await readCredits();
      return usesReplica();
    },
    (isUsed) => isUsed && said().length % 2 === 0,
  );

/** Whether the last statement of a gateway's session on the replica is like this. */
const lastOnReplica = async (pattern: string): Promise<boolean> => {
  const sessions = await rowsAt(
    servers.standbyUrl,
    `SELECT FROM pg_stat_activity WHERE application_name = 'likeness' AND query LIKE $1`,
    [pattern],
  );
  return sessions.length > 0;
};

describe('costly reads', () => {
  it('are made on the replica, and show what was acknowledged before', async () => {
    for (let credits = 1; credits <= 20; credits += 1) {
      await writeCredits(credits);
      expect(await readCredits()).toBe(credits);
    }
    await eventually(
      'the overview on the replica',
      async () => {
        await readCredits();
        return lastOnReplica('%FROM upstream_accounts ORDER BY%');
      },
      (isFound) => isFound,
    );
    await untilUsed();
    expect(await lastOnReplica('%FROM upstream_accounts WHERE%')).toBe(true);
  });

  it('are made on the primary while the replica is late or away, which is logged once, and then on the replica again', async () => {
    await untilUsed();
    const before = said().length;
    await rowsAt(servers.standbyUrl, 'SELECT pg_wal_replay_pause()');
    await writeCredits(101);
    expect(await readCredits()).toBe(101);
    expect(await usesReplica()).toBe(false);
    await servers.crashStandby();
    await writeCredits(102);
    expect(await readCredits()).toBe(102);
    expect(await examine()).toContainEqual(expect.stringMatching(/^replica warn cannot be reached: /));
    await servers.startStandby();
    await untilUsed();
    expect(said().slice(before, before + 2)).toEqual([begin, end]);
  });
});

describe('a standby in DATABASE_URL', () => {
  it.each(['postgresql', 'portable'])('is refused by migrate with the engine %s', async (engine) => {
    const settings = { DATABASE_URL: servers.standbyUrl, DATABASE_ENGINE: engine };
    expect(await likeness(settings, 'migrate')).toMatchObject({
      code: 1,
      remarks: expect.stringMatching(/DATABASE_URL .* leads to a standby .*URL of the primary/) as string,
    });
  });

  it('is refused by the start', async () => {
    await expect(environment.addGateway({ DATABASE_URL: servers.standbyUrl })).rejects.toThrow(
      /DATABASE_URL .* leads to a standby .*URL of the primary/,
    );
  });
});

describe('likeness doctor', () => {
  it('refuses a replica without DATABASE_URL', () => {
    expect(() => readConfig({ DATABASE_REPLICA_URL: servers.standbyUrl })).toThrow(
      'DATABASE_REPLICA_URL needs DATABASE_URL',
    );
  });

  it('finds whether standbys are synchronous, and whether the replica belongs to the primary', async () => {
    const standbys = 'standbys ok 1, of which are synchronous: *';
    expect(await examine()).toEqual([standbys, 'replica ok n bytes behind']);
    expect(await examine(servers.url)).toEqual([standbys, 'replica fail the server is not a replica']);
  });
});

describe('a failover to a synchronous standby', () => {
  it('loses no paid id and no event, and pays for nothing twice', async () => {
    const photoIds = await environment.client.upload(5);
    const keys = Array.from({ length: 12 }, (_, index) => `job-${index}`);
    const early = await Promise.all(keys.slice(0, 4).map((key) => train(photoIds, key)));
    const { reached } = await environment.gateway.arm('submission:answered');
    let isAnswered = false;
    void reached.then(() => (isAnswered = true));
    // Submitted and polled while the primary is killed.
    const late = keys.slice(4).map((key) => train(photoIds, key));
    let waiting = 0;
    const orderMore = (): Promise<boolean> => {
      // All lock the same photos: at a busy machine, further ones would only take the connections of those that wait.
      if (!isAnswered && waiting < maxWaiting) {
        waiting += 1;
        late.push(train(photoIds, `more-${late.length}`).finally(() => (waiting -= 1)));
      }
      return Promise.resolve(isAnswered);
    };
    await eventually('the id of a paid call of this gateway', orderMore, (isReached) => isReached);
    await servers.failOver(async () => {
      const before = await journaledIds();
      environment.gateway.release();
      await until(async () => (await journaledIds()) > before);
    });
    const jobs = [...early, ...(await Promise.all(late))];
    const ended = await Promise.all(jobs.map(({ id }) => ending(environment, 'training', id)));
    expect(ended.filter((job) => !isKnown(job))).toEqual([]);
    expect(await findViolations(environment)).toEqual([]);
    const [history] = await environment.rows<{ timeline: number }>(
      `SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline`,
    );
    expect(history).toEqual({ timeline: 2 });
  });

  it('ends the use of a replica that is the primary now', async () => {
    await readCredits();
    expect(await usesReplica()).toBe(false);
  });
});
