import { readOwnerWeights } from '../../src/core/owner-weights';
import type { Transfer } from '../../src/core/transfer';
import { TransferSlots, type TransferLimits } from '../../src/core/transfer-slots';

const limits: TransferLimits = {
  maxTransfers: 4,
  maxPerOwner: 3,
  minBytesPerSecond: 1_000,
  graceMs: 10_000,
};

const errors = {
  tooSlow: () => new Error('too slow'),
  ownerFull: () => new Error('owner full'),
  full: () => new Error('full'),
  displaced: () => new Error('displaced'),
};

/** A stream of a client, one chunk at a time. */
interface Sending {
  send: (bytes: number) => Promise<void>;
  finish: () => void;
  result: Promise<string>;
}

/** A transfer that waits for its client until the test continues it; with `outer`, one that has a slot there too. */
function start(slots: TransferSlots, owner: string, outer?: TransferSlots): Sending {
  let arrive: (bytes: number | null) => void = () => undefined;
  const work = async (transfer: Transfer): Promise<string> => {
    for (;;) {
      const bytes = await transfer.wait(new Promise<number | null>((resolve) => (arrive = resolve)));
      if (bytes === null) return `${owner} ended`;
      transfer.count(bytes);
    }
  };
  const running = outer
    ? outer.run(owner, (within) => slots.run(owner, work, within))
    : slots.run(owner, work);
  const result = running.catch((error: unknown) => `${owner} ${(error as Error).message}`);
  return {
    send: async (bytes) => {
      arrive(bytes);
      await settled();
    },
    finish: () => arrive(null),
    result,
  };
}

const settled = (): Promise<void> => jest.advanceTimersByTimeAsync(0).then(() => undefined);
const after = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms).then(() => undefined);

