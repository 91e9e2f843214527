import type { Job } from '../support/client';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { ending, prepareFixtures, order, type JobKind } from '../support/faults-jobs';
import { numbersFrom } from '../support/random';
import { eventually, until } from '../support/until';

jest.setTimeout(600_000);

const rounds = 8;

/** The time limit for an answer: on a busy machine the gateways are starting most of the time. */
const answerMs = 180_000;

interface Asked {
  kind: JobKind;
  job: Job;
}

/** Creates jobs continuously while processes are killed. */
class Traffic {
  readonly asked: Asked[] = [];
  private isOn = true;
  private readonly running: Promise<void>;

  constructor(
    private readonly environment: FaultsEnvironment,
    random: () => number,
  ) {
    this.running = this.run(random);
    // `stop` awaits the same promise and reports its error.
    this.running.catch(() => undefined);
  }

  async stop(): Promise<Asked[]> {
    this.isOn = false;
    await this.running;
    return this.asked;
  }

  private async run(random: () => number): Promise<void> {
    while (this.isOn) {
      const kind = (['training', 'generation', 'instant'] as const)[Math.floor(random() * 3)]!;
      const key = `traffic-${this.asked.length}`;
      // A client without a response repeats the request with the same key.
      const job = await eventually(
        'an answer',
        () => order(this.environment, kind, key),
        () => true,
        answerMs,
      );
      this.asked.push({ kind, job });
      await new Promise((resume) => setTimeout(resume, 150 * random()));
    }
  }
}

describe('kills at random', () => {
  let environment: FaultsEnvironment;

  beforeAll(async () => {
    environment = await FaultsEnvironment.open({ gateways: 2, ownPostgres: true, maxFollowed: 20 });
    await prepareFixtures(environment);
  });

  afterAll(() => environment.stop());

  it('lose no job and pay for no job twice, regardless of the work in progress', async () => {
    const seed = Date.now() % 1_000_000;
    const random = numbersFrom(seed);
    const paidBefore = await environment.paid();
    const traffic = new Traffic(environment, random);
    const starting = environment.gateways.map(() => Promise.resolve());
    for (let round = 1; round <= rounds; round += 1) {
      await new Promise((resume) => setTimeout(resume, 600 * random()));
      await environment.freshBudget();
      const what = random();
      const victim = Math.floor(random() * 2);
      await starting[victim];
      // The other gateway may fail to start while the database is down; a supervisor starts it again.
      if (what > 0.7) await environment.crashPostgres();
      if (what < 0.85) await environment.gateways[victim]!.kill();
      if (what > 0.7) await environment.startPostgres();
      if (what < 0.85) starting[victim] = environment.restartGateway(victim);
    }
    await Promise.all(starting);
    // On a busy machine the gateways were starting most of the time.
    await until(() => traffic.asked.length > 15, answerMs);
    const asked = await traffic.stop();
    await environment.freshBudget();
    const ends = await Promise.all(
      asked.map(async ({ kind, job }) => {
        const { status, failure } = await ending(environment, kind, job.id);
        return failure?.code ?? status;
      }),
    );
    const allowed = ['READY', 'COMPLETED', 'SUBMISSION_UNKNOWN', 'PHOTO_UNREACHABLE'];
    const others = ends.filter((end) => !allowed.includes(end));
    const ids = new Set(asked.map(({ job }) => job.id));
    const paid = (await environment.paid()) - paidBefore;
    expect({ seed, others, ids: ids.size }).toEqual({ seed, others: [], ids: asked.length });
    expect(paid).toBeLessThanOrEqual(asked.length);
    expect(await findViolations(environment)).toEqual([]);
  });
});