describe('transfers', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('are aborted when no data arrive within the grace period', async () => {
    const sending = start(new TransferSlots(limits, errors), 'anna');
    await after(9_999);
    await sending.send(1);
    await after(2);
    expect(await sending.result).toBe('anna too slow');
  });

  it('continue as long as they keep the minimum rate', async () => {
    const sending = start(new TransferSlots(limits, errors), 'anna');
    for (let second = 0; second < 600; second += 5) {
      await after(5_000);
      await sending.send(5_000);
    }
    sending.finish();
    expect(await sending.result).toBe('anna ended');
  });

  it('are aborted below the minimum rate, even with a steady flow of data', async () => {
    const sending = start(new TransferSlots(limits, errors), 'anna');
    for (let second = 0; second < 30; second += 1) {
      await after(1_000);
      await sending.send(500);
    }
    expect(await sending.result).toBe('anna too slow');
  });

  it('may pause no longer than the grace period', async () => {
    const sending = start(new TransferSlots(limits, errors), 'anna');
    await sending.send(25_000_000);
    await after(10_001);
    expect(await sending.result).toBe('anna too slow');
  });

  it('do not count the time that the server takes', async () => {
    const slots = new TransferSlots(limits, errors);
    const result = slots.run('anna', async (transfer) => {
      await transfer.wait(Promise.resolve());
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      await transfer.wait(Promise.resolve());
      return 'ended';
    });
    await after(60_000);
    expect(await result).toBe('ended');
  });

  it('of one owner use no more than its share', async () => {
    const slots = new TransferSlots(limits, errors);
    const sendings = Array.from({ length: 3 }, () => start(slots, 'anna'));
    expect(await start(slots, 'anna').result).toBe('anna owner full');
    const bobs = start(slots, 'bob');
    bobs.finish();
    expect(await bobs.result).toBe('bob ended');
    sendings[0]!.finish();
    await settled();
    const next = start(slots, 'anna');
    next.finish();
    expect(await next.result).toBe('anna ended');
  });

  it('are aborted slowest first for an owner with fewer transfers, after their grace period', async () => {
    const slots = new TransferSlots(limits, errors);
    const [slow, slower, other] = [start(slots, 'anna'), start(slots, 'anna'), start(slots, 'anna')];
    const bobs = start(slots, 'bob');
    const tick = async (): Promise<void> => {
      await after(1_000);
      await slow.send(3_000);
      await slower.send(2_000);
      await other.send(3_000);
      await bobs.send(1_500);
    };
    for (let second = 0; second < 9; second += 1) await tick();
    expect(await start(slots, 'carl').result).toBe('carl full');
    for (let second = 0; second < 2; second += 1) await tick();
    expect(await start(slots, 'anna').result).toBe('anna owner full');
    // Bob's transfer is the slowest, but anna has the most transfers.
    await after(1);
    const carls = start(slots, 'carl');
    expect(await start(slots, 'anna').result).toBe('anna full');
    carls.finish();
    expect(await carls.result).toBe('carl ended');
    expect([await slower.result, await Promise.race([bobs.result, settled()])]).toEqual([
      'anna displaced',
      undefined,
    ]);
  });

  it.each([
    ['bob=3', 'anna'],
    ['anna=3', 'bob'],
  ])('are displaced by shares of the weights: with %s, one of %s', async (text, displaced) => {
    const weights = readOwnerWeights(text)!;
    const slots = new TransferSlots({ ...limits, maxTransfers: 5, weights }, errors);
    const sendings = ['anna', 'anna', 'anna', 'bob', 'bob'].map((owner) => start(slots, owner));
    for (let second = 0; second < 11; second += 1) {
      await after(1_000);
      for (const sending of sendings) await sending.send(1_500);
    }
    await after(1);
    void start(slots, 'carl').result;
    const ended = await Promise.race(sendings.map(({ result }) => result));
    expect(ended).toBe(`${displaced} displaced`);
  });

  describe('with a queue', () => {
    const queued = { ...limits, queue: { maxWaiting: 8, maxWaitMs: 10_000 } };
    /** Starts transfers, and returns the names of those that have begun, in order. */
    const run = (slots: TransferSlots, ...owners: string[]): Sending[] =>
      owners.map((owner) => start(slots, owner));
    const isRunning = async ({ send, finish, result }: Sending): Promise<boolean> => {
      await send(1);
      finish();
      return (await Promise.race([result, settled()]))?.endsWith(' ended') ?? false;
    };

    it('wait for a slot, which goes to the owner with the fewest, then in turn', async () => {
      const slots = new TransferSlots(queued, errors);
      const annas = run(slots, 'anna', 'anna', 'anna', 'anna', 'anna');
      const bobs = run(slots, 'bob', 'bob');
      const [carls] = run(slots, 'carl');
      await settled();
      // Anna has three of four slots, and bob one; carl came last.
      annas[0]!.finish();
      await settled();
      expect(await isRunning(bobs[1]!)).toBe(false);
      expect(await isRunning(carls!)).toBe(true);
      expect(await isRunning(bobs[1]!)).toBe(true);
      for (const waited of annas.slice(3)) expect(await isRunning(waited)).toBe(true);
    });

    it('begin within one end of another for an owner that has none, whatever others have waiting', async () => {
      const slots = new TransferSlots({ ...queued, maxPerOwner: 4 }, errors);
      const annas = run(slots, ...Array.from({ length: 8 }, () => 'anna'));
      const [bobs] = run(slots, 'bob');
      annas[2]!.finish();
      await settled();
      expect(await isRunning(bobs!)).toBe(true);
    });

    it('are refused after a limited time, by what prevents them, and leave their place', async () => {
      const waited: string[] = [];
      const queue = { ...queued.queue, onWaited: (outcome: string) => waited.push(outcome) };
      const slots = new TransferSlots({ ...queued, queue }, errors);
      const annas = run(slots, 'anna', 'anna', 'anna', 'anna');
      const bobs = run(slots, 'bob', 'bob');
      for (let second = 0; second < 9; second += 1) {
        await after(1_000);
        for (const sending of [...annas.slice(0, 3), bobs[0]!]) await sending.send(4_000);
      }
      expect(await Promise.race([annas[3]!.result, settled()])).toBeUndefined();
      await after(1_001);
      expect(await Promise.all([annas[3]!.result, bobs[1]!.result])).toEqual(['anna owner full', 'bob full']);
      annas[0]!.finish();
      await settled();
      const [next] = run(slots, 'anna');
      expect(await isRunning(next!)).toBe(true);
      expect([slots.waitingCount, waited]).toEqual([0, ['refused', 'refused']]);
    });

    it('are refused at once if too many wait, fewer of each owner than of all', async () => {
      const slots = new TransferSlots(queued, errors);
      const annas = run(slots, ...Array.from({ length: 8 }, () => 'anna'));
      expect(await annas[7]!.result).toBe('anna owner full');
      run(slots, 'bob');
      const bobs = run(slots, 'bob', 'bob', 'bob');
      expect(await Promise.race([bobs[0]!.result, settled()])).toBeUndefined();
      expect(await bobs[2]!.result).toBe('bob full');
      const [carls] = run(slots, 'carl');
      expect(await Promise.race([carls!.result, settled()])).toBeUndefined();
    });

    it('are not overtaken by a new one when another becomes slow', async () => {
      const slots = new TransferSlots(queued, errors);
      const annas = run(slots, 'anna', 'anna', 'anna');
      const [daves] = run(slots, 'dave');
      const tick = async (ms: number): Promise<void> => {
        await after(ms);
        for (const sending of [...annas.slice(1), daves!]) await sending.send(8 * ms);
        await annas[0]!.send(1.5 * ms);
      };
      for (let second = 0; second < 9; second += 1) await tick(1_000);
      await tick(600);
      const [bobs] = run(slots, 'bob');
      await tick(500);
      await after(10);
      const [carls] = run(slots, 'carl');
      expect(await annas[0]!.result).toBe('anna displaced');
      expect(await isRunning(bobs!)).toBe(true);
      expect(await isRunning(carls!)).toBe(true);
    });

    it('leave their places to later ones', async () => {
      const slots = new TransferSlots(queued, errors);
      for (let round = 0; round < 9; round += 1) {
        const annas = run(slots, 'anna', 'anna', 'anna', 'anna');
        for (const sending of annas) expect(await isRunning(sending)).toBe(true);
      }
    });

    it('take the slot of one that becomes slow while they wait', async () => {
      const slots = new TransferSlots(queued, errors);
      const annas = run(slots, 'anna', 'anna', 'anna');
      const [bobs] = run(slots, 'bob');
      for (let second = 0; second < 8; second += 1) {
        await after(1_000);
        for (const sending of [...annas, bobs!]) await sending.send(1_500);
      }
      const [carls] = run(slots, 'carl');
      for (let second = 0; second < 4; second += 1) {
        await after(1_000);
        for (const sending of [...annas, bobs!]) await sending.send(1_500);
      }
      expect(await Promise.race(annas.map(({ result }) => result))).toBe('anna displaced');
      expect(await isRunning(carls!)).toBe(true);
    });
  });

  it('of four times the minimum rate are not aborted', async () => {
    const slots = new TransferSlots(limits, errors);
    const sendings = ['anna', 'anna', 'anna', 'bob'].map((owner) => start(slots, owner));
    for (let second = 0; second < 20; second += 1) {
      await after(1_000);
      for (const sending of sendings) await sending.send(4_000);
    }
    expect(await start(slots, 'carl').result).toBe('carl full');
  });

  it('in two kinds of slots at once are displaced from both for another owner', async () => {
    const [slots, outer] = [2, 1].map(
      (maxTransfers) => new TransferSlots({ ...limits, maxTransfers }, errors),
    );
    const slow = start(slots!, 'anna', outer);
    const slower = start(slots!, 'carl');
    for (let second = 0; second < 11; second += 1) {
      await after(1_000);
      await slow.send(1_500);
      await slower.send(1_200);
    }
    await after(1);
    const bobs = start(slots!, 'bob', outer);
    await settled();
    for (const sending of [bobs, slower]) sending.finish();
    expect(await Promise.all([slow, bobs, slower].map(({ result }) => result))).toEqual([
      ...['anna displaced', 'bob ended', 'carl ended'],
    ]);
  });

  it('that have received all bytes are not aborted', async () => {
    const slots = new TransferSlots({ ...limits, maxTransfers: 1 }, errors);
    let finish: () => void = () => undefined;
    const checking = slots.run('anna', async (transfer) => {
      await transfer.wait(new Promise((resolve) => setTimeout(resolve, 9_000)));
      transfer.count(1_500);
      await transfer.wait(new Promise((resolve) => setTimeout(resolve, 2_000)));
      await new Promise<void>((resolve) => (finish = resolve));
      return 'ended';
    });
    await after(12_000);
    expect(await start(slots, 'bob').result).toBe('bob full');
    finish();
    expect(await checking).toBe('ended');
  });
});
